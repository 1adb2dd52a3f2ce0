"""How unlike its training photographs a photograph is.

The distance to the nearest training photograph (Sun et al. 2022, arXiv:2204.06507, with k = 1 and
the features of the backbone) is compared with the same distances of the training photographs
themselves, as in conformal prediction (Vovk et al. 2005, Algorithmic Learning in a Random World,
section 2.2): 1 - novelty is a p-value.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.insight.nearest import nearest_distance
from ballast.model.logits import Floats
from ballast.model.training_photographs import TrainingPhotographs

# A photograph is unlike the training photographs from this novelty on. Of photographs like them, at
# most 1 in 20 is then called so. It takes 19 groups to reach it.
UNLIKE = 0.95
DECIMALS = 4  # of a novelty


class Familiar(NamedTuple):
    """The n training photographs, and how far they are from each other."""

    features: Floats  # shape (n, d)
    distances: Floats  # of each to the nearest of another group, in ascending order; shape (n,)
    # Share of the training groups that are nearer to others than a new photograph whose distance
    # exceeds the first i distances, for i from 0 to n; shape (n + 1,). The new one counts as a
    # group, so the last share is groups / (groups + 1).
    shares: Floats


def familiar(photographs: TrainingPhotographs) -> Familiar | None:
    """Measure how far training photographs are from those of other groups.

    Every group counts the same: the photographs of a series are no independent distances.

    Returns:
        None if they are of fewer than two groups.
    """
    _, index, sizes = np.unique(photographs.groups, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return None
    features = photographs.features.astype(np.float64)
    distances = nearest_distance(features, features, index, index)
    order = np.argsort(distances, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(1 / sizes[index[order]])])
    return Familiar(features, distances[order], total / (len(sizes) + 1))


def novelty(features: NDArray[Any], known: Familiar) -> Floats:
    """Share of the training photographs that are nearer to others than these are to them.

    If a photograph and the training photographs are drawn independently from the same source, its
    novelty is s or more with a probability of at most 1 - s. (The new photograph could only lower
    the distances of the others, were it among them.)

    Args:
        features: of m photographs, shape (m, d).
        known: from familiar.

    Returns:
        Shape (m,), 0 to groups / (groups + 1).
    """
    return novelty_at(nearest_distance(features, known.features), known)


def novelty_at(distances: Floats, known: Familiar) -> Floats:
    """Like novelty, of m distances to the nearest training photograph."""
    places = np.searchsorted(known.distances, distances, side="left")
    return np.round(known.shares[places], DECIMALS)
