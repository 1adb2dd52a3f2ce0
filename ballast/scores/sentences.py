"""How figures are written in sentences for people."""

from ballast.scores.intervals import Interval


def typeset(sentence: str) -> str:
    """Put a no-break space before every percent sign."""
    return sentence.replace(" %", "%").replace("%", "\N{NO-BREAK SPACE}%")


def percent_range(interval: Interval) -> str:
    """The bounds of an interval of a share, as 60 to 86%."""
    assert interval.low is not None
    assert interval.high is not None
    return f"{100 * interval.low:.0f} to {interval.high:.0%}"


def photographs(n: int) -> str:
    """A number of photographs, in words."""
    return f"{n} photograph" if n == 1 else f"{n} photographs"
