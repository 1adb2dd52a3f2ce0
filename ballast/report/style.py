"""How every picture looks: colours that the colour-blind can tell apart, and matplotlib's settings.

A class has one colour on every picture of the pages, by its place among the sorted class names.
"""

from typing import NamedTuple

# Okabe & Ito's colours, which the colour-blind can tell apart (jfly.uni-koeln.de/color).
SUBSET_COLOURS = {"train": "#0072b2", "val": "#56b4e9", "test": "#e69f00"}


class Colour(NamedTuple):
    """One hue as CSS writes it: on a light and on a dark page."""

    light: str
    dark: str


# Okabe & Ito's again, darker or lighter where one would have a contrast below 3 to its page
# (WCAG 2.2, 1.4.11): orange and sky blue on white, blue on black. From the seventh class on they
# come again; the name always stands beside.
CLASS_COLOURS = (
    Colour("#0072b2", "#3d9be0"),
    Colour("#d55e00", "#e8743b"),
    Colour("#008a65", "#17b088"),
    Colour("#b8608f", "#d68fb4"),
    Colour("#946a00", "#e0a526"),
    Colour("#3a7ca5", "#8cc8ee"),
)

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a class may be called $x$
}


def class_colour(place: int) -> int:
    """Which of CLASS_COLOURS the class at a place among the sorted names has, from 0."""
    return place % len(CLASS_COLOURS)
