"""Finds near duplicates: pictures re-encoded, resized, mirrored or slightly cropped."""

from collections.abc import Sequence

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
ORDERS = 16
NEIGHBOURS = 8


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
    hashes: Sequence[bytes], max_bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find pictures that are copies of one another, directly or through others.

    Not all pairs are compared. The hashes are sorted ORDERS times, each time by other bits, and
    each is compared with the next NEIGHBOURS ones (Charikar 2002, STOC, section 4). This takes
    O(n log n), however similar the pictures are.

    Args:
        hashes: of n pictures, as perceptual_hashes returns them.
        max_bits: maximum difference between the hashes of copies, in bits of 256.

    Returns:
        The number of each picture's set of copies, shape (n,); a picture without copies is in a set
        of its own. And the difference from the closest copy in bits, shape (n,); 256 without one.
    """
    codes = np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, 32)
    owners = np.repeat(np.arange(len(hashes)), HASHES)
    generator = np.random.Generator(np.random.PCG64(0))
    sets, bits = no_copies(len(hashes))
    for _ in range(ORDERS):
        order = np.argsort(_keys(codes, generator.permutation(256)[:64]), kind="stable")
        words, members = codes[order].view(np.uint64), owners[order]
        for step in range(1, min(NEIGHBOURS, len(codes) - 1) + 1):
            differing = np.bitwise_count(words[:-step] ^ words[step:]).sum(axis=1, dtype=np.int64)
            first, second = members[:-step], members[step:]
            close = np.flatnonzero((differing <= max_bits) & (first != second))
            if len(close):
                np.minimum.at(bits, first[close], differing[close])
                np.minimum.at(bits, second[close], differing[close])
                sets = merge(sets, first[close], second[close])
    return sets, bits


def no_copies(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what find_copies returns when no picture is a copy of another."""
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
