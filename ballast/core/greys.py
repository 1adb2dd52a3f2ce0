"""Deep greys: images of one channel with more than 8 bits, and the range of values in them.

Files do not say which of their values are black and white: a camera of 12 bits stores 0 to 4095 in
16 bits, a scanner of bodies -1024 to 3071. One range is used for all images of a data set, so that
equal values stay equal greys.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ballast.core.files import intact, read_json

Range = tuple[float, float]  # the values that become black and white; finite, in this order

# Rows converted at a time: as floats, a whole image would need 8 times its memory.
ROWS = 256
SAMPLED = 1_000_000  # pixels, at most, that typical_range looks at
OUTLIERS = 200  # it ignores one pixel in so many at either end


def is_deep(image: Image.Image) -> bool:
    """Whether an image is of one channel with more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def as_range(value: object) -> Range | None:
    """The range that JSON or YAML gives as a list; None if it is not a range."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in value):
        return None
    try:
        low, high = map(float, value)
    except OverflowError:
        return None
    # Finite, also if one is subtracted from the other.
    return (low, high) if low < high and math.isfinite(high - low) else None


def read_range(path: Path) -> Range | None:
    """Read the range that split found; None if no photograph is a deep grey.

    Raises:
        UserError: if the file is missing or damaged.
    """
    value = read_json(path)
    with intact(path):
        found = as_range(value)
        if value is not None and found is None:
            raise ValueError
        return found


def to_8_bits(values: NDArray[Any], greys: Range | None) -> NDArray[np.uint8]:
    """Scale values so that a range becomes 0 to 255, and clip those beyond it.

    Args:
        values: shape (h, w); NaN becomes black.
        greys: the range; None for that of the type: all values of 16 bits, and of floats 0 to 1, or
            0 to 255 if any is above 1.
    """
    low, high = greys or _range_of_type(values)
    grey = np.empty(values.shape, dtype=np.uint8)
    for start in range(0, len(values), ROWS):
        rows = values[start : start + ROWS].astype(np.float64)
        rows = np.nan_to_num(rows, nan=low, posinf=high, neginf=low)
        scaled = (rows - low) * (255.0 / (high - low))
        grey[start : start + ROWS] = np.clip(np.rint(scaled), 0, 255)
    return grey


def _range_of_type(values: NDArray[Any]) -> Range:
    if values.dtype.kind != "f":
        return (0.0, 65535.0)
    return (0.0, 1.0) if values.max(initial=0.0) <= 1.0 else (0.0, 255.0)


def whole_range(values: NDArray[Any]) -> Range | None:
    """The smallest and the largest finite value of an image, which may be equal; None without."""
    ends: list[float] = []
    for start in range(0, len(values), ROWS):
        rows = values[start : start + ROWS]
        finite = rows[np.isfinite(rows)]
        if finite.size:
            ends += [float(finite.min()), float(finite.max())]
    return (min(ends), max(ends)) if ends else None


def typical_range(values: NDArray[Any]) -> Range | None:
    """The range of an image's values without the darkest and the brightest ones.

    Args:
        values: shape (h, w).

    Returns:
        None if all values are equal.
    """
    step = math.ceil(math.sqrt(values.size / SAMPLED)) or 1
    sample = values[::step, ::step]
    ordered = np.sort(sample[np.isfinite(sample)]).astype(np.float64)
    out = len(ordered) // OUTLIERS
    inner = ordered[out : len(ordered) - out]
    for kept in (inner, ordered):
        if kept.size and kept[0] < kept[-1]:
            return (float(kept[0]), float(kept[-1]))
    return None


def range_of_all(used: Sequence[Range]) -> Range | None:
    """The range of a data set; None if there are no deep greys, or all values are equal."""
    if not used:
        return None
    return as_range([min(low for low, _ in used), max(high for _, high in used)])


def share_used(used: Sequence[Range], greys: Range) -> float:
    """The share of a range that at least half of the images use at most: 0 to 1.

    Args:
        used: what each image uses; at least one.
        greys: the range.
    """
    low, high = greys
    shares = sorted(max(0.0, min(high, top) - max(low, bottom)) for bottom, top in used)
    return shares[(len(shares) - 1) // 2] / (high - low)
