"""Reads files in tar and Parquet files, called shards, without unpacking them.

A file in a shard has the shard's path, a slash, and its name in the shard: photos/0.tar/cat/1.jpg.
"""

import errno
import os
import posixpath
import re
import tarfile
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from ballast.core.parquet_images import PARQUET, cell_reader, image_names

TAR = ".tar"
BEFORE_MEMBER = re.compile(rf"({re.escape(TAR)}|{re.escape(PARQUET)})(?=/)", re.IGNORECASE)
INDEXES = 4  # shards whose names are held: of 100,000 files, some 30 MB each


class Stretch(NamedTuple):
    """The range of bytes in a tar file that a file occupies."""

    shard: Path
    start: int  # bytes
    size: int  # bytes


class InShard(NamedTuple):
    """A file in a shard."""

    size: int  # bytes; 0 if only reading it tells
    read: Callable[[], bytes]  # raises OSError, or ValueError if the shard is damaged


Finder = Callable[[str], InShard | None]


def is_shard(path: str) -> bool:
    """Whether a file's name is that of a shard."""
    return path.casefold().endswith((TAR, PARQUET))


def tar_files(shard: Path) -> Iterator[tuple[str, Stretch | None]]:
    """List everything in a tar file except folders.

    Yields:
        Names without ./ in front, and where they are; None of what is no file, such as a link, and
        of names that lead out of the shard. If a name is there twice, the last file is meant.

    Raises:
        ValueError: if it is not a whole tar file, or is compressed.
        OSError: if it cannot be read.
    """
    try:
        # Bytes that are not UTF-8 become surrogate escapes, as in the names of files.
        with tarfile.open(shard, "r:", encoding="utf-8", errors="surrogateescape") as archive:
            while found := archive.next():
                # It would hold 1 kB for each file; tools such as webdataset do the same.
                archive.members = []  # type: ignore[attr-defined]  # not in the stubs
                if found.isdir():
                    continue
                name = posixpath.normpath(found.name)
                inside = not name.startswith(("/", "../")) and name not in (".", "..")
                plain = found.isreg() and not found.issparse()
                stretch = Stretch(shard, found.offset_data, found.size)
                yield name, stretch if inside and plain else None
            # A damaged header reads like the end, which is a block of zeros or that of the file.
            with shard.open("rb") as file:
                file.seek(archive.offset)
                if any(file.read(tarfile.BLOCKSIZE)):
                    raise tarfile.ReadError("bad checksum")
    except (tarfile.TarError, EOFError, OverflowError) as error:
        raise ValueError(f"not a whole tar file: {error}") from None


def read_stretch(stretch: Stretch) -> bytes:
    """Read a file in a tar file.

    Raises:
        OSError: if the shard cannot be read, or is shorter than when it was listed.
    """
    with stretch.shard.open("rb", buffering=0) as file:
        file.seek(stretch.start)
        data = file.read(stretch.size)
    if len(data) < stretch.size:
        raise OSError(0, "ends too early")
    return data


def shard_finder(folder: Path) -> Finder:
    """Make a function that finds files in the shards below a folder.

    It takes a path relative to the folder. It returns None if the path leads to no file in a shard,
    and raises OSError, or ValueError if the shard is damaged. Several threads may call it.
    """

    @lru_cache(INDEXES)
    def index(shard: Path) -> dict[str, InShard]:
        if shard.suffix.casefold() == PARQUET:
            read = cell_reader(shard)
            return {n: InShard(0, partial(read, row)) for row, n in enumerate(image_names(shard))}
        found = {name: stretch for name, stretch in tar_files(shard) if stretch}
        return {name: InShard(at.size, partial(read_stretch, at)) for name, at in found.items()}

    def find(path: str) -> InShard | None:
        for match in BEFORE_MEMBER.finditer(path):
            shard = folder / path[: match.end()]
            if shard.is_file():
                return index(shard).get(path[match.end() + 1 :])
        return None

    return find


def read_file(folder: Path, path: str, find: Finder) -> bytes:
    """Read a file, which may be in a shard.

    Args:
        folder: which the path is relative to.
        path: of the file.
        find: from shard_finder, for the same folder.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is in a shard that is damaged.
    """
    try:
        return (folder / path).read_bytes()
    except OSError as error:  # which one below a file, such as a shard, depends on the system
        found = find(path)
        if found:
            return found.read()
        if isinstance(error, NotADirectoryError):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
        raise
