"""Tells by a path alone that a file is no photograph: hidden, ignored by DVC, or excluded."""

from collections.abc import Sequence
from pathlib import Path

from ballast.core.errors import UserError
from ballast.dataset.listing import is_hidden
from ballast.dvc_tools.ignore import ignored, matching

HIDDEN = "hidden file"
IGNORED = "ignored by .dvcignore"


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
    reasons |= dict.fromkeys(ignored(raw, paths), IGNORED)
    hidden = (path for path in paths if any(map(is_hidden, path.split("/"))))
    return reasons | dict.fromkeys(hidden, HIDDEN)


def unmatched(paths: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Find the patterns that match no path, with or without the ! in front.

    Args:
        paths: POSIX paths.
        exclude: patterns as in .gitignore, all valid.
    """
    return [
        pattern
        for pattern in exclude
        if next(matching([pattern.removeprefix("!")], paths), None) is None
    ]
