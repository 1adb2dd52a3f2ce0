"""One run of the pipeline, as the pages show it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ballast.augment.shards import image_reader
from ballast.core.counts import Counts
from ballast.core.errors import UserError
from ballast.core.files import intact, read_csv, read_json
from ballast.core.manifest import read_augmented, read_image, read_manifest
from ballast.report.curves import History
from ballast.report.pictures import (
    Mistake,
    confident_mistakes,
    contact_rows,
    sheet_classes,
    thumbnail,
)
from ballast.scores.predictions import Predictions, read_predictions

MISTAKES = 12  # shown at most
SHEET_IMAGES = 8  # of a photograph and its augmentations, at most
# Lists of the images by their hashes, and what the network learnt and said of them.
FINGERPRINTED = (
    "data/manifest.csv",
    "data/augmented.csv",
    "outputs/history.csv",
    "outputs/predictions.csv",
)

Listed = TypeVar("Listed")  # a row of a list of images


class Run(NamedTuple):
    """What a page shows of one run."""

    name: str
    metrics: Mapping[str, Any]  # of metric_intervals, each {"value", "low", "high"}
    predictions: Predictions
    counts: Counts
    made: Mapping[str, int]  # training images by class name
    weights: Mapping[str, float]  # of the classes in the loss, by class name
    history: History
    min_epochs: int
    params: Mapping[str, Any]  # dotted keys
    fingerprints: Mapping[str, str]  # sha256 by file
    sheets: Mapping[str, Sequence[bytes]]  # by class name: a photograph and its augmentations
    mistakes: Sequence[tuple[Mistake, bytes | None]]  # None where the photograph is not here


def read_run(
    name: str,
    folder: Path,
    raw: Path,
    params: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> Run:
    """Read what the stages wrote. Images that are gone or changed since are left out.

    Args:
        name: for the page.
        folder: that has the stages' data/ and outputs/.
        raw: folder of photographs.
        params: that the stages ran with; dotted keys.
        metrics: of metric_intervals, each {"value", "low", "high"}.

    Raises:
        UserError: where one of the files is missing or not as a stage wrote it.
    """
    predictions = read_predictions(folder / "outputs/predictions.csv")
    photographs = {row.path: row for row in read_manifest(folder / "data/manifest.csv")}
    images = read_augmented(folder / "data/augmented.csv")
    counts = read_json(folder / "outputs/class_counts.json")
    read = image_reader(folder / "data/augmented")
    shown = contact_rows(images, SHEET_IMAGES)
    sheets = {
        class_: [_thumbnail(read, row) for row in shown.get(class_, ())]
        for class_ in sheet_classes(counts)
    }
    return Run(
        name=name,
        metrics=metrics,
        predictions=predictions,
        counts=counts,
        made=Counter(row.class_ for row in images),
        weights=read_json(folder / "outputs/class_weights.json"),
        history=read_history(folder / "outputs/history.csv"),
        min_epochs=params["train.min_epochs"],
        params=params,
        fingerprints={
            path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in FINGERPRINTED
        },
        sheets={class_: [image for image in made if image] for class_, made in sheets.items()},
        mistakes=[
            (mistake, _thumbnail(partial(read_image, raw), photographs.get(mistake.path)))
            for mistake in confident_mistakes(predictions, MISTAKES)
        ],
    )


def read_history(path: Path) -> dict[str, list[float]]:
    """Read the values of each epoch, by column.

    Raises:
        UserError: as intact does.
    """
    with intact(path):
        rows = read_csv(path, ("epoch",))
        if not rows or "loss" not in rows[0]:
            raise ValueError(path)
        return {key: [float(row[key]) for row in rows] for key in rows[0] if key != "epoch"}


def _thumbnail(read: Callable[[Listed], bytes], row: Listed | None) -> bytes | None:
    if row is None:
        return None
    try:
        return thumbnail(read(row))
    except UserError:  # gone, or another picture by now: the page says so
        return None
