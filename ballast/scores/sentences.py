"""Formatting of numbers in sentences."""

from ballast.core.errors import one_line
from ballast.scores.intervals import Interval


def typeset(sentence: str) -> str:
    """Put a no-break space before each percent sign."""
    return sentence.replace(" %", "%").replace("%", "\N{NO-BREAK SPACE}%")


def range_text(interval: Interval) -> str:
    """Format the bounds of a proportion's interval, as in "60 to 86%"."""
    assert interval.low is not None
    assert interval.high is not None
    return f"{100 * interval.low:.0f} to {interval.high:.0%}"


def photographs(n: int) -> str:
    """Format a number of photographs, as in "1 photograph" or "2 photographs"."""
    return f"{n} photograph" if n == 1 else f"{n} photographs"


def one_line_text(text: str) -> str:
    """Escape line breaks and other unprintable characters, but keep no-break spaces."""
    return "\N{NO-BREAK SPACE}".join(map(one_line, text.split("\N{NO-BREAK SPACE}")))
