"""Training curves and reliability diagrams, as SVG in the colours of the page."""

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ballast.report.palette import STYLE
from ballast.scores.history import History
from ballast.scores.intervals import Interval, proportion
from ballast.scores.metrics import ReliabilityBin

# Placeholder colours that matplotlib draws with, and the page's CSS colours that replace them.
PAGE_COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--accent)",
    "#050505": "var(--paper)",
}
INK, MUTED, LINE, ACCENT, PAPER = PAGE_COLOURS
SVG_STYLE = {
    **STYLE,
    "font.size": 10.5,
    "svg.fonttype": "none",  # keep text as text, in the page's font
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10.5,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.frameon": False,
}
QUARTERS = [0, 0.25, 0.5, 0.75, 1]
STEPS = [1, 2, 2.5, 5, 10]  # tick distances, times a power of ten
SVG = "http://www.w3.org/2000/svg"


def history_curves(
    name: str, history: History, quantity: str, best: int, top: float, epochs: int
) -> str:
    """Draw the loss or accuracy in training and validation, and mark the chosen epoch.

    Args:
        name: name of the picture, unique on its page.
        history: values per epoch, by name.
        quantity: "loss" or "accuracy".
        best: the chosen epoch, counted from 1.
        top: upper end of the y axis, shared by pictures side by side.
        epochs: upper end of the x axis.

    Returns:
        An SVG element.
    """
    with rc_context({**rcParamsDefault, **SVG_STYLE}):
        figure = Figure(figsize=(4.4, 2.5))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.13, right=0.98, bottom=0.19, top=0.89)
        axes.axvline(best, color=MUTED, linewidth=0.8)
        axes.annotate(
            f"epoch {best} chosen",
            (best, 1.02),
            xycoords=("data", "axes fraction"),
            ha="left" if best < epochs / 2 else "right",
            va="bottom",
        )
        for key, colour, dashes in ((quantity, MUTED, (3, 2)), (f"val_{quantity}", ACCENT, ())):
            values = history.get(key, ())
            numbers = range(1, len(values) + 1)
            width = 1.2 if dashes else 1.8
            axes.plot(numbers, values, color=colour, linewidth=width, dashes=dashes or (None, None))
            if len(values) >= best:
                axes.plot(best, values[best - 1], "o", color=colour, markersize=4.5)
        axes.set_xlim(0.5, max(epochs, 2) + 0.5)
        axes.set_ylim(0, 1.03 * top)  # do not clip a line along the top
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS, integer=True))
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("epoch")
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
        if quantity == "accuracy":
            axes.set_yticks(QUARTERS)
            axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        return _svg(figure, name)


def reliability_plot(name: str, bins: Sequence[ReliabilityBin]) -> str:
    """Draw a reliability diagram: accuracy against confidence.

    Args:
        name: name of the picture, unique on its page.
        bins: result of `reliability`.

    Returns:
        An SVG element.
    """
    with rc_context({**rcParamsDefault, **SVG_STYLE}):
        figure = Figure(figsize=(4.0, 3.2))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.2, right=0.93, bottom=0.16, top=0.96)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, dashes=(3, 2))
        _dots(axes, bins)
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.03, 1.03)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(QUARTERS)
            axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set_xlabel("confidence")
        axes.set_ylabel("accuracy")
        return _svg(figure, name)


def bin_interval(bin_: ReliabilityBin) -> Interval:
    """The accuracy in a bin, with Wilson's interval for as many photographs, rounded."""
    photographs = max(round(bin_.photographs), 1)
    _, low, high = proportion(round(bin_.accuracy * photographs), photographs)
    return Interval(bin_.accuracy, low, high)


def _dots(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    """Draw one dot per bin, its area proportional to the photographs, and its interval."""
    most = max(bin_.photographs for bin_ in bins)
    for bin_ in bins:
        x, y, photos = bin_.confidence, bin_.accuracy, bin_.photographs
        _, low, high = np.array(bin_interval(bin_), dtype=np.float64)
        axes.plot((x, x), (low, high), color=INK, linewidth=1, clip_on=False)
        size = (20 + 180 * photos / most) ** 0.5
        axes.plot(x, y, "o", color=ACCENT, markersize=size, markeredgecolor=PAPER, clip_on=False)


def _svg(figure: Figure, name: str) -> str:
    """Convert a figure to an SVG element for an HTML page."""
    file = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Matplotlib derives ids from the salt and the content, so they are reproducible, and unique on
    # the page.
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata=nothing)
    root = ElementTree.fromstring(file.getvalue())
    text = file.getvalue().decode()
    for element in root.iter():
        for child in list(element):
            if child.tag == f"{{{SVG}}}style":  # it would apply to the whole page
                element.remove(child)
        attributes = dict(element.attrib)
        element.attrib.clear()
        for key, value in attributes.items():
            if key != "id" or f"#{value}" in text:
                # HTML uses SVG names without their namespace.
                element.set(key.rpartition("}")[2], value)
        element.tag = element.tag.rpartition("}")[2]
        element.tail = None
        element.text = (element.text or "").strip()
    for key in ("width", "height"):  # the page sets the size
        del root.attrib[key]
    svg = ElementTree.tostring(root, encoding="unicode")
    for colour, page_colour in PAGE_COLOURS.items():
        svg = svg.replace(colour, page_colour)
    return svg
