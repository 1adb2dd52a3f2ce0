"""A cache of the images made from each photograph: bounded, checked and safe to delete.

Each record is a separate file, so that oversample can hard-link it instead of writing a new one.
On ext4, creating a file takes 0.2 ms within a minute after thousands were removed, as when DVC
removes a stage's outputs; a link takes 5 µs.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ballast.core.mapped import mapped_array

KEY = re.compile(r"[0-9a-f]{64}")
# The name of a record's file: number, length and checksum. Asking the file system for the lengths
# would take as long as listing the files: 11 ms for 6,800.
NAME = re.compile(r"(\d{1,10})-(\d{1,9})-([0-9a-f]{64})")
# Refuse symbolic links, since a hard link to one is also symbolic, and do not block on pipes.
FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
# Use at most a quarter of the free space: DVC's cache needs some as well.
SHARE_OF_FREE = 4


class Record(NamedTuple):
    """The data of a record, such as an image, and the path of its file."""

    data: bytes
    sha256: str  # of the data, in hexadecimal
    path: str  # of the store's file; '' if it has none


class _Entry(NamedTuple):
    """The records of a key that could be removed."""

    modified: int  # when they were last used, in ns
    key: str
    size: int  # bytes of all files


class ContentStore:
    """Numbered records by key, with one subfolder per key.

    The store never fails: an unreadable folder or a damaged record counts as missing, and what
    cannot be written is not kept. Several processes may use it at once. Folders are read when their
    keys are asked for: names of a million records would take half a gigabyte of memory.
    """

    def __init__(self, folder: Path, mebibytes: int) -> None:
        """Open a store.

        Args:
            folder: created when something is added. Entries with other names are left alone.
            mebibytes: maximum size. The least recently used records are removed first; those that
                this object has read or added are kept.
        """
        self._folder = folder
        self._used: set[str] = set()
        self._last: tuple[str, dict[int, str]] = "", {}  # the key asked for last, and its names
        self._total = sum(entry.size for entry in _entries(folder))
        self._removable: Iterator[_Entry] | None = None  # those used longest ago come first
        self.room = mebibytes * 2**20  # bytes, at most
        with suppress(OSError):
            free = shutil.disk_usage(next(p for p in folder.absolute().parents if p.exists())).free
            self.room = min(self.room, self._total + free // SHARE_OF_FREE)
        self._make_room(0)

    def numbers(self, key: str) -> set[int]:
        """The numbers of the records that seem to exist; reading shows whether they are intact."""
        names = self._names(key)
        if names:
            self._used.add(key)
            with suppress(OSError):
                os.utime(f"{self._folder}/{key}")
        return {*names}

    def read(self, key: str, numbers: Sequence[int]) -> Iterator[Record | None]:
        """Read records.

        Args:
            key: 64 hexadecimal digits.
            numbers: of the records.

        Yields:
            Each record; None for one that is missing or damaged. A damaged one is removed.
        """
        for number in numbers:
            yield self._checked(key, number) if number in self._names(key) else None

    def add(self, key: str, records: Mapping[int, bytes]) -> dict[int, Record]:
        """Add records, or none of them if there is no room.

        Args:
            key: 64 hexadecimal digits.
            records: by number, 0 to 2**32 - 1; those that exist already are not written.

        Returns:
            All of `records` by number; those that were not written have no path.
        """
        self._used.add(key)
        there = {*self._names(key)}
        room = self._make_room(sum(len(data) for n, data in records.items() if n not in there))
        return {
            number: self._added(key, number, data, room and number not in there)
            for number, data in records.items()
        }

    def mapped(self, dtype: str, shape: tuple[int, int]) -> NDArray[Any]:
        """Make a mapped_array in the store's folder."""
        return mapped_array(self._folder, dtype, shape)

    def _names(self, key: str) -> dict[int, str]:
        """The names of a key's files, by number."""
        if self._last[0] != key:
            self._last = key, _names(f"{self._folder}/{key}")[0]
        return self._last[1]

    def _added(self, key: str, number: int, data: bytes, wanted: bool) -> Record:
        digest = hashlib.sha256(data)
        name = f"{number}-{len(data)}-{_check(key, number, digest.digest())}"
        path = f"{self._folder}/{key}/{name}"
        written = wanted and self.room > 0 and self._write(key, path, data)
        if written:
            self._names(key)[number] = name
            self._total += len(data)
        return Record(data, digest.hexdigest(), path if written else "")

    def _write(self, key: str, path: str, data: bytes) -> bool:
        """Write a new file completely or not at all."""
        with suppress(OSError):
            if not self._names(key):
                (self._folder / key).mkdir(parents=True, exist_ok=True)
            # If the file exists, another run has written it or is writing it.
            file = open(path, "xb", buffering=0)  # noqa: PTH123, SIM115  # 20 µs less than Path's
            with suppress(OSError), file:
                if file.write(data) == len(data):
                    return True
            self.room = 0  # the disk is full: write no more
            Path(path).unlink()
        return False

    def _checked(self, key: str, number: int) -> Record | None:
        name = self._names(key)[number]
        path = f"{self._folder}/{key}/{name}"
        _, length, check = name.split("-")
        with suppress(OSError):
            file = os.open(path, FLAGS)
            try:
                data = os.read(file, int(length) + 1)
            finally:
                os.close(file)
            self._used.add(key)
            digest = hashlib.sha256(data)
            if _check(key, number, digest.digest()) == check:
                return Record(data, digest.hexdigest(), path)
        with suppress(OSError):
            Path(path).unlink()
            del self._names(key)[number]
            self._total -= int(length)
        return None

    def _make_room(self, length: int) -> bool:
        """Remove the least recently used records until there is room; False if there is none."""
        if self._total + length > self.room and self._removable is None:
            self._removable = iter(sorted(_entries(self._folder)))
        while self._total + length > self.room:
            entry = next(self._removable or iter(()), None)
            if entry is None:
                return False
            if entry.key not in self._used:
                shutil.rmtree(self._folder / entry.key, ignore_errors=True)
                self._total -= entry.size
        return True


def _entries(folder: Path) -> Iterator[_Entry]:
    """The keys of a store, in any order."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if KEY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    modified = entry.stat(follow_symlinks=False).st_mtime_ns
                    yield _Entry(modified, entry.name, _names(entry.path)[1])


def _names(folder: str) -> tuple[dict[int, str], int]:
    """The names of a key's files by number, and the bytes of all files in its folder."""
    names, size = {}, 0
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            if match := NAME.fullmatch(file.name):
                names[int(match[1])] = file.name
                size += int(match[2])
            else:  # of an earlier version of Ballast, with another name
                size += file.stat(follow_symlinks=False).st_size
    return names, size


def _check(key: str, number: int, digest: bytes) -> str:
    """Checksum of content and name, so that a file under another record's name is detected."""
    return hashlib.sha256(f"{key}:{number}:".encode() + digest).hexdigest()
