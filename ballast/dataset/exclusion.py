"""Tells by a path alone that a file is no photograph: hidden, ignored by DVC, or excluded."""

from collections.abc import Sequence
from pathlib import Path

from ballast.core.errors import UserError
from ballast.dvc_tools.ignore import ignored, matching

HIDDEN = "hidden file"
# What systems and programs leave in folders of pictures, in lower case. Names with a dot in front
# are hidden in any case.
SYSTEM_NAMES = {
    "$recycle.bin",
    "#recycle",
    "@eadir",
    "__macosx",
    "__pycache__",
    "desktop.ini",
    "ehthumbs.db",
    "lost+found",
    "system volume information",
    "thumbs.db",
}


def is_hidden(name: str) -> bool:
    """Whether the name of a file or folder begins with a dot, or is a system's own."""
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


def excluded(raw: Path, paths: Sequence[str], exclude: Sequence[str]) -> dict[str, str]:
    """Find the files that are left out by their path.

    Args:
        raw: the folder.
        paths: POSIX paths relative to it.
        exclude: patterns as in .gitignore, relative to it.

    Returns:
        The reason for each path that is left out.

    Raises:
        UserError: if a pattern is invalid, or a .dvcignore cannot be read.
    """
    reasons: dict[str, str] = {}
    if exclude:
        try:
            matched = matching(exclude, paths)
        except ValueError as error:
            raise UserError(
                f"params.yaml: data.exclude: {error}; write patterns as in .gitignore"
            ) from None
        reasons |= dict.fromkeys(matched, "excluded by data.exclude")
    reasons |= dict.fromkeys(ignored(raw, paths), "ignored by .dvcignore")
    hidden = (path for path in paths if any(map(is_hidden, path.split("/"))))
    return reasons | dict.fromkeys(hidden, HIDDEN)
