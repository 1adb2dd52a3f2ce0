"""Significance tests for the difference between two sets of predictions."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from scipy.stats import binomtest

from ballast.scores.predictions import Predictions

SIGNIFICANCE = 0.05  # level of all tests

Key = TypeVar("Key", bound=Hashable)


class Outcome(NamedTuple):
    """McNemar's exact test (1947) on the photographs that only one of two runs gets right.

    It is the binomial test of the hypothesis that both runs are equally likely to be the one.
    """

    only_reference_right: int
    only_this_right: int
    p_value: float
    p_value_holm: float  # corrected for all tests of its kind in one comparison (Holm 1979)


def discordant(reference: Predictions, this: Predictions, class_: str | None) -> tuple[int, int]:
    """Count the photographs that only the reference, and that only the other run, got right.

    Args:
        reference: predictions of the reference.
        this: predictions of the other run, for the same photographs in any order.
        class_: count only photographs of this class; None for all.
    """
    guesses = dict(zip(this.paths, this.predicted, strict=True))
    counts = [0, 0]
    for path, true, guess in zip(reference.paths, reference.true, reference.predicted, strict=True):
        if class_ in (None, true) and (guess == true) != (guesses[path] == true):
            counts[guesses[path] == true] += 1
    return counts[0], counts[1]


def mcnemar(only_reference: int, only_this: int) -> float:
    """Two-sided p value of McNemar's exact test; 1 if no photograph is discordant."""
    both = only_reference + only_this
    return float(binomtest(only_this, both).pvalue) if both else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for multiple testing (Holm 1979).

    Rejecting all hypotheses with a corrected p value below 0.05 keeps the family-wise error rate at
    or below 5 %.

    Returns:
        The corrected p values, in the order given.
    """
    corrected, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def mcnemar_tests(counts: Mapping[Key, tuple[int, int]]) -> dict[Key, Outcome]:
    """Run McNemar's test on several pairs of counts, with Holm-corrected p values.

    Args:
        counts: results of `discordant`, by key.
    """
    p_values = [mcnemar(*found) for found in counts.values()]
    return {
        key: Outcome(*found, p_value, corrected)
        for (key, found), p_value, corrected in zip(
            counts.items(), p_values, holm(p_values), strict=True
        )
    }
