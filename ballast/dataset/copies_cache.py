"""Caches which photographs are near duplicates: a split of the same ones does not search again."""

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError
from ballast.core.files import write_bytes
from ballast.core.mapped import release
from ballast.dataset.duplicates import Copies, find_copies
from ballast.workers.versions import code_versions

KEY = "key"
READ = 2**12  # rows of hashes that are read at a time: 3 MB


def cached_copies(
    path: Path,
    hashes: NDArray[np.uint8],
    max_bits: int,
    labels: Sequence[int],
    ways: Collection[int],
    order: NDArray[np.int64],
) -> Copies:
    """Like find_copies, but return what is in a file if it was found in the same hashes.

    Args:
        path: of the file, which holds the copies that were found last; safe to delete.
        hashes: as of find_copies, like the other arguments.
        max_bits: as said.
        labels: as said.
        ways: as said.
        order: as said.
    """
    key = _key(hashes, max_bits, labels, ways, order)
    found = _read(path, key)
    if found is None:
        found = find_copies(hashes, max_bits, labels, ways, order)
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **{KEY: np.array(key)}, **found._asdict())
        with suppress(UserError):  # it only saves time
            write_bytes(path, file.getvalue())
    return found


def _read(path: Path, key: str) -> Copies | None:
    """What a file holds under this key; None if it is damaged, or has another key."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if arrays[KEY] == key:
                return Copies(*(arrays[name] for name in Copies._fields))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        pass
    return None


def _key(
    hashes: NDArray[np.uint8],
    max_bits: int,
    labels: Sequence[int],
    ways: Collection[int],
    order: NDArray[np.int64],
) -> str:
    settings = [max_bits, [*ways], code_versions()["ballast"], np.__version__]
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(np.asarray(labels, dtype=np.int64).tobytes())
    for start in range(0, len(order), READ):
        digest.update(hashes[order[start : start + READ]].tobytes())
        release(hashes)
    return digest.hexdigest()
