"""Pictures: one style, colour-blind safe, the same bytes for the same values."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context, rcParamsDefault
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from ballast.counts import Counts

# Okabe & Ito's colours, which the colour-blind can tell apart (jfly.uni-koeln.de/color).
SUBSET_COLOURS = {"train": "#0072b2", "val": "#56b4e9", "test": "#e69f00"}
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
DPI = 120


def counts_plot(counts: Counts) -> bytes:
    """Draw photographs a class and subset as bars.

    Returns:
        A PNG file.
    """
    with rc_context({**rcParamsDefault, **STYLE}):
        figure = Figure(figsize=(6.4, 1.2 + 0.5 * len(counts)), layout="constrained")
        axes = figure.subplots()
        rows = np.arange(len(counts))
        left = np.zeros(len(counts))
        for subset, colour in SUBSET_COLOURS.items():
            widths = np.array([by_subset[subset] for by_subset in counts.values()])
            bars = axes.barh(rows, widths, left=left, color=colour, label=subset)
            axes.bar_label(
                bars,
                [str(width) if width else "" for width in widths],
                label_type="center",
                color="white" if subset == "train" else "black",
            )
            left += widths
        axes.set_yticks(rows, list(counts))
        axes.invert_yaxis()
        axes.set_xlabel("photographs")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=3, frameon=False)
        return _png(figure)


def confusion_plot(classes: Sequence[str], true: Sequence[str], predicted: Sequence[str]) -> bytes:
    """Draw which class was taken for which: photographs in numbers, share of the row in colour.

    Returns:
        A PNG file.
    """
    matrix = confusion_matrix(true, predicted, labels=list(classes))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with rc_context(
        {**rcParamsDefault, **STYLE, "axes.spines.left": False, "axes.spines.bottom": False}
    ):
        side = 2.2 + 0.6 * len(classes)
        figure = Figure(figsize=(side + 0.6, side), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), photos in np.ndenumerate(matrix):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(photos), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(classes)), list(classes), rotation=30, ha="right")
        axes.set_yticks(range(len(classes)), list(classes))
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        return _png(figure)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    # Matplotlib would write its version into the file.
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()
