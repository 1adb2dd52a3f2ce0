"""A copy of the project in its own folder, and what tests do with it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dvc.utils.serialize import modify_yaml

# Stands in for uv: this environment has what `uv sync` would install.
UV = """#!/bin/sh
case "$1" in
  sync) mkdir -p .venv; exit ;;
  run) shift; while [ "${1#--}" != "$1" ]; do shift; done; exec "$@" ;;
esac
exit 2
"""


class Project(NamedTuple):
    """A copy of the project's code with a small data set and quick params."""

    folder: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command at the top of the project."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def in_namespace(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script as root of a namespace with its own mounts and no network."""
        return self.run(
            "unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c", script,
            check=False,
        )  # fmt: skip

    def stage(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a stage's script, whatever its exit code."""
        return self.run(sys.executable, "-m", f"stages.{name}", *arguments, check=False)

    def ballast(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a subcommand of ballast, whatever its exit code."""
        return self.run(sys.executable, "-m", "ballast", *arguments, check=False)

    def dvc(self, *arguments: str) -> str:
        """Run DVC and return what it prints."""
        done = self.run(sys.executable, "-m", "dvc", *arguments)
        return done.stdout + done.stderr

    def git(self, *arguments: str) -> str:
        """Run git and return what it prints."""
        return self.run("git", *arguments).stdout

    def commit_all(self) -> None:
        """Commit everything; create the repository if there is none."""
        if not (self.folder / ".git").exists():
            self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "all")

    def repro(self) -> tuple[list[str], list[str]]:
        """Run dvc repro; return the stages that ran and those restored from the run cache."""
        said = self.dvc("repro")
        ran = re.findall(r"^Running stage '([\w@-]+)'", said, re.MULTILINE)
        restored = re.findall(r"^Stage '([\w@-]+)' is cached", said, re.MULTILINE)
        return ran, restored

    def set_params(self, values: Mapping[str, Any]) -> None:
        """Change params.yaml as dvc exp run --set-param does; keys are dotted."""
        with modify_yaml(self.folder / "params.yaml") as params:
            for key, value in values.items():
                *sections, last = key.split(".")
                section = params
                for name in sections:
                    section = section[name]
                section[last] = value

    def read(self, path: str) -> str:
        """Read a file of the project."""
        return (self.folder / path).read_text(encoding="utf-8")

    def copied(self, folder: Path) -> "Project":
        """Copy everything, with git and DVC's cache, to a new folder."""
        return Project(shutil.copytree(self.folder, folder, symlinks=True))

    def outputs(self) -> dict[str, bytes]:
        """Read every file that the stages wrote."""
        tops = [self.folder / top for top in ("data", "models", "outputs")]
        files = [path for top in tops for path in top.rglob("*") if path.is_file()]
        raw = self.folder / "data/raw"
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in files
            if raw not in path.parents and path.name != ".gitkeep"
        }

    def raw_files(self) -> dict[str, bytes]:
        """Read every photograph."""
        raw = self.folder / "data/raw"
        return {str(path): path.read_bytes() for path in raw.rglob("*") if path.is_file()}


def environment() -> dict[str, str]:
    """The environment variables for a project's commands."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@localhost",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@localhost",
    }
