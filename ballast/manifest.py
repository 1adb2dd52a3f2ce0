"""The manifest: every usable photograph, its class, subset and content."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ballast.errors import UserError
from ballast.files import read_csv, write_csv

Subset = Literal["train", "val", "test"]

COLUMNS = ("path", "class", "split", "group", "sha256", "width", "height")


class Row(NamedTuple):
    """A photograph in the manifest."""

    path: str  # POSIX, relative to data.raw
    class_: str
    split: Subset
    group: str  # photographs of one group stand on one side of every split
    sha256: str
    width: int
    height: int


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """Write a manifest, sorted by path."""
    write_csv(path, COLUMNS, sorted(rows))


def read_manifest(path: Path) -> list[Row]:
    """Read a manifest that write_manifest wrote."""
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
        for cells in read_csv(path)
    ]


def subset_rows(rows: Sequence[Row], subset: Subset) -> list[Row]:
    """The rows of one subset, in their order."""
    return [row for row in rows if row.split == subset]


def class_names(rows: Sequence[Row]) -> list[str]:
    """All classes, sorted: the order of the network's outputs and of every picture."""
    return sorted({row.class_ for row in rows})


def read_photo(raw: Path, row: Row) -> bytes:
    """Read a photograph, as the manifest knows it.

    Raises:
        UserError: where it is gone or has other bytes than when the manifest was made.
    """
    try:
        data = (raw / row.path).read_bytes()
    except OSError as error:
        raise UserError(f"{raw / row.path}: {error.strerror}; run dvc repro again") from None
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise UserError(f"{raw / row.path}: changed since it was split; run dvc repro again")
    return data
