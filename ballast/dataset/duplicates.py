"""Finds near duplicates: pictures re-encoded, resized, mirrored or slightly cropped.

Hashes take 672 bytes a picture. Those of many are in a file, of which the search reads what it
compares.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import gettempdir
from threading import Lock
from typing import IO, NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ballast.core.files import writing
from ballast.core.images import HASHED
from ballast.core.mapped import release, scratch_file

HASH_SIDE = 16  # 256 bits: with 64, crops of 5 % are no closer than unrelated pictures
THUMB = HASHED
# Shares cropped at the left, top, right and bottom: on all sides, on one, on two. They find 91 of
# 100 copies of photographs of 500 x 400 with up to 6 % cropped at random from each side.
CROPS: list[tuple[float, float, float, float]] = [
    (0.0, 0.0, 0.0, 0.0),
    *((share, share, share, share) for share in (0.025, 0.05, 0.075, 0.1)),
    *(
        (share * left, share * top, share * right, share * bottom)
        for share in (0.04, 0.08)
        for left, top, right, bottom in ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
    ),
    (0.05, 0.0, 0.05, 0.0),
    (0.0, 0.05, 0.0, 0.05),
    (0.05, 0.05, 0.0, 0.0),
    (0.0, 0.05, 0.05, 0.0),
    (0.0, 0.0, 0.05, 0.05),
    (0.05, 0.0, 0.0, 0.05),
]
HASHES = len(CROPS) + 2
# How a picture was mirrored before it was hashed. The way between two is the exclusive or.
HORIZONTAL, VERTICAL = 1, 2
WAYS = np.array([0] * len(CROPS) + [HORIZONTAL, VERTICAL], dtype=np.int64)
ORDERS = 16
NEIGHBOURS = 8
BLOCK = 2**12  # hashes that are read and compared at a time
IN_MEMORY = 2**25  # bytes of hashes that are held before they are written to a file
FIRST_BITS = 5  # of the chosen bits of a hash: those with the same are sorted together
PAIRS = 2**20  # close pairs that are collected before their sets are merged: 32 MiB


class Copies(NamedTuple):
    """Pictures that are copies of one another, and mirror images that have two labels."""

    sets: NDArray[np.int64]  # the number of each picture's set of copies, shape (n,)
    bits: NDArray[np.int64]  # difference from the closest copy, shape (n,); 256 without one
    mirrors: NDArray[np.int64]  # two pictures and the way from the one to the other, shape (m, 3)


class _Pairs(NamedTuple):
    """Pairs of pictures with close hashes; shape (m,) each."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    bits: NDArray[np.int64]
    ways: NDArray[np.int64]


class HashTable:
    """The hashes of n pictures, a row each; several threads may add to it.

    Those of more than 50,000 are in a file.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Make an empty table; a scratch_file will be in this folder, or else in the system's."""
        self._folder = folder or Path(gettempdir())
        self._few: bytearray = bytearray()
        self._file: IO[bytes] | None = None
        self._count, self._lock = 0, Lock()

    def append(self, hashes: bytes) -> int:
        """Add the hashes of a picture; return their row.

        Raises:
            UserError: if the disk is full.
        """
        with self._lock:
            self._few += hashes
            self._count += 1
            if len(self._few) >= IN_MEMORY:
                with writing(self._folder):
                    self._file = self._file or scratch_file(self._folder)
                    self._file.write(self._few)
                self._few.clear()
            return self._count - 1

    def rows(self) -> NDArray[np.uint8]:
        """All rows, shape (n, HASHES * 32); of many, only what is used is in memory."""
        if not self._file:
            return np.frombuffer(bytes(self._few), np.uint8).reshape(-1, HASHES * 32)
        with writing(self._folder):
            self._file.write(self._few)
            self._few.clear()
            self._file.flush()
        return np.memmap(self._file, np.uint8, "r", shape=(self._count, HASHES * 32))


def perceptual_hashes(image: Image.Image) -> bytes:
    """Hash the low frequencies of a picture's brightness, for its crops and mirror images as well.

    Args:
        image: RGB.

    Returns:
        HASHES hashes of 32 bytes each: imagehash's phash, whose bits tell which of the lowest
        16 x 16 frequencies of the discrete cosine transform are above their median.
    """
    thumb = image.resize((THUMB, THUMB), Image.Resampling.LANCZOS, reducing_gap=3.0).convert("L")
    side = (4 * HASH_SIDE, 4 * HASH_SIDE)
    crops = [
        thumb.resize(
            side,
            Image.Resampling.BILINEAR,
            (THUMB * left, THUMB * top, THUMB * (1 - right), THUMB * (1 - bottom)),
        )
        for left, top, right, bottom in CROPS
    ]
    mirrored = [
        crops[0].transpose(way)
        for way in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM)
    ]
    hashes = [imagehash.phash(variant, HASH_SIDE).hash for variant in (*crops, *mirrored)]
    return np.packbits(np.stack(hashes)).tobytes()


def find_copies(
    hashes: NDArray[np.uint8],
    max_bits: int,
    labels: Sequence[int] | None = None,
    ways: Collection[int] = (),
    order: NDArray[np.int64] | None = None,
) -> Copies:
    """Find pictures that are copies of one another, directly or through others.

    Mirror images are copies, unless their labels differ: a left hand is no right one.

    Args:
        hashes: of m pictures, as the rows of a HashTable.
        max_bits: maximum difference between the hashes of copies, in bits of 256.
        labels: the label of each of n pictures, a number; None if all have the same.
        ways: of mirroring that make copies of pictures with different labels, too.
        order: the rows of the n pictures in an order that decides which equal hashes are compared;
            None for all rows as they come.

    Returns:
        The sets of copies; a picture without copies is in a set of its own. And the pairs of mirror
        images with different labels, whether their way is in `ways` or not.
    """
    order = np.arange(len(hashes)) if order is None else order
    of = np.zeros(len(order)) if labels is None else np.asarray(labels)
    sets, bits = no_copies(len(order))
    across = [np.empty((0, 4), dtype=np.int64)]
    for pairs in _collected(_close_pairs(hashes, order, max_bits)):
        apart = (pairs.ways > 0) & (of[pairs.first] != of[pairs.second])
        across.append(np.column_stack(pairs)[apart])
        sets = _join(sets, bits, _Pairs(*(column[~apart] for column in pairs)))
    found = np.unique(np.concatenate(across), axis=0)
    # A picture that is its own mirror image is a copy of it.
    found = found[sets[found[:, 0]] != sets[found[:, 1]]]
    sets = _join(sets, bits, _Pairs(*found[np.isin(found[:, 3], [*ways])].T))
    return Copies(sets, bits, np.unique(found[:, [0, 1, 3]], axis=0))


def _join(sets: NDArray[np.int64], bits: NDArray[np.int64], pairs: _Pairs) -> NDArray[np.int64]:
    """Merge the sets of pairs, and note in `bits` how close they are."""
    if not len(pairs.first):
        return sets
    np.minimum.at(bits, pairs.first, pairs.bits)
    np.minimum.at(bits, pairs.second, pairs.bits)
    return merge(sets, pairs.first, pairs.second)


def _collected(found: Iterator[_Pairs]) -> Iterator[_Pairs]:
    """Put pairs together until there are PAIRS: each merge visits every picture."""
    parts: list[_Pairs] = []
    count = 0
    for part in found:
        parts.append(part)
        count += len(part.first)
        if count >= PAIRS:
            yield _Pairs(*map(np.concatenate, zip(*parts, strict=True)))
            parts, count = [], 0
    if parts:
        yield _Pairs(*map(np.concatenate, zip(*parts, strict=True)))


def _close_pairs(
    hashes: NDArray[np.uint8], order: NDArray[np.int64], max_bits: int
) -> Iterator[_Pairs]:
    """Find pictures with close hashes.

    Not all pairs are compared. The hashes are sorted ORDERS times, each time by other bits, and
    each is compared with the next NEIGHBOURS ones (Charikar 2002, STOC, section 4). This takes
    O(n log n), however similar the pictures are.
    """
    codes = hashes.reshape(-1, 32)
    generator = np.random.Generator(np.random.PCG64(0))
    for _ in range(ORDERS):
        chosen = generator.permutation(256)[:64]
        for places in _windows(_sorted(codes, order, chosen)):
            yield from _close_neighbours(codes, order, places, max_bits)


def _windows(runs: Iterable[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
    """Cut runs, end to end, into BLOCK elements each, with the NEIGHBOURS elements after them."""
    left: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    for run in runs:
        left = np.concatenate([left, run])
        while len(left) >= BLOCK + NEIGHBOURS:
            yield left[: BLOCK + NEIGHBOURS]
            left = left[BLOCK:]
    for start in range(0, len(left), BLOCK):
        yield left[start : start + BLOCK + NEIGHBOURS]


def _close_neighbours(
    codes: NDArray[np.uint8], order: NDArray[np.int64], places: NDArray[np.int64], max_bits: int
) -> Iterator[_Pairs]:
    """Compare each of BLOCK hashes with the next ones, given by their places in `order`."""
    members, numbers = np.divmod(places, HASHES)
    words, ways = codes[order[members] * HASHES + numbers].view(np.uint64), WAYS[numbers]
    release(codes)
    for step in range(1, min(NEIGHBOURS, len(places) - 1) + 1):
        here, next_ = slice(min(BLOCK, len(places) - step)), slice(step, BLOCK + step)
        differing = np.bitwise_count(words[here] ^ words[next_]).sum(1, dtype=np.int64)
        first, second = members[here], members[next_]
        close = np.flatnonzero((differing <= max_bits) & (first != second))
        if len(close):
            one, other = first[close], second[close]
            yield _Pairs(
                np.minimum(one, other),
                np.maximum(one, other),
                differing[close],
                (ways[here] ^ ways[next_])[close],
            )


def no_copies(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sets and bits when no picture is a copy of another."""
    return np.arange(count, dtype=np.int64), np.full(count, 256, dtype=np.int64)


def merge(
    sets: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Merge sets whose members are connected.

    Args:
        sets: the number of each element's set, below n; shape (n,).
        first: elements, shape (m,).
        second: for each element of `first`, one that is connected with it, shape (m,).

    Returns:
        The new number of each element's set, below n; shape (n,).
    """
    # The graph's nodes are the sets.
    edges = (np.ones(len(first), dtype=bool), (sets[first], sets[second]))
    graph = coo_array(edges, shape=(len(sets), len(sets)))
    _, merged = connected_components(graph, directed=False)
    renumbered: NDArray[np.int64] = merged.astype(np.int64)[sets]
    return renumbered


def _sorted(
    codes: NDArray[np.uint8], order: NDArray[np.int64], chosen: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Yield the places of the codes of pictures in some order, sorted by 64 chosen bits.

    Those that begin with the same bits are sorted together: an order of all at once would take 250
    bytes a picture, beside 168 bytes for the chosen bits.
    """
    keys = np.empty((len(order), HASHES), dtype=np.uint64)
    first = np.empty((len(order), HASHES), dtype=np.uint8)
    pictures = BLOCK // HASHES + 1
    for start in range(0, len(order), pictures):
        some = slice(start, start + pictures)
        rows = order[some, None] * HASHES + np.arange(HASHES)
        single = np.unpackbits(codes[rows], axis=2)
        release(codes)
        packed = np.packbits(single[:, :, chosen], axis=2)
        keys[some] = np.ascontiguousarray(packed).view(">u8")[:, :, 0]
        first[some] = packed[:, :, 0] >> (8 - FIRST_BITS)
    flat = keys.ravel()
    for value in range(2**FIRST_BITS):
        places = np.flatnonzero(first.ravel() == value)
        yield places[np.argsort(flat[places], kind="stable")]
