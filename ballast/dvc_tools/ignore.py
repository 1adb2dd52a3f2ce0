"""The part of .dvcignore that Ballast keeps: what DVC would stumble over among the photographs."""

import re
from collections.abc import Iterable

BEGIN = "# Found by ballast check: DVC would fail on these, or wait for ever."
END = "# End of what ballast check found."


def with_ignored(text: str, paths: Iterable[str]) -> str:
    """Put paths into the text of a .dvcignore, in place of those that an earlier call put there.

    Args:
        text: of the file.
        paths: POSIX, relative to the top of the project; may hold any character, and Python's
            surrogate escapes for bytes that are no UTF-8.

    Returns:
        The new text; `text` itself where nothing is new.
    """
    own = re.sub(rf"\n?{re.escape(BEGIN)}.*?{re.escape(END)}\n", "", text, flags=re.DOTALL)
    patterns = [_pattern(path) for path in sorted(paths)]
    if not patterns:
        return own
    return "\n".join([own.rstrip("\n"), "", BEGIN, *patterns, END, ""])


def _pattern(path: str) -> str:
    special = re.sub(r"([\\*?\[\]!#])", r"\\\1", path)
    # DVC strips the ends of a line, and would leave an escaped space without its space.
    spaced = special.replace(" ", "[ ]")
    # What a line of UTF-8 cannot hold is matched as any character but those of ASCII.
    return "/" + re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "[! -~]", spaced)
