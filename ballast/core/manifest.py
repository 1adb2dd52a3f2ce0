"""The lists of images with their hashes: photographs, and the training images made from them."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from sys import intern
from typing import Literal, NamedTuple

from ballast.core.errors import UserError
from ballast.core.files import intact, read_csv, write_csv
from ballast.core.shards import read_file, shard_finder

Subset = Literal["train", "val", "test"]

COLUMNS = ("path", "class", "split", "group", "sha256", "width", "height", "given")
AUGMENTED_COLUMNS = ("path", "class", "source", "round", "sha256")


class Row(NamedTuple):
    """A photograph in data/manifest.csv."""

    path: str  # POSIX, relative to data.raw
    class_: str
    split: Subset
    group: str  # all photographs of a group are in the same subset
    sha256: str
    width: int
    height: int
    given: Subset | None = None  # by data.raw; None if Ballast has drawn the split


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
    """Read what write_manifest wrote.

    Raises:
        UserError: if the file is missing or not a manifest.
    """
    return [*manifest_rows(path)]


def manifest_rows(path: Path) -> Iterator[Row]:
    """Like read_manifest, row by row, for what needs a part of it."""
    with intact(path):
        for cells in read_csv(path, COLUMNS):
            yield Row(
                path=cells["path"],
                class_=intern(cells["class"]),  # one text for all that are equal
                split=intern(cells["split"]),  # type: ignore[arg-type]  # written from a Subset
                group=cells["group"],
                sha256=cells["sha256"],
                width=int(cells["width"]),
                height=int(cells["height"]),
                given=intern(cells["given"]) or None,  # type: ignore[arg-type]  # as above
            )


def rows_of(path: Path, photographs: Collection[str]) -> Iterator[Row]:
    """The rows of some photographs, given by their paths; errors as of read_manifest."""
    wanted = {*photographs}
    return (row for row in manifest_rows(path) if row.path in wanted)


def groups_of(path: Path, photographs: Collection[str]) -> dict[str, str]:
    """The group of some photographs, by path; errors as of read_manifest."""
    return {row.path: row.group for row in rows_of(path, photographs)}


def write_augmented(path: Path, rows: Sequence[AugmentedRow]) -> None:
    """Write the list of training images, sorted by path."""
    write_csv(path, AUGMENTED_COLUMNS, sorted(rows))


def read_augmented(path: Path) -> list[AugmentedRow]:
    """Read what write_augmented wrote.

    Raises:
        UserError: if the file is missing or not such a list.
    """
    return [*augmented_rows(path)]


def augmented_rows(path: Path) -> Iterator[AugmentedRow]:
    """Like read_augmented, row by row, for what needs a part of it."""
    with intact(path):
        for cells in read_csv(path, AUGMENTED_COLUMNS):
            yield AugmentedRow(
                path=cells["path"],
                class_=intern(cells["class"]),
                source=cells["source"],
                round_=int(cells["round"]),
                sha256=cells["sha256"],
            )


def subset_rows(rows: Sequence[Row], subset: Subset) -> list[Row]:
    """The rows of one subset, in the given order."""
    return [row for row in rows if row.split == subset]


def has_test_folder(rows: Sequence[Row]) -> bool:
    """Whether data.raw has a test set of its own."""
    return any(row.given == "test" for row in rows)


def class_names(rows: Sequence[Row]) -> list[str]:
    """All classes, sorted; the network's outputs and all plots use this order."""
    return sorted({row.class_ for row in rows})


def image_reader(folder: Path) -> Callable[[Row | AugmentedRow], bytes]:
    """Make a function that reads the images of a list, which may be in shards.

    Args:
        folder: which the rows' paths are relative to.

    Returns:
        A function that takes a row, and returns its image's file after checking it against its
        hash. It may be called from several threads. It raises UserError if the file is missing, or
        has changed since the list was written.
    """
    find = shard_finder(folder)

    def read(row: Row | AugmentedRow) -> bytes:
        name = folder / row.path
        try:
            data = read_file(folder, row.path, find)
        except OSError as error:
            raise UserError(f"{name}: {error.strerror}; run dvc repro again") from None
        except ValueError as error:
            raise UserError(f"{name}: {error}; run dvc repro again") from None
        return checked_image(data, row, str(name))

    return read


def checked_image(data: bytes, row: Row | AugmentedRow, name: str) -> bytes:
    """Return an image's bytes after checking them against the hash in its list.

    Args:
        data: the file's bytes.
        row: of the manifest or of the list of training images.
        name: what the error calls the file.

    Raises:
        UserError: if the bytes have changed.
    """
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise UserError(f"{name}: changed since it was listed; run ballast check, then dvc repro")
    return data
