"""Caches the results of inspecting files, so that unchanged files are not read again.

A file is identified by its path and state: size, times and inode. As in git's index, a state is
trusted only if it is older than the moment when it was read: a later change then alters it.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from struct import iter_unpack
from typing import IO, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError
from ballast.core.files import writing_file
from ballast.core.mapped import release
from ballast.dataset.layout import Place
from ballast.dataset.listing import FileState, States, printable
from ballast.dataset.scan import Content, Photo, Rejection, content_of

# The coarsest resolution of timestamps in a common file system, FAT, in ns.
CLOCK = 2 * 10**9
RELEASED = 2**12  # files after which the hashes that were read leave memory: 3 MB


class Inspection(NamedTuple):
    """A file's content, and its state at that time."""

    state: FileState
    content: Content


# Path, state, the fields of Content before its hashes, these in base64, and the range of greys.
_Line = tuple[str, FileState, tuple[str, str, int, int], bytes, tuple[float, ...]]


def unchanged(
    kept: Iterable[tuple[str, Inspection]], paths: Iterable[str], states: States
) -> Iterator[Content | None]:
    """The content of each file whose state is still the cached one; None of the others.

    Args:
        kept: from read_inspections, in the order of its paths.
        paths: of n files; where they are not in order, some contents are not found.
        states: of the files, shape (n, 4).
    """
    left = iter(kept)
    name, inspection = next(left, (None, None))
    for path, state in zip(paths, iter_unpack("4q", states.data), strict=True):
        while name is not None and name < path:
            name, inspection = next(left, (None, None))
        same = inspection and name == path and inspection.state == state
        yield inspection.content if inspection and same else None


def trusted(
    states: States,
    places: Mapping[str, Place | str],
    results: Sequence[Photo | Rejection],
    hashes: NDArray[np.uint8],
    moment: int,
) -> Iterator[tuple[str, Inspection]]:
    """Choose the results that may be cached: those that depend on the content of a file alone.

    Args:
        states: of n files, the same before and after they were read; shape (n, 4).
        places: what the layout says of their paths.
        results: of the same files, in the same order.
        hashes: rows of the table that the results refer to.
        moment: a time before the states were read again, in ns since 1970.

    Yields:
        Paths and inspections.
    """
    rows = iter_unpack("4q", states.data)
    files = zip(places.items(), rows, results, strict=True)
    for number, ((path, place), row, result) in enumerate(files):
        if number % RELEASED == 0:
            release(hashes)
        state = FileState(*row)
        if any(state) and isinstance(place, Place) and printable(path) == path:
            content = content_of(result, hashes)
            if content and max(state.modified, state.changed) < moment - CLOCK:
                yield path, Inspection(state, content)


def read_inspections(
    path: Path, origin: Mapping[str, object]
) -> Generator[tuple[str, Inspection], None, None]:
    """Read what write_inspections wrote; nothing if it is missing, damaged or of another origin.

    Args:
        path: of the file.
        origin: as passed to write_inspections.

    Yields:
        Paths and inspections, one after the other: a million take more than a gigabyte.
    """
    try:
        with path.open("rb") as file:
            if file.readline() != _header(origin):
                return
            checked = _is_whole(file, origin)
            file.seek(0)
            lines = islice(file, 1, None)
            decode = msgspec.json.Decoder(_Line).decode  # a fifth of json's time
            for line in lines if checked else ():
                if line.startswith(b"["):
                    name, state, (reason, digest, width, height), hashes, greys = decode(line)
                    content = reason, digest, width, height, hashes, _pair(greys)
                    yield name, Inspection(state, Content(*content))
    except (OSError, msgspec.DecodeError):
        return


def write_inspections(
    path: Path, origin: Mapping[str, object], inspections: Iterable[tuple[str, Inspection]]
) -> None:
    """Write inspections completely, or not at all if the file cannot be written.

    Args:
        path: of the file.
        origin: what else the contents depend on: versions and params, in JSON's types.
        inspections: with their paths.
    """
    with suppress(UserError), writing_file(path) as file:  # it only saves time
        header = _header(origin)
        digest = hashlib.sha256(header)
        file.write(header)
        for name, (state, content) in inspections:
            hashes = b64encode(content.hashes).decode()
            line = _line([name, state, content[:4], hashes, content.greys or ()])
            digest.update(line)
            file.write(line)
        file.write(_line({"sha256": digest.hexdigest()}))


def _is_whole(file: IO[bytes], origin: Mapping[str, object]) -> bool:
    """Whether the last line has the checksum of the others; the first has been read."""
    digest, last = hashlib.sha256(_header(origin)), b""
    for line in file:
        digest.update(last)
        last = line
    return last == _line({"sha256": digest.hexdigest()})


def _pair(ends: Sequence[float]) -> tuple[float, float] | None:
    return (ends[0], ends[1]) if ends else None


def _header(origin: Mapping[str, object]) -> bytes:
    return _line({"origin": dict(origin)})


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
