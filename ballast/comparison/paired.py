"""Two runs on the same test photographs: intervals of their paired differences."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ballast.scores.intervals import (
    CONFIDENCE,
    LARGEST,
    PRIOR,
    UNDEFINED,
    Drawn,
    Interval,
    MetricIntervals,
    central,
    draw_counts,
    figures,
)
from ballast.scores.predictions import Predictions
from ballast.scores.significance import SIGNIFICANCE

POWER = 0.8  # probability of detecting a difference of the observed size
# With fewer discordant photographs, McNemar's exact test can never be significant.
FEWEST_DISCORDANT = 6


def photographs_that_would_tell(
    only_reference: int, only_this: int, photographs: int
) -> int | None:
    """Estimate the number of test photographs needed to detect the observed difference.

    This is the sample size for McNemar's test, two-sided at 5 %, with a power of 80 % (Connor 1987,
    Biometrics 43, 207-211, eq. 3): (z(0.975) √s + z(0.8) √(s - d²))² / d², where s is the share of
    discordant photographs, which only one run classifies correctly, and d the difference of the two
    recalls. The result is at least the number that yields 6 discordant photographs, which the exact
    test needs, and exceeds the number that there are.

    Args:
        only_reference: photographs that only the reference classified correctly.
        only_this: photographs that only the other run classified correctly.
        photographs: test photographs of the class, 1 or more.

    Returns:
        Number of photographs; None if the recalls are equal.
    """
    share = (only_reference + only_this) / photographs
    difference = (only_this - only_reference) / photographs
    if not difference:
        return None
    z_significance, z_power = norm.isf(SIGNIFICANCE / 2), norm.isf(1 - POWER)
    root = z_significance * math.sqrt(share) + z_power * math.sqrt(max(share - difference**2, 0))
    least = max(photographs + 1, math.ceil(FEWEST_DISCORDANT / share))
    return max(math.ceil(float(root) ** 2 / difference**2), least)


def draw_pair(
    reference: Predictions, this: Predictions, generator: np.random.Generator, draws: int
) -> tuple[Drawn, Drawn]:
    """Resample the test photographs of two runs jointly.

    Each draw distributes the photographs of a class over the pairs of predictions. The prior adds a
    third of a photograph that only the reference gets right, and a third that only the other run
    gets right, so that the marginal prior of each run is that of metric_intervals. With 40
    photographs per class, coverage of the differences was 0.90 to 1.00. The plain bootstrap had
    0.49 to 1.00: its interval has no width if two runs agree on every photograph.

    Args:
        reference: predictions of the reference.
        this: predictions of the other run, for the same photographs in any order.
        generator: random generator.
        draws: maximum number of draws.
    """
    classes, k = reference.classes, len(reference.classes)
    index = {name: place for place, name in enumerate(classes)}
    true = np.array([index[name] for name in reference.true])
    guesses = dict(zip(this.paths, this.predicted, strict=True))
    pairs = np.array(
        [
            (index[guess], index[guesses[path]])
            for path, guess in zip(reference.paths, reference.predicted, strict=True)
        ]
    )
    draws = int(min(draws, LARGEST // (2 * k**2)))
    tested, photos = np.unique(true, return_counts=True)
    right, predicted = np.zeros((2, draws, k)), np.zeros((2, draws, k))
    for class_ in tested:
        counts, prior = np.zeros((k, k), np.int64), np.zeros((k, k))
        np.add.at(counts, tuple(pairs[true == class_].T), 1)
        prior[class_, :] = prior[:, class_] = PRIOR / max(k - 1, 1)
        prior[class_, class_] = 0
        cells = np.nonzero(counts + prior)
        drawn = draw_counts(counts[cells], prior[cells], generator, draws)
        for run, guess in enumerate(cells):
            by_guess = drawn @ np.eye(k)[guess]
            right[run, :, class_] = by_guess[:, class_]
            predicted[run] += by_guess
    first, second = (
        Drawn(photos.astype(float), right[run][:, tested], predicted[run][:, tested])
        for run in range(2)
    )
    return first, second


def difference_intervals(
    reference: MetricIntervals,
    this: MetricIntervals,
    drawn: tuple[Drawn, Drawn],
    confidence: float = CONFIDENCE,
) -> MetricIntervals:
    """Compute the differences of all metrics, with intervals.

    Args:
        reference: metrics of the reference.
        this: metrics of the other run.
        drawn: result of draw_pair.
        confidence: confidence level of each interval.
    """
    first, second = map(figures, drawn)
    tested = [name for name, recall in reference.recall.items() if recall.value is not None]

    def interval(before: Interval, after: Interval, draws: NDArray[np.float64]) -> Interval:
        if before.value is None or after.value is None:
            return UNDEFINED
        return central(after.value - before.value, draws, confidence)

    def overall(name: str) -> Interval:
        return interval(getattr(reference, name), getattr(this, name), second[name] - first[name])

    def by_class(name: str) -> dict[str, Interval]:
        before, after = getattr(reference, name), getattr(this, name)
        draws = dict(zip(tested, (second[name] - first[name]).T, strict=True))
        return {
            class_: interval(before[class_], after[class_], draws[class_])
            if class_ in draws
            else UNDEFINED
            for class_ in reference.recall
        }

    return MetricIntervals(
        accuracy=overall("accuracy"),
        balanced_accuracy=overall("balanced_accuracy"),
        macro_f1=overall("macro_f1"),
        worst_class_recall=overall("worst_class_recall"),
        recall=by_class("recall"),
        precision=by_class("precision"),
        f1=by_class("f1"),
    )
