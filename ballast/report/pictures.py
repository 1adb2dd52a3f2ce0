"""Which images a page shows, and how small."""

import io
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from ballast.core.counts import Counts
from ballast.core.images import decode_image
from ballast.core.manifest import AugmentedRow
from ballast.scores.predictions import Predictions

SIDE = 160  # pixels at most: twice what a page gives an image, for screens of two dots a pixel
QUALITY = 80
SHEET_CLASSES = 12  # contact sheets at most


class Mistake(NamedTuple):
    """A test photograph that was taken for another class."""

    path: str
    true: str
    predicted: str
    probability: float  # of the predicted class


def confident_mistakes(predictions: Predictions, most: int) -> list[Mistake]:
    """The mistakes that the model was surest of.

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
