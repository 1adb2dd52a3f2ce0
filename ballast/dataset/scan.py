"""Finds the photographs and classes in a folder, and rejects everything else."""

import hashlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError
from ballast.core.greys import Range
from ballast.core.image_limits import most_bytes
from ballast.core.images import ImageError, inspect_image, without_warnings
from ballast.core.manifest import Subset
from ballast.core.shards import Finder, InShard, shard_finder
from ballast.dataset.duplicates import HashTable, perceptual_hashes
from ballast.dataset.layout import Place
from ballast.dataset.listing import UNREADABLE, printable, unreadable
from ballast.workers.processes import Engine, each

# Of copies, the one whose subset comes first is kept.
HELD_OUT: tuple[Subset | None, ...] = ("test", "val", "train", None)


class Photo(NamedTuple):
    """A readable image; width and height are those of the upright image, in pixels."""

    path: str  # POSIX, relative to the raw folder
    class_: str
    given: Subset | None  # by its layout; None if Ballast draws the split
    sha256: str
    width: int
    height: int
    hashes: int = -1  # their row in the HashTable; -1 if not computed
    greys: Range | None = None  # all values of a deep grey, which may be equal


class Rejection(NamedTuple):
    """A file that is left out, and why."""

    path: str
    reason: str


class Content(NamedTuple):
    """What is in a file: an image, or the reason why it is not one."""

    reason: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    hashes: bytes = b""  # as perceptual_hashes returns them; empty if not computed
    greys: Range | None = None


def inspect_files(
    raw: Path,
    places: Mapping[str, Place | str],
    max_megapixels: float,
    engine: Engine,
    table: HashTable | None = None,
    known: Iterable[Content | None] | None = None,
    in_shards: Collection[str] = (),
) -> Iterator[Photo | Rejection]:
    """Read and decode files in parallel.

    Args:
        raw: the folder that the paths are relative to.
        places: what the layout says of each path.
        max_megapixels: larger images are rejected.
        engine: what decodes the files; this process reads them.
        table: which perceptual hashes are added to; without one, they are not computed.
        known: of each path the content, if the file need not be read again; with its hashes if
            there is a table.
        in_shards: those of the paths that are in shards.

    Yields:
        One result per path, in the order of `places`.

    Raises:
        UserError: naming a file that crashes the process or needs too much memory.
    """
    find = shard_finder(raw)
    results: deque[Photo | Rejection | tuple[str, Place]] = deque()  # of unread ones, their places

    def unread() -> Iterator[tuple[str, bytes, str]]:
        for (path, place), content in zip(places.items(), known or repeat(None)):  # noqa: B905
            if content and not isinstance(place, str):
                results.append(_result(path, place, content, table))
                continue
            in_shard = path in in_shards
            if in_shard and isinstance(place, str):
                results.append(Rejection(printable(path), place))
                continue
            found = _found(find, path) if in_shard else None
            problem = _unopened_problem(raw, place, max_megapixels, path, found)
            if problem or isinstance(place, str):
                results.append(Rejection(printable(path), problem or str(place)))
            else:
                results.append((path, place))
                yield str(raw / path), *_read(raw / path, found)

    inspect = partial(_inspect, max_megapixels, table is not None)
    for content in each(inspect, unread(), engine, lambda item: item[0]):
        while isinstance(result := results.popleft(), Photo | Rejection):
            yield result
        path, place = result
        yield _result(path, place, content, table)
    for result in results:
        assert isinstance(result, Photo | Rejection)
        yield result


def content_of(result: Photo | Rejection, hashes: NDArray[np.uint8]) -> Content | None:
    """The content to cache for later runs; None if the result does not depend on the bytes.

    Args:
        result: of a file.
        hashes: rows of the table that the result refers to.
    """
    if isinstance(result, Rejection):
        return None if result.reason.startswith(UNREADABLE) else Content(result.reason)
    own = hashes[result.hashes].tobytes() if result.hashes >= 0 else b""
    return Content("", result.sha256, result.width, result.height, own, result.greys)


def _unopened_problem(
    raw: Path, place: Place | str, max_megapixels: float, path: str, found: InShard | None
) -> str | None:
    """Why a file need not be opened; None if it must be."""
    if printable(path) != path:
        return "name is not UTF-8"
    problem = None if found else unreadable(raw / path)
    if problem or isinstance(place, str):
        return problem or str(place)
    try:
        size = found.size if found else (raw / path).stat().st_size
        if size > most_bytes(max_megapixels):
            return "larger than any image of data.max_megapixels"
    except OSError as error:
        return f"{UNREADABLE}: {error.strerror}"
    return None


def _found(find: Finder, path: str) -> InShard | None:
    """Find a file in a shard; None if that has changed since it was listed, which is told later."""
    try:
        return find(path)
    except (OSError, ValueError):
        return None


def _read(path: Path, found: InShard | None) -> tuple[bytes, str]:
    """Return a file's bytes, or no bytes and the reason."""
    problem = None if found else unreadable(path)  # it may have become a pipe since
    if problem:
        return b"", problem
    try:
        return found.read() if found else path.read_bytes(), ""
    except OSError as error:
        return b"", f"{UNREADABLE}: {error.strerror}"
    except ValueError as error:  # of a shard
        return b"", str(error)


def _inspect(max_megapixels: float, hashes: bool, file: tuple[str, bytes, str]) -> Content:
    """Decode a file, given as path, bytes and the problem in reading it."""
    path, data, problem = file
    if problem:
        return Content(problem)
    try:
        with without_warnings():
            image, width, height, greys = inspect_image(data, max_megapixels)
    except ImageError as error:
        return Content(str(error))
    except MemoryError:
        raise UserError(
            f"{path}: not enough memory to decode it; lower data.max_megapixels or"
            " runtime.workers in params.yaml"
        ) from None
    found = perceptual_hashes(image) if hashes else b""
    return Content("", hashlib.sha256(data).hexdigest(), width, height, found, greys)


def _result(
    path: str, place: Place, content: Content, table: HashTable | None
) -> Photo | Rejection:
    reason, sha256, width, height, hashes, greys = content
    if reason:
        return Rejection(printable(path), reason)
    row = table.append(hashes) if table else -1
    return Photo(path, place.class_, place.given, sha256, width, height, row, greys)


def sort_out(
    results: Sequence[Photo | Rejection],
) -> tuple[list[Photo], list[tuple[Photo, Photo]], list[Rejection]]:
    """Separate photographs from rejections.

    Of identical files in a class, keep the one in test, else in val, else in train; break ties by
    path.

    Args:
        results: of all files.

    Returns:
        The photographs; those left out as identical, each with the one kept; and the rejections.
        Each list is sorted by path.
    """
    photos = [result for result in results if isinstance(result, Photo)]
    first: dict[tuple[str, str], Photo] = {}
    twins = []
    for photo in sorted(photos, key=lambda photo: (HELD_OUT.index(photo.given), photo.path)):
        original = first.setdefault((photo.class_, photo.sha256), photo)
        if original is not photo:
            twins.append((photo, original))
    rejections = [result for result in results if isinstance(result, Rejection)]
    return sorted(first.values()), sorted(twins), sorted(rejections)
