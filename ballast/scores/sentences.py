"""Formatting of numbers in sentences."""

from collections.abc import Sequence

from ballast.core.errors import one_line
from ballast.core.paths import DATA_REPORT
from ballast.scores.intervals import Interval
from ballast.scores.shares import percent

MOST_NAMED = 5  # things in one sentence


def typeset(sentence: str) -> str:
    """Put a no-break space before each percent sign."""
    return sentence.replace(" %", "%").replace("%", "\N{NO-BREAK SPACE}%")


def range_text(interval: Interval) -> str:
    """Format the bounds of a proportion's interval, as in "60 to 86%"."""
    assert interval.low is not None
    assert interval.high is not None
    return f"{percent(interval.low)} to {percent(interval.high)}%"


def photographs(n: int) -> str:
    """Format a number of photographs, as in "1 photograph" or "2 photographs"."""
    return f"{n} photograph" if n == 1 else f"{n} photographs"


def conflicts_text(pictures: int) -> str:
    """Say how many pictures are in more than one class, and where they are listed; or nothing."""
    if not pictures:
        return ""
    are = "1 picture is" if pictures == 1 else f"{pictures} pictures are"
    return f"{are} in more than one class ({DATA_REPORT.as_posix()}: label_conflicts)"


def listed(names: Sequence[str]) -> str:
    """Name the first five of several things, and count the others."""
    more = len(names) - MOST_NAMED
    others = f" and {more} other{'' if more == 1 else 's'}" if more > 0 else ""
    return ", ".join(names[:MOST_NAMED]) + others


def one_line_text(text: str) -> str:
    """Escape line breaks and other unprintable characters, but keep no-break spaces."""
    return "\N{NO-BREAK SPACE}".join(map(one_line, text.split("\N{NO-BREAK SPACE}")))
