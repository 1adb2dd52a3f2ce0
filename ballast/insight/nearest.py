"""The known photographs that are nearest to a photograph, in the feature space of the backbone."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.model.logits import Floats, lengths

BLOCK = 64  # photographs compared at a time: with 2,000 known ones, their distances take 1 MB
DECIMALS = 6  # of distances; those between different photographs are of the order of 0.1


class Nearest(NamedTuple):
    """The k nearest of n known photographs, for each of m photographs; the nearest first."""

    places: NDArray[np.int64]  # among the known ones, shape (m, k)
    distances: Floats  # shape (m, k); infinite for those that were left out


def nearest(
    features: NDArray[Any],
    known: NDArray[Any],
    count: int,
    groups: NDArray[np.int64] | None = None,
    known_groups: NDArray[np.int64] | None = None,
) -> Nearest:
    """Find the known photographs of the smallest distance; of equal ones, the first.

    Args:
        features: of m photographs, shape (m, d).
        known: features of the known photographs, shape (n, d), n of 1 or more.
        count: the number wanted; of fewer known photographs, all are found.
        groups: of the m photographs, shape (m,); known ones of the same group come last, at an
            infinite distance. None leaves out nothing.
        known_groups: of the known photographs, shape (n,); needed with groups.
    """
    count = min(count, len(known))
    places = np.empty((len(features), count), dtype=np.int64)
    found = np.empty((len(features), count))
    for start, distances in distance_blocks(features, known, groups, known_groups):
        rows = slice(start, start + len(distances))
        places[rows] = np.argsort(distances, axis=1, kind="stable")[:, :count]
        found[rows] = np.take_along_axis(distances, places[rows], axis=1)
    return Nearest(places, found)


def nearest_distance(
    features: NDArray[Any],
    known: NDArray[Any],
    groups: NDArray[np.int64] | None = None,
    known_groups: NDArray[np.int64] | None = None,
) -> Floats:
    """The distance to the nearest known photograph, shape (m,); arguments as of nearest."""
    blocks = distance_blocks(features, known, groups, known_groups)
    return np.concatenate([np.empty(0), *(distances.min(axis=1) for _, distances in blocks)])


def distance_blocks(
    features: NDArray[Any],
    known: NDArray[Any],
    groups: NDArray[np.int64] | None,
    known_groups: NDArray[np.int64] | None,
) -> Iterator[tuple[int, Floats]]:
    """Yield distances to all known photographs, BLOCK rows at a time, so that memory stays flat.

    The distance is 1 - cosine, 0 to 2. Sums of products of whole numbers below 2**53 are exact, and
    square roots and quotients are rounded correctly: with the exact backbone, distances have the
    same bits on every processor. Rounding lets distances of other backbones agree, too, except in
    rare cases.

    Yields:
        The place of the block's first photograph, and its distances, shape (b, n).
    """
    references = known.astype(np.float64, copy=False)
    scale = lengths(references).T
    for start in range(0, len(features), BLOCK):
        rows = features[start : start + BLOCK].astype(np.float64, copy=False)
        cosines = rows @ references.T / (lengths(rows) * scale)
        distances = np.maximum(np.round(1 - cosines, DECIMALS), 0.0)
        if groups is not None and known_groups is not None:
            same = groups[start : start + BLOCK, None] == known_groups
            distances[same] = np.inf
        yield start, distances
