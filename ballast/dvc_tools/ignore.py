"""Match paths as DVC does, and maintain Ballast's part of .dvcignore: files that make DVC fail."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from dvc.fs import localfs
from dvc.ignore import DvcIgnoreFilter, DvcIgnorePatterns

from ballast.core.errors import UserError

BEGIN = "# Found by ballast check: DVC would fail on these, or wait for ever."
END = "# End of what ballast check found."


def with_ignored(text: str, paths: Iterable[str]) -> str:
    """Put paths into the text of a .dvcignore; replaces those of earlier calls.

    Args:
        text: of the file.
        paths: POSIX paths relative to the top of the project; may contain any character, and
            Python's surrogate escapes for bytes that are not UTF-8.

    Returns:
        The new text; `text` itself if nothing has changed.
    """
    own = re.sub(rf"\n?{re.escape(BEGIN)}.*?{re.escape(END)}\n", "", text, flags=re.DOTALL)
    patterns = [_pattern(path) for path in sorted(paths)]
    if not patterns:
        return own
    return "\n".join([own.rstrip("\n"), "", BEGIN, *patterns, END, ""])


def _pattern(path: str) -> str:
    special = re.sub(r"([\\*?\[\]!#])", r"\\\1", path)
    # DVC strips lines, which would cut the space off a trailing escaped space.
    spaced = special.replace(" ", "[ ]")
    # Match a character that a UTF-8 line cannot contain with any character outside ASCII.
    return "/" + re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "[! -~]", spaced)


def ignored(raw: Path, paths: Iterable[str]) -> set[str]:
    """Find the files that DVC ignores, by a .dvcignore or its own defaults.

    Args:
        raw: a folder; outside the project, whose top is the current folder, DVC ignores nothing.
        paths: POSIX paths relative to it.

    Raises:
        UserError: if a .dvcignore cannot be read.
    """
    top, folder = localfs.abspath("."), localfs.abspath(str(raw))
    if not localfs.isin_or_eq(folder, top):
        return set()
    found: set[str] = set()
    try:
        ignore = DvcIgnoreFilter(localfs, top)
        for parent, group in groupby(sorted(paths), lambda path: path.rpartition("/")[0]):
            names = {path.rpartition("/")[2]: path for path in group}
            _, kept = ignore(localfs.join(folder, parent) if parent else folder, [], [*names])
            found |= {*names.values()} - {names[name] for name in kept}
    except (OSError, ValueError) as error:  # a ValueError of a pattern, or of what is not UTF-8
        raise UserError(f".dvcignore: cannot be read: {error}") from None
    return found


def matching(patterns: Sequence[str], paths: Iterable[str]) -> Iterator[str]:
    """Find the paths that match patterns as in a .dvcignore or .gitignore.

    Args:
        patterns: the last one that matches a path decides, and ! before it keeps the path.
        paths: POSIX paths, relative to the folder that patterns with a / begin at.

    Raises:
        ValueError: naming what is not a pattern.
    """
    compiled = DvcIgnorePatterns(patterns, "/", "/")
    return (
        path
        for path in paths
        if compiled.matches(f"/{path.rpartition('/')[0]}", path.rpartition("/")[2])
    )
