"""The known photographs that are nearest to a photograph, in the feature space of the backbone."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.model.logits import Floats, float_blocks, lengths

# Photographs compared at a time, and known ones: their distances take 2 MB.
BLOCK, KNOWN = 64, 4096
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
    for rows, first, distances in distance_blocks(features, known, groups, known_groups):
        before = slice(min(count, first))  # columns filled with those of earlier blocks
        numbers = np.broadcast_to(np.arange(first, first + distances.shape[1]), distances.shape)
        among = np.hstack([found[rows, before], distances])
        order = np.argsort(among, axis=1, kind="stable")[:, :count]
        filled = slice(order.shape[1])
        found[rows, filled] = np.take_along_axis(among, order, axis=1)
        numbers = np.hstack([places[rows, before], numbers])
        places[rows, filled] = np.take_along_axis(numbers, order, axis=1)
    return Nearest(places, found)


def nearest_distance(
    features: NDArray[Any],
    known: NDArray[Any],
    groups: NDArray[np.int64] | None = None,
    known_groups: NDArray[np.int64] | None = None,
) -> Floats:
    """The distance to the nearest known photograph, shape (m,); arguments as of nearest."""
    found = np.full(len(features), np.inf)
    for rows, _, distances in distance_blocks(features, known, groups, known_groups):
        found[rows] = np.minimum(found[rows], distances.min(axis=1))
    return found


def distance_blocks(
    features: NDArray[Any],
    known: NDArray[Any],
    groups: NDArray[np.int64] | None,
    known_groups: NDArray[np.int64] | None,
) -> Iterator[tuple[slice, int, Floats]]:
    """Yield distances, those of BLOCK photographs to KNOWN others at a time: memory stays flat.

    The distance is 1 - cosine, 0 to 2. Sums of products of whole numbers below 2**53 are exact, and
    square roots and quotients are rounded correctly: with the exact backbone, distances have the
    same bits on every processor. Rounding lets distances of other backbones agree, too, except in
    rare cases.

    Yields:
        The photographs, the place of the first known one, and the distances, shape (b, c). Known
        ones come in their order.
    """
    for places, references in float_blocks(known, KNOWN):
        scale = lengths(references).T
        for start in range(0, len(features), BLOCK):
            rows = slice(start, start + BLOCK)
            asked = features[rows].astype(np.float64, copy=False)
            cosines = asked @ references.T / (lengths(asked) * scale)
            distances = np.maximum(np.round(1 - cosines, DECIMALS), 0.0)
            if groups is not None and known_groups is not None:
                distances[groups[rows, None] == known_groups[places]] = np.inf
            yield rows, places.start, distances
