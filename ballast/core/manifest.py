"""Lists of images by their content: the photographs, and the training images made of them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ballast.core.errors import UserError
from ballast.core.files import intact, read_csv, write_csv

Subset = Literal["train", "val", "test"]

COLUMNS = ("path", "class", "split", "group", "sha256", "width", "height")
AUGMENTED_COLUMNS = ("path", "class", "source", "round", "sha256")


class Row(NamedTuple):
    """A photograph in data/manifest.csv."""

    path: str  # POSIX, relative to data.raw
    class_: str
    split: Subset
    group: str  # photographs of one group stand on one side of every split
    sha256: str
    width: int
    height: int


class AugmentedRow(NamedTuple):
    """A training image in data/augmented.csv."""

    path: str  # POSIX, relative to data/augmented
    class_: str
    source: str  # the photograph's path in the manifest
    round_: int  # 0 is the photograph itself
    sha256: str


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """Write a manifest, sorted by path."""
    write_csv(path, COLUMNS, sorted(rows))


def read_manifest(path: Path) -> list[Row]:
    """Read a manifest that write_manifest wrote.

    Raises:
        UserError: where it is missing or something else.
    """
    with intact(path):
        return [
            Row(
                path=cells["path"],
                class_=cells["class"],
                split=cells["split"],  # type: ignore[arg-type]  # written from a Subset
                group=cells["group"],
                sha256=cells["sha256"],
                width=int(cells["width"]),
                height=int(cells["height"]),
            )
            for cells in read_csv(path, COLUMNS)
        ]


def write_augmented(path: Path, rows: Sequence[AugmentedRow]) -> None:
    """Write the list of training images, sorted by path."""
    write_csv(path, AUGMENTED_COLUMNS, sorted(rows))


def read_augmented(path: Path) -> list[AugmentedRow]:
    """Read what write_augmented wrote.

    Raises:
        UserError: where it is missing or something else.
    """
    with intact(path):
        return [
            AugmentedRow(
                path=cells["path"],
                class_=cells["class"],
                source=cells["source"],
                round_=int(cells["round"]),
                sha256=cells["sha256"],
            )
            for cells in read_csv(path, AUGMENTED_COLUMNS)
        ]


def subset_rows(rows: Sequence[Row], subset: Subset) -> list[Row]:
    """The rows of one subset, in their order."""
    return [row for row in rows if row.split == subset]


def class_names(rows: Sequence[Row]) -> list[str]:
    """All classes, sorted: the order of the network's outputs and of every picture."""
    return sorted({row.class_ for row in rows})


def read_image(folder: Path, row: Row | AugmentedRow) -> bytes:
    """Read an image's file, as its list knows it.

    Args:
        folder: what the row's path is relative to.
        row: of the manifest or of the training images.

    Raises:
        UserError: where it is gone or has other bytes than when the list was written.
    """
    try:
        data = (folder / row.path).read_bytes()
    except OSError as error:
        raise UserError(f"{folder / row.path}: {error.strerror}; run dvc repro again") from None
    return checked_image(data, row, str(folder / row.path))


def checked_image(data: bytes, row: Row | AugmentedRow, name: str) -> bytes:
    """Pass an image's bytes on where they are those of its list.

    Args:
        data: as read.
        row: of the manifest or of the training images.
        name: what the error calls it.

    Raises:
        UserError: where they have changed.
    """
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise UserError(f"{name}: changed since it was listed; run ballast check, then dvc repro")
    return data
