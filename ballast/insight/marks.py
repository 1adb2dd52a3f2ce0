"""Marks: a spot of one colour that all photographs of a class have, and no others.

A sticker, a stamp or a coloured corner tells a class without its subject, whether the model has
learnt it yet or not. shortcuts.py asks the model; this asks the photographs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ballast.scores.explanations import Mark

CELLS = 16  # along a side: the smallest mark that is found covers a cell, 1 in 256 of the area
BORDER = 3  # cells from the edge
LEAST = 3  # photographs of a class, below which nothing is said of it
# Of the 255 levels of a colour: what a class's photographs may differ by in a cell, at most, and
# what all others must differ from them by, at least. Without a mark, the most alike cell of 12
# photographs differs by 61 or more, but that of 3 by 9: the other photographs must decide then.
ALIKE, APART = 12, 24


def cell_colours(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The mean colour of each cell of n photographs, shape (n, CELLS, CELLS, 3), rounded.

    Args:
        pixels: RGB of shape (n, size, size, 3); sizes that CELLS does not divide lose their edge.
    """
    side = pixels.shape[1] // CELLS
    cut = pixels[:, : CELLS * side, : CELLS * side].reshape(-1, CELLS, side, CELLS, side, 3)
    return np.asarray(cut.sum(axis=(2, 4), dtype=np.int64) // side**2)


def marks(by_class: Mapping[str, NDArray[np.int64]]) -> list[Mark]:
    """Find spots that have one colour in all photographs of a class, and in no others.

    Args:
        by_class: cell_colours of some photographs of each class.

    Returns:
        For each class at most one: its cells that are marked, from top left to bottom right.
    """
    found = []
    for class_, mine in by_class.items():
        others = [colours for other, colours in by_class.items() if other != class_]
        if len(mine) < LEAST or not others:
            continue
        low, high = mine.min(axis=0), mine.max(axis=0)
        alike = (high - low).max(axis=-1) <= ALIKE
        rest = np.concatenate(others)
        outside = np.maximum(np.maximum(low - rest, rest - high), 0).max(axis=-1)
        cells = np.argwhere(alike & (outside >= APART).all(axis=0))
        if len(cells):
            rows, columns = cells.T
            colour = mine[:, rows, columns].mean(axis=(0, 1)).round().astype(int).tolist()
            css = "#" + "".join(f"{level:02x}" for level in colour)
            share = len(cells) / CELLS**2
            found.append(Mark(class_, place_of(cells.tolist()), css, share, len(mine)))
    return found


def place_of(cells: Sequence[Sequence[int]]) -> str:
    """Name the part of a photograph where cells are, by their mean row and column in thirds."""
    along = [*zip(*cells, strict=True)]
    if all(max(places) - min(places) > CELLS // 2 for places in along):
        edge = max(min(*cell, CELLS - 1 - max(cell)) for cell in cells)
        return "border" if edge < BORDER else "middle"
    means = (sum(places) / len(places) + 0.5 for places in along)
    row, column = (int(3 * mean / CELLS) for mean in means)
    vertical, horizontal = ("top", "", "bottom")[row], ("left", "", "right")[column]
    return f"{vertical} {horizontal}".strip() or "middle"
