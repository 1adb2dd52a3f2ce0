"""Finds near duplicates: pictures re-encoded, resized, mirrored or slightly cropped.

Hashes take 672 bytes a picture. Those of many are in a file, of which the search reads a part at a
time.
"""

import os
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
BYTES = HASHES * HASH_SIDE**2 // 8  # of a picture
# How a picture was mirrored before it was hashed. The way between two is the exclusive or.
HORIZONTAL, VERTICAL = 1, 2
WAYS = np.array([0] * len(CROPS) + [HORIZONTAL, VERTICAL], dtype=np.int64)
ORDERS = 16
NEIGHBOURS = 8
BLOCK = 2**12  # hashes that are read and compared at a time
IN_MEMORY = 2**25  # bytes of hashes that are held before they are written to a file
SORTED = 2**19  # hashes that are sorted together, if there are at most 32 times as many: 28 MiB
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


class _Codes(NamedTuple):
    """Hashes of pictures."""

    places: NDArray[np.int64]  # a picture's row * HASHES + a hash's number; shape (m,)
    words: NDArray[np.uint64]  # shape (m, 4)


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
        """All rows, shape (n, BYTES); of many, only what is used is in memory."""
        if not self._file:
            return np.frombuffer(bytes(self._few), np.uint8).reshape(-1, BYTES)
        with writing(self._folder):
            self._file.write(self._few)
            self._few.clear()
            self._file.flush()
        return np.memmap(self._file, np.uint8, "r", shape=(self._count, BYTES))

    def sorted_rows(self, order: Sequence[int]) -> NDArray[np.uint8]:
        """Some rows in an order, shape (m, BYTES); of many, only what is used is in memory.

        Raises:
            UserError: if the disk is full.
        """
        rows = self.rows()
        if not (self._file and order):
            return rows[np.asarray(order, dtype=np.int64)]
        with scratch_file(self._folder) as file, writing(self._folder):
            for row in order:
                self._file.seek(row * BYTES)  # a map would have all of the file in memory
                file.write(self._file.read(BYTES))
            self._file.seek(0, os.SEEK_END)
            file.flush()
            return np.memmap(file, np.uint8, "r", shape=(len(order), BYTES))


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
) -> Copies:
    """Find pictures that are copies of one another, directly or through others.

    Mirror images are copies, unless their labels differ: a left hand is no right one.

    Args:
        hashes: of n pictures, as the rows of a HashTable; their order decides which equal hashes
            are compared.
        max_bits: maximum difference between the hashes of copies, in bits of 256.
        labels: the label of each picture, a number; None if all have the same.
        ways: of mirroring that make copies of pictures with different labels, too.

    Returns:
        The sets of copies; a picture without copies is in a set of its own. And the pairs of mirror
        images with different labels, whether their way is in `ways` or not.
    """
    of = np.zeros(len(hashes)) if labels is None else np.asarray(labels)
    sets, bits = no_copies(len(hashes))
    across = [np.empty((0, 4), dtype=np.int64)]
    for pairs in _collected(_close_pairs(hashes, max_bits)):
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


def _close_pairs(hashes: NDArray[np.uint8], max_bits: int) -> Iterator[_Pairs]:
    """Find pictures with close hashes.

    Not all pairs are compared. The hashes are sorted ORDERS times, each time by other bits, and
    each is compared with the next NEIGHBOURS ones (Charikar 2002, STOC, section 4). This takes
    O(n log n), however similar the pictures are.
    """
    codes = hashes.reshape(-1, BYTES // HASHES)
    generator = np.random.Generator(np.random.PCG64(0))
    for _ in range(ORDERS):
        chosen = generator.permutation(256)[:64]
        for window in _windows(_sorted(codes, chosen)):
            yield from _close_neighbours(window, max_bits)


def _windows(runs: Iterable[_Codes]) -> Iterator[_Codes]:
    """Cut runs, end to end, into BLOCK codes each, with the NEIGHBOURS codes after them."""
    left = _Codes(np.empty(0, dtype=np.int64), np.empty((0, 4), dtype=np.uint64))
    for run in runs:
        places = np.concatenate([left.places, run.places])
        words = np.concatenate([left.words, run.words])
        whole = max(0, len(places) - NEIGHBOURS) // BLOCK * BLOCK
        yield from _cut(places, words, whole)
        left = _Codes(places[whole:].copy(), words[whole:].copy())
    yield from _cut(*left, len(left.places))


def _cut(places: NDArray[np.int64], words: NDArray[np.uint64], end: int) -> Iterator[_Codes]:
    """Yield the windows that start before `end`."""
    for start in range(0, end, BLOCK):
        window = slice(start, start + BLOCK + NEIGHBOURS)
        yield _Codes(places[window], words[window])


def _close_neighbours(window: _Codes, max_bits: int) -> Iterator[_Pairs]:
    """Compare each of BLOCK codes with the next ones."""
    members, numbers = np.divmod(window.places, HASHES)
    words, ways = np.ascontiguousarray(window.words.T), WAYS[numbers]
    for step in range(1, min(NEIGHBOURS, len(members) - 1) + 1):
        here, next_ = slice(min(BLOCK, len(members) - step)), slice(step, BLOCK + step)
        differing = np.bitwise_count(words[:, here] ^ words[:, next_]).sum(0, dtype=np.int64)
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


def _sorted(codes: NDArray[np.uint8], chosen: NDArray[np.int64]) -> Iterator[_Codes]:
    """Yield all codes, sorted by 64 chosen bits, at most BLOCK at a time.

    Of many, those that begin with the same bits are sorted together: an order of all at once would
    take 250 bytes a picture, beside 168 bytes for the chosen bits. Each of these parts maps all
    codes anew, so they are few: a search among 80,000 pictures took 14 s with 4, 17 s with 32.
    """
    first_bits = min(5, (len(codes) // SORTED).bit_length())
    keys = np.empty(len(codes), dtype=np.uint64)
    first = np.empty(len(codes), dtype=np.uint8)
    for some in _blocks(len(codes)):
        packed = np.packbits(np.unpackbits(codes[some], axis=1)[:, chosen], axis=1)
        release(codes)
        keys[some] = np.ascontiguousarray(packed).view(">u8")[:, 0]
        first[some] = packed[:, 0].astype(np.uint16) >> (8 - first_bits)
    for value in range(2**first_bits):
        places = np.flatnonzero(first == value)
        # Read them in their order in the file: sorted by bits, each BLOCK would map the whole file.
        words = np.empty((len(places), 4), dtype=np.uint64)
        for some in _blocks(len(places)):
            words[some] = codes[places[some]].view(np.uint64)
            release(codes)
        by_bits = np.argsort(keys[places], kind="stable")
        for some in _blocks(len(places)):  # if all pictures are alike, the places are of all codes
            yield _Codes(places[by_bits[some]], words[by_bits[some]])


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))
