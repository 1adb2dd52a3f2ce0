"""What was made of each photograph, kept for later runs: bounded, checked, safe to delete.

A photograph's images are in one file of records, appended to, so that one more round costs one
write and 100,000 images are not 100,000 more files.
"""

import hashlib
import os
import re
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

# Of a record: a mark, its number, its length, and what it is checked by.
HEADER = struct.Struct("<4sII32s")
MARK = b"\x93img"
NAME = re.compile(r"[0-9a-f]{64}")
# At most this share of the free space is taken: DVC's cache needs some, too.
SHARE_OF_FREE = 4


class _Place(NamedTuple):
    start: int
    length: int
    check: bytes


class ImageStore:
    """Numbered records by key, in a folder of files.

    It never fails: where the folder cannot be read or written, or a record is not as it was
    written, it is as if they were not there. Several processes may use it at once.
    """

    def __init__(self, folder: Path, mebibytes: int) -> None:
        """Open a store.

        Args:
            folder: made when something is added. Files of other names in it are left alone.
            mebibytes: at most so many are kept; what was used longest ago goes first, and what
                this object has read or added stays.
        """
        self._folder = folder
        self._sizes = _oldest_first(folder)  # bytes by key
        self._used: set[str] = set()
        self._total = sum(self._sizes.values())
        self.room = mebibytes * 2**20  # bytes, at most
        with suppress(OSError):
            free = shutil.disk_usage(next(p for p in folder.absolute().parents if p.exists())).free
            self.room = min(self.room, self._total + free // SHARE_OF_FREE)
        self._make_room(0)

    def numbers(self, key: str) -> set[int]:
        """The records that there seem to be; reading them shows whether they are whole."""
        with self._opened(key) as file:
            if file is None:
                return set()
            with suppress(OSError):
                os.utime(self._folder / key)
            self._used.add(key)
            return set(_places(file)[0])

    def read(self, key: str, numbers: Sequence[int]) -> Iterator[tuple[bytes, str] | None]:
        """Read records.

        Args:
            key: 64 hexadecimal digits.
            numbers: of the records.

        Yields:
            The bytes and their SHA-256, in hexadecimal, of each; None for one that is not there
            or is damaged. A file with a damaged record is removed, with all that it holds.
        """
        with self._opened(key) as file:
            places = {} if file is None else _places(file)[0]
            for number in numbers:
                record = None
                if file is not None and number in places:
                    self._used.add(key)
                    record = _checked(file, key, number, places[number])
                    if record is None:
                        places = {}
                        self._remove(key)
                yield record

    def add(self, key: str, records: Mapping[int, bytes]) -> None:
        """Add records; where there is no room for them, none.

        Args:
            key: 64 hexadecimal digits.
            records: by their numbers, 0 to 2**32 - 1; ones that are there already are left out.
        """
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / key).open("a+b", buffering=0) as file:
                places, end = _places(file)
                file.truncate(end)  # what a killed run has left of a record goes
                data = b"".join(
                    _header(key, number, data) + data
                    for number, data in records.items()
                    if number not in places
                )
                self._used.add(key)
                self._set_size(key, end)
                if self._make_room(len(data)):
                    if file.write(data) == len(data):
                        self._set_size(key, end + len(data))
                    else:
                        self.room = 0  # the disk is full: no more
                        file.truncate(end)

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO | None]:
        file = None
        if key in self._sizes:
            with suppress(OSError):
                file = (self._folder / key).open("rb")
        try:
            yield file
        finally:
            if file is not None:
                file.close()

    def _make_room(self, length: int) -> bool:
        """Remove what was used longest ago, until there is room; False where there is none."""
        for key in list(self._sizes):
            if self._total + length <= self.room:
                break
            if key not in self._used:
                self._remove(key)
        return self._total + length <= self.room

    def _remove(self, key: str) -> None:
        with suppress(OSError):
            (self._folder / key).unlink(missing_ok=True)
        self._total -= self._sizes.pop(key, 0)

    def _set_size(self, key: str, size: int) -> None:
        self._total += size - self._sizes.get(key, 0)
        self._sizes[key] = size


def _oldest_first(folder: Path) -> dict[str, int]:
    """Bytes of each file, by its name; the one used longest ago first."""
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                stat = entry.stat(follow_symlinks=False)
                found.append((stat.st_mtime_ns, entry.name, stat.st_size))
    return {name: size for _, name, size in sorted(found)}


def _places(file: BinaryIO) -> tuple[dict[int, _Place], int]:
    """Where each record is, and where the last whole one ends."""
    places = {}
    start, size = 0, file.seek(0, os.SEEK_END)
    while start + HEADER.size <= size:
        file.seek(start)
        mark, number, length, check = HEADER.unpack(file.read(HEADER.size))
        if mark != MARK or start + HEADER.size + length > size:
            break
        places[number] = _Place(start + HEADER.size, length, check)
        start += HEADER.size + length
    return places, start


def _checked(file: BinaryIO, key: str, number: int, place: _Place) -> tuple[bytes, str] | None:
    file.seek(place.start)
    data = file.read(place.length)
    digest = hashlib.sha256(data)
    whole = _check(key, number, digest.digest()) == place.check
    return (data, digest.hexdigest()) if whole else None


def _header(key: str, number: int, data: bytes) -> bytes:
    check = _check(key, number, hashlib.sha256(data).digest())
    return HEADER.pack(MARK, number, len(data), check)


def _check(key: str, number: int, digest: bytes) -> bytes:
    """Of the content and its name, so that a file under another's name is found out, too."""
    return hashlib.sha256(f"{key}:{number}:".encode() + digest).digest()
