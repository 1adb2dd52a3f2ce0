"""The repository that gets a copy of Ballast: what stands in the way there."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ballast.core.errors import UserError, counted
from ballast.dvc_tools.git import git
from ballast.vendoring.shipped import CLONE, RECORD

SHOWN = 3  # paths in a message


def refuse_folder(folder: Path) -> None:
    """Refuse a folder that no copy of Ballast can be written to.

    Raises:
        UserError: if it is outside git, in the clone itself, or has a copy already.
    """
    if folder.resolve().is_relative_to(CLONE):
        raise UserError(f"{folder}: in this clone of Ballast; name a folder of your repository")
    if (folder / RECORD).exists():
        raise UserError(f"{folder}: has Ballast already; run ballast upgrade {folder}")
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a folder")
    if git(_existing(folder), "rev-parse", "--is-inside-work-tree") != b"true\n":
        raise UserError(f"{folder}: not in a git repository; run git init at its top")


def refuse_taken(folder: Path, files: Mapping[str, bytes], made: Iterable[str]) -> None:
    """Refuse to overwrite what is the user's.

    Args:
        folder: of the copy.
        files: the content of its files, by path; one that is there already is no obstacle.
        made: paths that the pipeline, DVC or make will write.

    Raises:
        UserError: naming what is there.
    """
    found = [path for path in made if os.path.lexists(folder / path)]
    found += [path for path, data in files.items() if _taken(folder, path, data)]
    if found:
        raise UserError(
            f"{folder}: nothing was changed, since these are there and would be overwritten:"
            f" {some(found)}; name another folder, such as {folder / 'classifier'}"
        )


def refuse_ignored(folder: Path, paths: Iterable[str]) -> None:
    """Refuse a folder where git ignores files of the copy: clones and experiments would lack them.

    Raises:
        UserError: naming such files.
    """
    top = folder.resolve()
    asked = os.fsencode("\0".join(str(top / path) for path in paths))
    ignored = git(_existing(folder), "check-ignore", "-z", "--stdin", stdin=asked) or b""
    found = [os.path.relpath(path, top) for path in os.fsdecode(ignored).split("\0") if path]
    if found:
        raise UserError(
            f"{folder}: nothing was changed, since your .gitignore has what the pipeline needs in"
            f" git: {some(found)}; take it out there, or name another folder"
        )


def some(paths: list[str]) -> str:
    """The first few paths, and how many more there are."""
    more = len(paths) - SHOWN
    return ", ".join(paths[:SHOWN]) + (f" and {counted(more, 'other')}" if more > 0 else "")


def _taken(folder: Path, path: str, data: bytes) -> bool:
    """Whether something else is where a file belongs, or where a folder above it belongs."""
    place = folder / path
    if place.is_file():
        return place.read_bytes() != data
    above = place.parents[: len(Path(path).parents) - 1]
    return any(os.path.lexists(p) and not p.is_dir() for p in above) or os.path.lexists(place)


def _existing(folder: Path) -> Path:
    """The folder, or the one above it that exists."""
    return next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
