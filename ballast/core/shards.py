"""Reads files in tar and Parquet files, called shards, without unpacking them.

A file in a shard has the shard's path, a slash, and its name in the shard: photos/0.tar/cat/1.jpg.
"""

import errno
import os
import posixpath
import re
import tarfile
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from ballast.core.parquet_images import PARQUET, image_suffixes, row_name, row_reader

TAR = ".tar"
BEFORE_MEMBER = re.compile(rf"({re.escape(TAR)}|{re.escape(PARQUET)})(?=/)", re.IGNORECASE)
DIGEST = 16  # bytes of a name's hash


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
        of names that lead out of the shard. If a name is there twice, the last one is meant.

    Raises:
        ValueError: if it is not a whole tar file, or is compressed.
        OSError: if it cannot be read.
    """
    try:
        # Bytes that are not UTF-8 become surrogate escapes, as in the names of files.
        with tarfile.open(shard, "r:", encoding="utf-8", errors="surrogateescape") as archive:
            at = -1
            while found := archive.next():
                if found.size < 0 or archive.offset <= at:  # else it could be read for ever
                    raise tarfile.ReadError("bad size")
                at = archive.offset
                # It would hold 1 kB for each file; tools such as webdataset do the same.
                archive.members = []  # type: ignore[attr-defined]  # not in the stubs
                if found.isdir():
                    continue
                name = posixpath.normpath(found.name)
                inside = not name.startswith(("/", "../")) and name not in (".", "..")
                inside &= "\0" not in name
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
    except (RecursionError, MemoryError):  # of headers about headers, or of huge ones
        raise ValueError("not a whole tar file: bad header") from None


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
    and raises OSError, or ValueError if the shard is damaged. Several threads may call it. It lists
    each shard once, and holds 32 bytes for each file in a tar file.
    """
    indexes: dict[Path, Finder] = {}
    lock, read_row = Lock(), row_reader()

    def index(shard: Path) -> Finder | None:
        with lock:  # or several threads would list the same shard
            if shard not in indexes and shard.is_file():
                is_parquet = shard.suffix.casefold() == PARQUET
                made = _rows(shard, read_row) if is_parquet else _members(shard)
                indexes[shard] = made
            return indexes.get(shard)

    def find(path: str) -> InShard | None:
        for match in BEFORE_MEMBER.finditer(path):
            inside = index(folder / path[: match.end()])
            if inside:
                return inside(path[match.end() + 1 :])
        return None

    return find


def _members(shard: Path) -> Finder:
    """Make a function that finds files in a tar file by name, of which it holds hashes alone."""
    digests, starts, sizes = bytearray(), array("q"), array("q")
    for name, stretch in tar_files(shard):
        digests += _digest(name)
        starts.append(stretch.start if stretch else 0)
        sizes.append(stretch.size if stretch else -1)
    names = np.frombuffer(digests, f"S{DIGEST}")
    order = np.argsort(names, kind="stable")  # the last of a name stays the last
    names = names[order]

    def find(name: str) -> InShard | None:
        digest = np.bytes_(_digest(name).rstrip(b"\0"))  # as NumPy returns them
        last = int(np.searchsorted(names, digest, side="right")) - 1
        if last < 0 or names[last] != digest or sizes[place := int(order[last])] < 0:
            return None
        stretch = Stretch(shard, starts[place], sizes[place])
        return InShard(stretch.size, partial(read_stretch, stretch))

    return find


def _digest(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=DIGEST).digest()


def _rows(shard: Path, read: Callable[[Path, int], bytes]) -> Finder:
    """Make a function that finds images in a Parquet file by the names of their rows."""
    suffixes = image_suffixes(shard)

    def find(name: str) -> InShard | None:
        number = name.partition(".")[0]
        row = int(number) if number.isascii() and number.isdecimal() else len(suffixes)
        if row >= len(suffixes) or name != row_name(row, suffixes[row]):
            return None
        return InShard(0, partial(read, shard, row))

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
