"""Thumbnails for a page: contact sheets and the mistakes of a run."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from ballast.augment.shards import training_image_reader
from ballast.core import paths
from ballast.core.colours import as_srgb
from ballast.core.counts import Counts
from ballast.core.errors import UserError
from ballast.core.greys import Range, read_range
from ballast.core.images import decode_image
from ballast.core.manifest import (
    AugmentedRow,
    augmented_rows,
    groups_of,
    image_reader,
    rows_of,
)
from ballast.report.overlays import overlay_jpeg
from ballast.scores.explanations import Evidence, Explanations
from ballast.scores.mistakes import MISTAKES, Mistake, confident_mistakes
from ballast.scores.run import Run

SIDE = 160  # maximum in pixels: twice the size on the page, for high-density screens
QUALITY = 80
SHEET_CLASSES = 12  # maximum number of contact sheets
LABEL_ISSUES = 10  # maximum number of doubtful labels
SHEET_IMAGES = 8  # maximum per sheet: one photograph and its variants

Listed = TypeVar("Listed")  # row of an image list


class RunPictures(NamedTuple):
    """The images of a run that a page shows."""

    sheets: Mapping[str, Sequence[bytes]]  # by class name: a photograph and its variants
    mistakes: Sequence[tuple[Mistake, bytes | None]]  # None if the photograph is unavailable


def run_pictures(run: Run, folder: Path, raw: Path) -> RunPictures:
    """Make the thumbnails of a run. Images that were removed or changed since are left out.

    Args:
        run: result of read_run.
        folder: folder that contains the run's data/.
        raw: folder of photographs.

    Raises:
        UserError: if an image list is missing, edited or damaged.
    """
    groups = groups_of(folder / paths.MANIFEST, run.predictions[0].paths)
    mistakes = confident_mistakes(run.predictions, MISTAKES, groups)
    shown_paths = [mistake.path for mistake in mistakes]
    photographs = {row.path: row for row in rows_of(folder / paths.MANIFEST, shown_paths)}
    shown = contact_rows(augmented_rows(folder / paths.AUGMENTED_LIST), SHEET_IMAGES)
    read = training_image_reader(folder / paths.AUGMENTED)
    greys = _greys(folder)
    sheets = {
        class_: [_thumbnail(read, row) for row in shown.get(class_, ())]
        for class_ in sheet_classes(run.counts)
    }
    read_raw = image_reader(raw)
    return RunPictures(
        sheets={class_: [image for image in made if image] for class_, made in sheets.items()},
        mistakes=[
            (mistake, _thumbnail(read_raw, photographs.get(mistake.path), greys))
            for mistake in mistakes
        ],
    )


class Explained(NamedTuple):
    """What the stage explain found, with the pictures that show it."""

    found: Explanations
    thumbnails: Mapping[str, bytes | None]  # by path; None if the photograph is unavailable
    overlays: Mapping[str, bytes]  # of the evidence, by path

    @property
    def right(self) -> list[Evidence]:
        """The evidence in photographs that every model classified correctly."""
        return [one for one in self.found.evidence if one.class_ == one.predicted]


def explained_pictures(
    found: Explanations, pictures: RunPictures, folder: Path, raw: Path
) -> Explained:
    """Make the thumbnails and overlays for what was found.

    Args:
        found: what the stage explain found.
        pictures: of the run, whose mistakes have a thumbnail.
        folder: folder that contains the run's data/.
        raw: folder of photographs.

    Raises:
        UserError: if the manifest is missing, edited or damaged.
    """
    greys, read = _greys(folder), image_reader(raw)
    thumbnails = {mistake.path: image for mistake, image in pictures.mistakes}
    wanted = [
        *(one.nearest for one in found.neighbours),
        *(one.path for one in found.evidence),
        *(one.path for one in found.label_issues[:LABEL_ISSUES]),
    ]
    rows = {row.path: row for row in rows_of(folder / paths.MANIFEST, wanted)}
    for path in dict.fromkeys(wanted):
        if path not in thumbnails:
            thumbnails[path] = _thumbnail(read, rows.get(path), greys)
    overlays = {
        one.path: overlay_jpeg(image, np.array(one.strengths, np.uint8))
        for one in found.evidence
        if (image := thumbnails[one.path])
    }
    return Explained(found, thumbnails, overlays)


def contact_rows(rows: Iterable[AugmentedRow], images: int) -> dict[str, list[AugmentedRow]]:
    """Select the first photograph of each class by path, with its augmented variants.

    Args:
        rows: all training images.
        images: maximum number of images per class, including the photograph itself.

    Returns:
        Rows by class name (sorted), in the order of their variant numbers; number 0 is the
        photograph itself.
    """
    first: dict[str, list[AugmentedRow]] = {}
    for row in rows:
        of_class = first.setdefault(row.class_, [row])
        if row.source < of_class[0].source:
            of_class[:] = [row]
        elif row.source == of_class[0].source and row is not of_class[0]:
            of_class.append(row)
    return {
        name: sorted(found, key=lambda row: row.round_)[:images]
        for name, found in sorted(first.items())
    }


def sheet_classes(counts: Counts) -> list[str]:
    """Classes whose contact sheets are shown: those with the fewest training photographs."""
    rarest = sorted(counts, key=lambda name: (counts[name]["train"], name))
    return sorted(rarest[:SHEET_CLASSES])


def thumbnail(data: bytes, greys: Range | None = None) -> bytes:
    """Shrink an image for a page.

    Args:
        data: an image file that decode_image can read.
        greys: the range of the data set's deep greys.

    Returns:
        A JPEG file of at most SIDE pixels per side, in the same aspect ratio. A JPEG file that is
        already small enough is returned unchanged.

    Raises:
        ImageError: as decode_image does.
    """
    image = decode_image(data, greys=greys)
    if data.startswith(b"\xff\xd8") and max(image.size) <= SIDE:
        return data
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    as_srgb(image).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _greys(folder: Path) -> Range | None:
    """The range of a run's deep greys; a run of an older version has none."""
    return read_range(folder / paths.RANGE) if (folder / paths.RANGE).exists() else None


def _thumbnail(
    read: Callable[[Listed], bytes], row: Listed | None, greys: Range | None = None
) -> bytes | None:
    if row is None:
        return None
    try:
        return thumbnail(read(row), greys)
    except UserError:  # removed or changed: the page shows it as unavailable
        return None
