"""Plots as PNG files: equal values give equal bytes."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context, rcParamsDefault
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ballast.core.counts import Counts, used_subsets
from ballast.report.palette import STYLE, SUBSET_COLOURS

DPI = 120
# With more classes, bars and cells have no numbers and names are smaller. Names are left out if
# they do not fit into LARGEST inches.
FEW_CLASSES = 40
LARGEST = 20.0
HIGHEST = 500.0  # inches: Matplotlib draws fewer than 2**16 pixels
SMALLEST_FONT = 4.0
LONGEST_NAME = 30  # characters; longer names would leave no room for what they name


def counts_plot(counts: Counts) -> bytes:
    """Draw the photographs per class and subset as stacked bars; omit subsets without photographs.

    Returns:
        A PNG file.
    """
    with rc_context({**rcParamsDefault, **STYLE}):
        few = len(counts) <= FEW_CLASSES
        height = min(1.2 + (0.5 if few else 0.15) * len(counts), HIGHEST)
        figure = Figure(figsize=(6.4, height), layout="constrained")
        axes = figure.subplots()
        rows = np.arange(len(counts))
        left = np.zeros(len(counts))
        subsets = used_subsets(counts)
        for subset in subsets:
            widths = np.array([by_subset[subset] for by_subset in counts.values()])
            bars = axes.barh(rows, widths, left=left, color=SUBSET_COLOURS[subset], label=subset)
            if few:
                axes.bar_label(
                    bars,
                    [str(width) if width else "" for width in widths],
                    label_type="center",
                    color="white" if subset == "train" else "black",
                )
            left += widths
        axes.set_yticks(rows, [short_name(name) for name in counts], fontsize=9 if few else 7)
        axes.invert_yaxis()
        axes.set_xlabel("photographs")
        axes.margins(y=0.05 if few else 0.001)
        figure.legend(loc="outside upper center", ncols=len(subsets), frameon=False)
        return _png(figure)


def confusion_plot(classes: Sequence[str], matrix: NDArray[np.int64]) -> bytes:
    """Draw a confusion matrix: cells show counts, colours their share of the row.

    Args:
        classes: k names.
        matrix: counts, shape (k, k); rows are true classes.

    Returns:
        A PNG file.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with rc_context(
        {**rcParamsDefault, **STYLE, "axes.spines.left": False, "axes.spines.bottom": False}
    ):
        few = len(classes) <= FEW_CLASSES
        side = min(2.2 + 0.6 * len(classes), LARGEST)
        figure = Figure(figsize=(side + 0.6, side), layout="constrained")
        axes = figure.subplots()
        picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if few:
            for (row, column), count in np.ndenumerate(matrix):
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour)
        else:
            figure.colorbar(picture, label="share of the true class", shrink=0.5)
        size = min(9.0, 0.75 * 72 * side / len(classes))
        names = [short_name(name) for name in classes] if size >= SMALLEST_FONT else []
        ticks = range(len(names))
        axes.set_xticks(ticks, names, rotation=30 if few else 90, ha="right" if few else "center")
        axes.set_yticks(ticks, names)
        axes.tick_params(labelsize=size)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        return _png(figure)


def short_name(name: str) -> str:
    """Shorten a name to LONGEST_NAME characters, in the middle, since its end often tells most."""
    if len(name) <= LONGEST_NAME:
        return name
    tail = LONGEST_NAME // 2
    return f"{name[: LONGEST_NAME - tail - 1]}…{name[-tail:]}"


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The font lacks some characters, such as Chinese ones, and draws boxes instead.
        warnings.filterwarnings("ignore", message="Glyph")
        # Without this, Matplotlib writes its version into the file.
        figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()
