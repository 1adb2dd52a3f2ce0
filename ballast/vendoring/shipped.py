"""The files that a copy of Ballast consists of, as they are in a clone of it."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ballast.core.errors import UserError
from ballast.dvc_tools.git import git

CLONE = Path(__file__).parent.parent.parent
# What is left out serves Ballast's own developers alone; tests/ballast/vendoring lists it.
SHIPPED = (
    ".dvc/plots",
    ".dvcignore",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "ballast",
    "dvc.yaml",
    "outputs/live",
    "params.yaml",
    "pretrained",
    "pyproject.toml",
    "stages",
    "uv.lock",
)
# DVC's own files, for a folder that is no DVC project yet. From then on they are the user's.
DVC_PROJECT = (".dvc/.gitignore", ".dvc/config")
RECORD = ".ballast.json"
# What make and DVC write beside the outputs of stages.
WORKING = (".keras", ".uv", ".venv", "dvc.lock", "exports")


def shipped_files(clone: Path = CLONE) -> dict[str, bytes]:
    """Read the files of a copy, by POSIX path.

    Args:
        clone: of Ballast.

    Raises:
        UserError: if it is no clone but a copy, or a package that pip installed.
    """
    files = _read(clone, SHIPPED)
    # A repository has a licence of its own at its top, and Ballast's README is about its clone.
    files["ballast/LICENSE"] = files.pop("LICENSE")
    project = files["pyproject.toml"].decode()
    project = project.replace('readme = "README.md"\n', "")
    files["pyproject.toml"] = project.replace('["LICENSE"]', '["ballast/LICENSE"]').encode()
    files[".gitattributes"] = _attributes(files).encode()
    return dict(sorted(files.items()))


def dvc_project_files(clone: Path = CLONE) -> dict[str, bytes]:
    """Read the files that make a folder a DVC project, by POSIX path."""
    return _read(clone, DVC_PROJECT)


def _read(clone: Path, places: Iterable[str]) -> dict[str, bytes]:
    listed = git(clone, "ls-files", "-z", "--", *places)
    if not listed or (clone / RECORD).exists():
        raise UserError(
            f"{clone}: no clone of Ballast; run this command in one, as uv run ballast COMMAND"
            " FOLDER"
        )
    names = listed.decode().rstrip("\0").split("\0")
    try:
        return {name: (clone / name).read_bytes() for name in names}
    except OSError as error:
        raise UserError(
            f"{error.filename}: missing from this clone of Ballast; run git checkout there"
        ) from None


def _attributes(files: Iterable[str]) -> str:
    """A .gitattributes like Ballast's own, but for its own files alone."""
    tops = sorted({name.split("/")[0] + "/**" * ("/" in name) for name in files})
    lines = [f"/{top} -text" for top in tops]
    comment = "# A checkout has the bytes that were committed: DVC hashes code and images."
    return "\n".join([comment, *lines, ""])


def outputs(files: Mapping[str, bytes]) -> list[str]:
    """The paths that the pipeline writes, by the dvc.yaml among a copy's files."""
    stages: dict[str, Any] = yaml.safe_load(files["dvc.yaml"])["stages"]
    found: list[str] = []
    for stage in stages.values():
        for out in [*stage.get("outs", []), *stage.get("metrics", [])]:
            found += [out] if isinstance(out, str) else out
    return found


def version_of(files: Mapping[str, bytes]) -> str:
    """The version in the pyproject.toml among a copy's files."""
    found = re.search(r'^version = "(.*)"$', files["pyproject.toml"].decode(), re.MULTILINE)
    if not found:
        raise ValueError("pyproject.toml: no version")
    return found[1]


def news(since: str, clone: Path = CLONE) -> str:
    """The sections of CHANGELOG.md that are newer than a version.

    Raises:
        UserError: if the changelog does not have that version, which is newer than the clone.
    """
    text = (clone / "CHANGELOG.md").read_text(encoding="utf-8")
    newer, heading, _ = text.partition(f"\n## [{since}]")
    if not heading:
        raise UserError(
            f"CHANGELOG.md: this clone of Ballast does not know version {since}, which the folder"
            " has; run git pull here"
        )
    return newer[newer.find("\n## [") :].strip()
