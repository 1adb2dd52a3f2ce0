"""Whether two sets of predictions differ by more than chance."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from scipy.stats import binomtest

from ballast.scores.predictions import Predictions

SIGNIFICANCE = 0.05  # a difference that chance alone makes more often than so is not significant

Key = TypeVar("Key", bound=Hashable)


class Outcome(NamedTuple):
    """Photographs that only one of two runs recognised, and how likely chance alone is as uneven.

    McNemar's exact test (1947): the binomial test that both kinds are as likely.
    """

    only_reference_right: int
    only_this_right: int
    p_value: float
    p_value_holm: float  # for all p values of its kind in one comparison (Holm 1979)


def discordant(reference: Predictions, this: Predictions, class_: str | None) -> tuple[int, int]:
    """Photographs that only the reference recognised, and that only the other did.

    Args:
        reference: of the same photographs, in any order.
        this: to compare with it.
        class_: of these photographs alone; None for all.
    """
    guesses = dict(zip(this.paths, this.predicted, strict=True))
    counts = [0, 0]
    for path, true, guess in zip(reference.paths, reference.true, reference.predicted, strict=True):
        if class_ in (None, true) and (guess == true) != (guesses[path] == true):
            counts[guesses[path] == true] += 1
    return counts[0], counts[1]


def mcnemar(only_reference: int, only_this: int) -> float:
    """P value of McNemar's exact test, two-sided; 1 where no photograph is judged differently."""
    both = only_reference + only_this
    return float(binomtest(only_this, both).pvalue) if both else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for their number (Holm 1979).

    Those below 0.05 then hold one false claim or more in at most 5 % of cases.
    """
    corrected, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def mcnemar_tests(counts: Mapping[Key, tuple[int, int]]) -> dict[Key, Outcome]:
    """Test several pairs, with p values corrected for their number.

    Args:
        counts: as discordant returns them, by key.
    """
    p_values = [mcnemar(*found) for found in counts.values()]
    return {
        key: Outcome(*found, p_value, corrected)
        for (key, found), p_value, corrected in zip(
            counts.items(), p_values, holm(p_values), strict=True
        )
    }
