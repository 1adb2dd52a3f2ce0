"""HTML pages for one run or for several runs side by side.

Each page is a single HTML file with embedded pictures, without scripts, and needs no network. Equal
values give equal bytes.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from ballast.core.counts import used_subsets
from ballast.core.params import UNUSED_BY_LINEAR_HEADS
from ballast.report.curves import bin_interval, history_curves, reliability_plot
from ballast.report.palette import CLASS_COLOURS, class_colour
from ballast.report.pictures import SHEET_CLASSES, RunPictures, sheet_classes
from ballast.report.rendering import Filters, render
from ballast.scores.advice import balancing_methods, then, where
from ballast.scores.calibration import perfect_calibration_error
from ballast.scores.history import chosen_epoch, is_solved
from ballast.scores.judged import Judged, confusion_counts, judged_photographs
from ballast.scores.metrics import calibration_error, reliability
from ballast.scores.run import Run
from ballast.scores.shares import percent, rounded

# With more classes, the matrix is unreadable and the page many megabytes large.
MATRIX_CLASSES = 40
CONFUSIONS = 20  # number of pairs listed instead of a matrix
# What a variant may look like, and the params of `augment` that are behind it.
KNOBS = {
    "false colours": ("hue", "saturation"),
    "too dark, bright or pale": ("brightness", "contrast"),
    "cut off": ("zoom", "shift"),
    "tilted": ("rotate", "shear"),
    "the wrong way round": ("flip",),
    "hidden or blurred": ("cutout", "blur", "noise", "quality_drop"),
}


class Confusion(NamedTuple):
    """How often photographs of one class were misclassified as another, in all trainings."""

    true: str
    predicted: str
    judgements: int


def page(
    template: str,
    runs: Sequence[Run],
    pictures: Sequence[RunPictures],
    values: Mapping[str, object],
    reference: str | None = None,
) -> str:
    """Render a page of one run, or of several side by side.

    Args:
        template: name of the template.
        runs: one or more runs on the same test photographs.
        pictures: pictures of each run.
        values: additional values for this template.
        reference: strategy of this name that the page also shows.

    Returns:
        HTML.
    """
    classes = runs[0].judged.classes
    shared = {
        "runs": runs,
        "classes": classes,
        "colours": CLASS_COLOURS,
        "colour_of": {name: class_colour(place) for place, name in enumerate(classes)},
        "counts": count_rows(runs),
        "judged": judged_photographs(runs[0].judged),
        "trainings": len(runs[0].judged.predicted),
        "cross_validated": runs[0].cross_validated,
        "subsets": used_subsets(runs[0].counts),
        "matrices": [matrix(run.judged) for run in runs] if len(classes) <= MATRIX_CLASSES else [],
        "confusions": [frequent_confusions(run.judged) for run in runs],
        "curves": training_curves(runs),
        "reliability": [
            reliability_diagram(f"reliability {place}", run) for place, run in enumerate(runs)
        ],
        "sheets": contact_sheets(runs, pictures),
        "mistakes": [of_run.mistakes for of_run in pictures],
        "params": param_rows(runs),
        "strategies": strategies(runs, reference),
        "knobs": knobs(runs),
        "sheet_classes": SHEET_CLASSES,
    }
    filters: Filters = {
        "percent": percent,
        "points": points,
        "then": then,
        "where": where,
        "yaml": yaml_scalar,
        "jpeg": jpeg_uri,
    }
    return render(template, {**shared, **values}, filters, html=True)


def param_rows(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Collect the value of each param in each run; None if a run lacks that param.

    Strategies that are not in use are left out, and params that have no effect on a linear head. So
    is data.raw: the fingerprints identify the photographs, their folder does not.
    """
    shown: list[dict[str, Any]] = []
    for run in runs:
        unused = UNUSED_BY_LINEAR_HEADS if is_solved(run.history) else frozenset()
        row, any_row = f"strategies.{run.params['strategy']}.", "strategies.*."
        names = {
            key: any_row + key.removeprefix(row) if key.startswith(row) else key
            for key in run.params
            if key.startswith(row)
            or not (key.startswith(("strategies.", "data.raw")) or key in unused)
        }
        values = {name: run.params[key] for key, name in names.items()}
        # Jinja's filter `unique` hashes values, and lists are unhashable.
        shown.append({k: ", ".join(v) if isinstance(v, list) else v for k, v in values.items()})
    return {key: [params.get(key) for params in shown] for params in shown for key in params}


def strategies(runs: Sequence[Run], reference: str | None) -> dict[str, list[str]]:
    """How each strategy that the page names balances, by its name."""
    names: list[str] = [run.params["strategy"] for run in runs]
    names += [reference] if reference else []
    params = runs[0].params
    known = [name for name in names if f"strategies.{name}.class_weights" in params]
    return {name: balancing_methods(params, name) for name in known}


def knobs(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """The params of augmentation that are in use, by what they may do to an image."""
    params = runs[-1].params
    used = {
        fault: {key: params.get(f"augment.{key}") for key in keys} for fault, keys in KNOBS.items()
    }
    shown = {fault: {k: v for k, v in found.items() if v} for fault, found in used.items()}
    return {fault: found for fault, found in shown.items() if found}


def count_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Count the photographs of each class before balancing and the training images after, per run.

    Returns:
        One row per class: its name, the counts of the first run by subset, and the bars, each with
        its label, its number, and its length relative to the longest bar on the page.
    """
    classes = runs[0].judged.classes
    alike = all(run.counts == runs[0].counts for run in runs)
    several = len(runs) > 1
    rows: list[dict[str, Any]] = []
    for name in classes:
        bars: list[tuple[str, bool, int]] = []
        for place, run in enumerate(runs):
            before, of_run = run.counts[name]["train"], f", {run.name}" if several else ""
            if place == 0 or not alike:
                bars.append((f"before{'' if alike else of_run}", False, before))
            bars.append((f"after{of_run}", True, run.made.get(name, 0)))
        rows.append({"name": name, "counts": runs[0].counts[name], "bars": bars})
    longest = max((number for row in rows for *_, number in row["bars"]), default=0) or 1
    for row in rows:
        row["bars"] = [
            {"label": label, "after": after, "number": number, "share": number / longest}
            for label, after, number in row["bars"]
        ]
    return rows


def matrix(judged: Judged) -> list[list[dict[str, Any]]]:
    """Confusion matrix by true class (rows) and predicted class, with each cell's share of its row.

    Returns:
        Rows of cells, each {"count", "share"}; counts are of the judgements of all trainings.
    """
    counts = confusion_counts(judged).tolist()
    return [[{"count": n, "share": n / max(sum(row), 1)} for n in row] for row in counts]


def frequent_confusions(judged: Judged) -> list[Confusion]:
    """The most frequent misclassifications, by true and predicted class."""
    counts, names = confusion_counts(judged), judged.classes
    np.fill_diagonal(counts, 0)
    found = [Confusion(names[i], names[j], int(counts[i, j])) for i, j in np.argwhere(counts)]
    return sorted(found, key=lambda pair: (-pair.judgements, pair))[:CONFUSIONS]


def training_curves(runs: Sequence[Run]) -> list[dict[str, Any] | None]:
    """Draw the loss and accuracy of each run, on shared scales, with its chosen epoch.

    Returns:
        One entry per run; None for a linear head, which has no epochs.
    """
    histories = [run.history for run in runs if not is_solved(run.history)]
    losses = [v for h in histories for key in ("loss", "val_loss") for v in h.get(key, ())]
    epochs = max((len(history["loss"]) for history in histories), default=0)
    top = {"loss": max(losses, default=0.0), "accuracy": 1.0}
    curves: list[dict[str, Any] | None] = []
    for place, run in enumerate(runs):
        if is_solved(run.history):
            curves.append(None)
            continue
        best = chosen_epoch(run.history, run.min_epochs)
        pictures = {
            quantity: history_curves(
                f"{quantity} {place}", run.history, quantity, best, limit, epochs
            )
            for quantity, limit in top.items()
        }
        lowest = chosen_epoch(run.history, min_epochs=1)
        curves.append({"best": best, "lowest": lowest, "pictures": pictures})
    return curves


def reliability_diagram(name: str, run: Run) -> dict[str, Any]:
    """Draw a run's reliability diagram; return it with its values and the calibration error.

    Beside that error is what a perfectly calibrated model would show on as many photographs.
    """
    bins = reliability(run.predictions)
    rows = [
        {
            "photographs": f"{bin_.photographs:.3g}",
            "confidence": bin_.confidence,
            "accuracy": bin_interval(bin_),
        }
        for bin_ in bins
    ]
    error = fmean(calibration_error(reliability([of])) for of in run.predictions)
    chance = perfect_calibration_error(run.predictions[0].probabilities, seed=0)
    excess = sum((bin_.confidence - bin_.accuracy) * bin_.photographs for bin_ in bins)
    verdict = "no more than chance explains"
    if error > chance.highest:
        verdict = f"its probabilities are too {'high' if excess > 0 else 'low'}"
    return {
        "bins": rows,
        "error": error,
        "chance": chance,
        "verdict": verdict,
        "picture": reliability_plot(name, bins),
    }


def contact_sheets(runs: Sequence[Run], pictures: Sequence[RunPictures]) -> list[dict[str, Any]]:
    """Contact sheets of the classes with the fewest training photographs, sorted by class name.

    Strategies differ in how many variants they make of a photograph, not in the variants
    themselves. A sheet that another run's sheet begins with is not shown again.
    """
    sheets = []
    for name in sheet_classes(runs[0].counts):
        shown: list[tuple[list[str], list[bytes]]] = []
        of_runs = [
            (run.name, list(of_run.sheets.get(name, ())))
            for run, of_run in zip(runs, pictures, strict=True)
        ]
        for run_name, images in sorted(of_runs, key=lambda of_run: -len(of_run[1])):
            if not images:
                continue
            for names, longer in shown:
                if longer[: len(images)] == images:
                    names.append(run_name)
                    break
            else:
                shown.append(([run_name], images))
        if shown:
            sheets.append({"name": name, "rows": shown})
    return sheets


def points(difference: float | None) -> str:
    """Format a difference of two proportions in percentage points, with its sign."""
    if difference is None:
        return "\N{EN DASH}"
    whole = int(rounded(100 * difference, 0))
    sign = "+" if whole > 0 else "\N{MINUS SIGN}" if whole < 0 else "\N{PLUS-MINUS SIGN}"
    return f"{sign}{abs(whole)}"


def yaml_scalar(value: object) -> str:
    """Format a param's value for display; floats get six significant digits."""
    if isinstance(value, float):
        return f"{value:g}"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value) or "''"


def jpeg_uri(data: bytes) -> str:
    """Encode a JPEG file as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
