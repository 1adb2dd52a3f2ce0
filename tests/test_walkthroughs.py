"""The pages that people follow step by step: every command runs, and prints what the page says."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from projects import environment

ROOT = Path(__file__).parent.parent
REPOSITORY = "<this repository>"
# Stands in for uv: this environment has what `uv sync` would install.
UV = """#!/bin/sh
case "$1" in
  sync) mkdir -p .venv; exit ;;
  run) shift; while [ "${1#--}" != "$1" ]; do shift; done; exec "$@" ;;
esac
exit 2
"""


class Step(NamedTuple):
    """A command on a page, and what the page says that it prints last."""

    command: str
    printed: str


def blocks(page: Path) -> list[str]:
    """The blocks of code of a page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def steps(page: Path) -> Iterator[Step]:
    """The commands of a page: lines that begin with $; the lines below are what they print.

    A block without a command shows what the last one printed.
    """
    command, printed = "", ""
    for line in "".join(blocks(page)).splitlines():
        if line.startswith("$ "):
            if command:
                yield Step(command, printed)
            command, printed = line.removeprefix("$ "), ""
        else:
            printed += f"{line}\n"
    yield Step(command, printed)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of the files as they are here, committed or not."""
    folder = tmp_path_factory.mktemp("origin")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for arguments in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "all")):
        subprocess.run(["git", *arguments], cwd=folder, env=environment(), check=True)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to begin in, with a stand-in for uv next to it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").write_text(UV)
    (tmp_path / "bin/uv").chmod(0o755)
    (tmp_path / "begin").mkdir()
    return tmp_path / "begin"


def follow(page: Path, folder: Path, repository: Path) -> None:
    """Run every command of a page, and compare what it prints."""
    variables = environment()
    variables["PATH"] = f"{folder.parent / 'bin'}:{variables['PATH']}"
    where = folder.parent / "where"
    for step in steps(page):
        command = step.command.replace(REPOSITORY, str(repository))
        done = subprocess.run(
            ["bash", "-ec", f"{command}\npwd > '{where}'"],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{step.command}\n{done.stdout}"
        said = done.stdout.replace("\N{NO-BREAK SPACE}", " ")
        assert step.printed in said, f"{step.command} printed\n{said}\nnot\n{step.printed}"
        folder = Path(where.read_text().strip())


def test_the_tutorial_is_what_happens(folder: Path, repository: Path) -> None:
    assert len([*steps(ROOT / "docs/tutorial.md")]) == 14
    follow(ROOT / "docs/tutorial.md", folder, repository)
