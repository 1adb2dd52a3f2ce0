"""Arrays in files, for what is too large for memory."""

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ballast.core.files import writing

# Rows that are copied before pages are released. Linux maps up to 2 MiB around each: 400 rows,
# which are 1 MiB, of 160,000 counted as 322 MiB of memory.
ROWS = 2**5

Places = Sequence[int] | NDArray[np.int64]


def scratch_file(folder: Path) -> IO[bytes]:
    """Open a file without a name, which ends with its last user.

    Args:
        folder: on a disk with room, which the system's folder for temporary files often is not; the
            latter is used if a file cannot be made in `folder`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return TemporaryFile(dir=folder)
    except OSError:
        return TemporaryFile()


def mapped_array(folder: Path, dtype: str, shape: tuple[int, int]) -> NDArray[Any]:
    """Make an array of zeros in a scratch_file.

    Raises:
        UserError: if the disk has no room for it, which would end the process when it is filled.
    """
    with scratch_file(folder) as file:
        if hasattr(os, "posix_fallocate"):  # not on Windows and macOS
            with writing(folder):
                size = shape[0] * shape[1] * np.dtype(dtype).itemsize
                os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(
            file, dtype, "r+" if os.fstat(file.fileno()).st_size else "w+", shape=shape
        )


def release(array: NDArray[Any]) -> None:
    """Let the system have the memory of an array that is a mapped file, or part of one.

    What has been read or written is in the system's cache of files, or is read again when it is
    needed. Without this, such an array counts as this process's memory once it has been used.
    """
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        base.madvise(mmap.MADV_DONTNEED)


def copied(found: NDArray[Any], array: NDArray[Any], places: Places) -> None:
    """Copy the rows at some places of an array to another; both may be mapped."""
    for start in range(0, len(places), ROWS):
        some = slice(start, start + ROWS)
        found[some] = array[places[some]]
        release(found)
        release(array)


def rows_at(array: NDArray[Any], places: Places) -> NDArray[Any]:
    """Copy the rows at some places of an array, which may be mapped, to memory."""
    found = np.empty((len(places), *array.shape[1:]), array.dtype)
    copied(found, array, places)
    return found
