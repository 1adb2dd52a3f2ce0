"""Style of all pictures: a palette that is safe for colour blindness, and matplotlib's settings.

A class has the same colour in every picture of a page, by its index in the sorted class names.
"""

from typing import NamedTuple

# Okabe & Ito's palette, which is safe for colour blindness (jfly.uni-koeln.de/color).
SUBSET_COLOURS = {"train": "#0072b2", "val": "#56b4e9", "test": "#e69f00"}


class Colour(NamedTuple):
    """One hue as CSS colours, for a light and for a dark page."""

    light: str
    dark: str


# Okabe & Ito's palette, darkened or lightened where the contrast with the page would be below 3
# (WCAG 2.2, 1.4.11): orange and sky blue on white, blue on black. Colours repeat from the seventh
# class on; the class name is always shown next to the colour.
CLASS_COLOURS = (
    Colour("#0072b2", "#3d9be0"),
    Colour("#d55e00", "#e8743b"),
    Colour("#008a65", "#17b088"),
    Colour("#b8608f", "#d68fb4"),
    Colour("#946a00", "#e0a526"),
    Colour("#3a7ca5", "#8cc8ee"),
)

STYLE = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so it is the same on every machine
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a class may be named $x$
}


def class_colour(place: int) -> int:
    """Index into CLASS_COLOURS of the class with index `place` in the sorted names."""
    return place % len(CLASS_COLOURS)
