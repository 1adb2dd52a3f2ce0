"""Which images a page shows of a run, and how small."""

import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from PIL import Image

from ballast.augment.shards import image_reader
from ballast.core import paths
from ballast.core.counts import Counts
from ballast.core.errors import UserError
from ballast.core.images import decode_image
from ballast.core.manifest import AugmentedRow, read_augmented, read_image, read_manifest
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run

SIDE = 160  # pixels at most: twice what a page gives an image, for screens of two dots a pixel
QUALITY = 80
SHEET_CLASSES = 12  # contact sheets at most
SHEET_IMAGES = 8  # of a photograph and its variants, at most
MISTAKES = 12  # shown at most

Listed = TypeVar("Listed")  # a row of a list of images


class Mistake(NamedTuple):
    """A test photograph that was misclassified."""

    path: str
    true: str
    predicted: str
    probability: float  # of the predicted class


class RunPictures(NamedTuple):
    """The images that a page shows of a run."""

    sheets: Mapping[str, Sequence[bytes]]  # by class name: a photograph and its variants
    mistakes: Sequence[tuple[Mistake, bytes | None]]  # None where the photograph is not here


def run_pictures(run: Run, folder: Path, raw: Path) -> RunPictures:
    """Make the thumbnails of a run. Images that are gone or changed since are left out.

    Args:
        run: as read_run read it.
        folder: that has the stages' data/.
        raw: folder of photographs.

    Raises:
        UserError: where a list of images is missing or not as a stage wrote it.
    """
    photographs = {row.path: row for row in read_manifest(folder / paths.MANIFEST)}
    shown = contact_rows(read_augmented(folder / paths.AUGMENTED_LIST), SHEET_IMAGES)
    read = image_reader(folder / paths.AUGMENTED)
    sheets = {
        class_: [_thumbnail(read, row) for row in shown.get(class_, ())]
        for class_ in sheet_classes(run.counts)
    }
    return RunPictures(
        sheets={class_: [image for image in made if image] for class_, made in sheets.items()},
        mistakes=[
            (mistake, _thumbnail(partial(read_image, raw), photographs.get(mistake.path)))
            for mistake in confident_mistakes(run.predictions, MISTAKES)
        ],
    )


def confident_mistakes(predictions: Predictions, most: int) -> list[Mistake]:
    """The model's most confident mistakes.

    Args:
        predictions: of test photographs.
        most: to return so many at most.

    Returns:
        By falling probability of the predicted class, then by path.
    """
    rows = zip(
        predictions.paths,
        predictions.true,
        predictions.predicted,
        predictions.probabilities.max(axis=1).tolist(),
        strict=True,
    )
    mistakes = [Mistake(*row) for row in rows if row[1] != row[2]]
    return sorted(mistakes, key=lambda mistake: (-mistake.probability, mistake.path))[:most]


def contact_rows(rows: Sequence[AugmentedRow], images: int) -> dict[str, list[AugmentedRow]]:
    """The first photograph of each class by its path, with its augmentations.

    Args:
        rows: all training images.
        images: to return so many at most a class, the photograph itself included.

    Returns:
        By class name, sorted; in the order of the rounds, of which 0 is the photograph itself.
    """
    made: dict[str, dict[str, list[AugmentedRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        made[row.class_][row.source].append(row)
    chosen = {}
    for name, by_source in sorted(made.items()):
        chosen[name] = sorted(by_source[min(by_source)], key=lambda row: row.round_)[:images]
    return chosen


def sheet_classes(counts: Counts) -> list[str]:
    """The classes whose contact sheets are shown: those with the fewest photographs to train on."""
    rarest = sorted(counts, key=lambda name: (counts[name]["train"], name))
    return sorted(rarest[:SHEET_CLASSES])


def thumbnail(data: bytes) -> bytes:
    """Make an image small enough for a page.

    Args:
        data: a file that decode_image reads.

    Returns:
        A JPEG file of SIDE pixels a side at most, its aspect kept; a small JPEG file as it is.

    Raises:
        ImageError: as decode_image does.
    """
    image = decode_image(data)
    if data.startswith(b"\xff\xd8") and max(image.size) <= SIDE:
        return data
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _thumbnail(read: Callable[[Listed], bytes], row: Listed | None) -> bytes | None:
    if row is None:
        return None
    try:
        return thumbnail(read(row))
    except UserError:  # gone, or another picture by now: the page says so
        return None
