"""Finds near duplicates: pictures re-encoded, resized, mirrored or slightly cropped."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ballast.core.images import HASHED

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
    hashes: Sequence[bytes],
    max_bits: int,
    labels: Sequence[int] | None = None,
    ways: Collection[int] = (),
) -> Copies:
    """Find pictures that are copies of one another, directly or through others.

    Mirror images are copies, unless their labels differ: a left hand is no right one.

    Args:
        hashes: of n pictures, as perceptual_hashes returns them.
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
    for pairs in _close_pairs(hashes, max_bits):
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


def _close_pairs(hashes: Sequence[bytes], max_bits: int) -> Iterator[_Pairs]:
    """Find pictures with close hashes.

    Not all pairs are compared. The hashes are sorted ORDERS times, each time by other bits, and
    each is compared with the next NEIGHBOURS ones (Charikar 2002, STOC, section 4). This takes
    O(n log n), however similar the pictures are.
    """
    codes = np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, 32)
    owners = np.repeat(np.arange(len(hashes)), HASHES)
    mirrored = np.tile(WAYS, len(hashes))
    generator = np.random.Generator(np.random.PCG64(0))
    for _ in range(ORDERS):
        order = np.argsort(_keys(codes, generator.permutation(256)[:64]), kind="stable")
        words, members, ways = codes[order].view(np.uint64), owners[order], mirrored[order]
        for step in range(1, min(NEIGHBOURS, len(codes) - 1) + 1):
            differing = np.bitwise_count(words[:-step] ^ words[step:]).sum(axis=1, dtype=np.int64)
            first, second = members[:-step], members[step:]
            close = np.flatnonzero((differing <= max_bits) & (first != second))
            if len(close):
                one, other = first[close], second[close]
                yield _Pairs(
                    np.minimum(one, other),
                    np.maximum(one, other),
                    differing[close],
                    (ways[:-step] ^ ways[step:])[close],
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


def _keys(codes: NDArray[np.uint8], chosen: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The 64 chosen bits of each code, as an integer."""
    keys = np.empty(len(codes), dtype=">u8")
    for start in range(0, len(codes), 65536):  # 16 MiB of unpacked bits at a time
        single = np.unpackbits(codes[start : start + 65536], axis=1)
        packed = np.packbits(single[:, chosen], axis=1)
        keys[start : start + 65536] = np.ascontiguousarray(packed).view(">u8")[:, 0]
    return keys.astype(np.uint64)
