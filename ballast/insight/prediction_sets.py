"""Sets of classes that hold the true one in a stated share of photographs, in place of one guess.

Conformal prediction by class (Vovk, Gammerman & Shafer 2005, section 4.5; Sadinle, Lei & Wasserman
2019, arXiv:1609.00451): a class is in the set unless its probability is lower than nearly all that
it had where it was true. The probabilities of training photographs come from heads that had not
seen them, as in cross-conformal prediction (Vovk 2015, arXiv:1208.0806).
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.model.logits import Floats
from ballast.model.training_photographs import DECIMALS, TrainingPhotographs


class Thresholds(NamedTuple):
    """What decides which of k classes are in a set."""

    coverage: float  # share of each class's photographs whose sets hold it
    least: Floats  # probability with which a class enters the set, shape (k,); 0 without a promise
    groups: NDArray[np.int64]  # that each class was judged by, shape (k,)
    needed: int  # groups that a class needs for the promise

    def promised(self, place: int) -> bool:
        """Whether the coverage of a class is promised; if not, it is in every set."""
        return bool(self.groups[place] >= self.needed)


def class_thresholds(known: TrainingPhotographs, coverage: float) -> Thresholds:
    """Find the probability with which each class enters the set.

    A photograph of a new group is like one of the n groups of its class, so the probability of its
    class ranks equally often at each of n + 1 places. Its set lacks the class at the lowest of
    these, (n + 1) · (1 - coverage) rounded down. Below one such place the promise needs all classes
    in all sets: n must be coverage / (1 - coverage) or more, which is 9 for 0.9.

    A group counts once, by the lowest probability of its photographs: these are copies of each
    other, or alike, and the set of any new one is promised to hold its class.

    Args:
        known: n photographs; those without held-out probabilities do not count.
        coverage: above 0 and below 1.

    Raises:
        ValueError: if the coverage is out of range.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"the coverage must be above 0 and below 1, not {coverage}")
    judged = np.isfinite(known.held_out).all(axis=1)
    share = Fraction(str(coverage))  # 0.9 / (1 - 0.9) is above 9 in float64
    needed = ceil(share / (1 - share))
    k = known.held_out.shape[1]
    least, counts = np.zeros(k), np.zeros(k, dtype=np.int64)
    for place in range(k):
        of_class = judged & (known.labels == place)
        lowest = _lowest_by_group(known.held_out[of_class, place], known.groups[of_class])
        counts[place] = len(lowest)
        missed = int((len(lowest) + 1) * (1 - share))
        if missed:
            least[place] = lowest[missed - 1]
    return Thresholds(coverage, least, counts, needed)


def prediction_sets(probabilities: Floats, thresholds: Thresholds) -> list[list[int]]:
    """List the classes in the set of each photograph.

    A set may be empty: every class has a lower probability than nearly all photographs of it.

    Args:
        probabilities: shape (n, k).
        thresholds: of the same k classes.

    Returns:
        For each photograph the indices of its classes, the most probable first.
    """
    order = np.argsort(-probabilities.round(DECIMALS), axis=1, kind="stable")
    inside = inside_sets(probabilities, thresholds)
    return [
        [int(place) for place in ranked if held[place]]
        for ranked, held in zip(order, inside, strict=True)
    ]


def inside_sets(probabilities: Floats, thresholds: Thresholds) -> NDArray[np.bool_]:
    """Whether each class is in the set of each photograph, shape (n, k), as in prediction_sets."""
    # Both sides have the same decimals, so a last bit that differs between processors is no matter.
    return np.asarray(probabilities.round(DECIMALS) >= thresholds.least)


def without_promise(thresholds: Thresholds, classes: Sequence[str]) -> list[str]:
    """Say which classes have too few photographs for the coverage, and how many they need."""
    return [
        f"class {name} is in every set: a coverage of {thresholds.coverage} needs"
        f" {thresholds.needed} training photographs besides copies, and the model keeps"
        f" {thresholds.groups[place]}"
        for place, name in enumerate(classes)
        if not thresholds.promised(place)
    ]


def _lowest_by_group(probabilities: Floats, groups: NDArray[np.int64]) -> Floats:
    """The lowest probability of each group, sorted."""
    names, places = np.unique(groups, return_inverse=True)
    lowest = np.ones(len(names))
    np.minimum.at(lowest, places, probabilities)
    return np.sort(lowest)
