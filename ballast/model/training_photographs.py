"""What a model keeps of its training photographs, to compare new photographs with them."""

import zipfile
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError
from ballast.core.manifest import Row
from ballast.model.logits import Floats
from ballast.model.model_file import npz_arrays, npz_bytes, refuse_damage

ENTRY = "ballast_training_photographs.npz"  # of a .keras file; Keras ignores it
DECIMALS = 4  # of kept probabilities, so that they have the same bytes on every processor


class TrainingPhotographs(NamedTuple):
    """n photographs that a linear head was fitted to. Neither names nor pixels are kept."""

    features: NDArray[Any]  # of the backbone, shape (n, d); whole numbers with the exact one
    labels: NDArray[np.int64]  # class indices, shape (n,)
    groups: NDArray[np.int64]  # photographs with the same number are not independent; shape (n,)
    # Probabilities by heads that had not seen the photograph, shape (n, k); NaN without such a head
    held_out: Floats


def kept_rows(rows: Sequence[Row], most: int) -> list[Row]:
    """Choose up to `most` photographs, as many of each class as there are if these are few.

    Classes take turns, so a rare class is kept whole; within a class, the order of the files'
    hashes decides.

    Returns:
        The chosen rows by class and hash: names of files and folders change nothing.
    """
    by_class: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=_content):
        by_class[row.class_].append(row)
    turns = (row for turn in zip_longest(*by_class.values()) for row in turn if row)
    chosen = {row for row, _ in zip(turns, range(most), strict=False)}
    return sorted(chosen, key=_content)


def _content(row: Row) -> tuple[str, str, str]:
    return row.class_, row.sha256, row.path


def to_bytes(photographs: TrainingPhotographs) -> bytes:
    """Serialise; equal photographs yield equal bytes."""
    rounded = photographs._replace(held_out=photographs.held_out.round(DECIMALS))
    return npz_bytes(rounded._asdict())


def read_training_photographs(path: Path) -> TrainingPhotographs | None:
    """Read what a model file keeps; None if it keeps nothing.

    Raises:
        UserError: as refuse_damage does, or if that part of the file was replaced.
    """
    refuse_damage(path)
    with zipfile.ZipFile(path) as archive:
        if ENTRY not in archive.namelist():
            return None
        data = archive.read(ENTRY)
    try:
        return TrainingPhotographs(**npz_arrays(data))
    except (TypeError, ValueError):
        raise UserError(
            f"{path}: incomplete or damaged; run ballast check, then dvc repro"
        ) from None


def needed_training_photographs(path: Path) -> TrainingPhotographs:
    """Read what a model file keeps, for what cannot be done without.

    Raises:
        UserError: if it keeps nothing, or as read_training_photographs does.
    """
    known = read_training_photographs(path)
    if known is None:
        raise UserError(
            f"{path}: keeps no training photographs, which this needs; train a linear head with"
            " train.kept_photographs above 0 in params.yaml"
        )
    return known
