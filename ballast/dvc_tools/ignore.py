"""Maintain Ballast's part of .dvcignore: files in data.raw that would make DVC fail."""

import re
from collections.abc import Iterable

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
