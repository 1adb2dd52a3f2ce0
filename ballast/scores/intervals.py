"""How sure one can be of a figure: 95 % intervals, from the test photographs alone.

What a bootstrap draws anew is the photographs of each class, whose number stays: a test set is
split, or put together, class by class. Nothing is said of what another training would have given.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ballast.scores.predictions import Predictions

CONFIDENCE = 0.95
CLASS_METRICS = ("recall", "precision", "f1")
DRAWS = 10_000
LARGEST = 2e7  # cells in all draws together: more than 45 classes get fewer draws
# Photographs added to the right and to the wrong ones of a class before each draw: the neutral
# prior of Kerman (2011, Electronic Journal of Statistics 5, 1450-1470). Without it a class of 10
# of which all are right has no width at all: with 10 photographs a class and recalls of 0.96, the
# balanced accuracy was held in 0.69 of cases; with 1/3 in 0.94, with Jeffreys' 1/2 in 0.89.
PRIOR = 1 / 3


class Interval(NamedTuple):
    """A figure, and the bounds between which the truth is with a confidence of 95 %."""

    value: float | None  # None, as its bounds, where it is not defined
    low: float | None
    high: float | None


class MetricIntervals(NamedTuple):
    """The metrics of one run, or their differences between two, each with its interval."""

    accuracy: Interval
    balanced_accuracy: Interval
    macro_f1: Interval
    worst_class_recall: Interval
    recall: dict[str, Interval]  # by class name, as the next two
    precision: dict[str, Interval]
    f1: dict[str, Interval]


class Drawn(NamedTuple):
    """Counts of d draws of the test photographs over k tested classes; no whole numbers."""

    photos: NDArray[np.float64]  # (k,), the same in every draw
    right: NDArray[np.float64]  # (d, k)
    predicted: NDArray[np.float64]  # (d, k)


UNDEFINED = Interval(None, None, None)


def metric_intervals(predictions: Predictions, seed: int, draws: int = DRAWS) -> MetricIntervals:
    """Give the metrics of metrics.json their intervals.

    Accuracy, recall and precision have Wilson's interval of a proportion. It is right where the
    photographs are a random sample; where the number of each class is fixed, it is wider than need
    be for the accuracy where recalls differ much, and for a low precision (docs/comparing.md).
    The others are bootstrapped. Photographs of a class differ in what they were taken for alone,
    so drawing them with replacement is drawing from a multinomial of their counts; here each
    draw gives the shares of a Dirichlet instead (the Bayesian bootstrap, Rubin 1981), to which
    PRIOR is added. worst_class_recall has no interval of its own kind; see worst_recall.

    Args:
        predictions: one photograph or more.
        seed: of the draws, 0 or more.
        draws: of the bootstrap.

    Returns:
        The interval of each metric; a class without test photographs has None in each.
    """
    matrix = confusion_counts(predictions)
    tested = np.flatnonzero(matrix.sum(axis=1))
    photos, right, predicted = (
        array[tested] for array in (matrix.sum(axis=1), matrix.diagonal(), matrix.sum(axis=0))
    )
    drawn = figures(draw_arm(matrix, np.random.default_rng(seed), draws))
    counts = (photos, right[None], predicted[None])
    observed = figures(Drawn(*(array.astype(float) for array in counts)))

    def by_class(intervals: Iterable[Interval]) -> dict[str, Interval]:
        found = dict(zip(tested.tolist(), intervals, strict=True))
        return {name: found.get(i, UNDEFINED) for i, name in enumerate(predictions.classes)}

    def overall(name: str) -> Interval:
        return central(float(observed[name][0]), drawn[name])

    return MetricIntervals(
        accuracy=proportion(int(right.sum()), int(photos.sum())),
        balanced_accuracy=overall("balanced_accuracy"),
        macro_f1=overall("macro_f1"),
        worst_class_recall=worst_recall(right.tolist(), photos.tolist()),
        recall=by_class(map(proportion, right.tolist(), photos.tolist())),
        precision=by_class(map(proportion, right.tolist(), predicted.tolist())),
        f1=by_class(map(central, observed["f1"][0].tolist(), drawn["f1"].T)),
    )


def confusion_counts(predictions: Predictions) -> NDArray[np.int64]:
    """Test photographs by true and predicted class, shape (k, k), in the order of the classes."""
    index = {name: i for i, name in enumerate(predictions.classes)}
    matrix = np.zeros((len(index), len(index)), np.int64)
    true = [index[name] for name in predictions.true]
    np.add.at(matrix, (true, predictions.probabilities.argmax(axis=1)), 1)
    return matrix


def proportion(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's interval of a proportion (1927).

    Of no trial nothing is known: the value is 0, as in metrics.json, the bounds 0 and 1.
    """
    if not trials:
        return Interval(0.0, 0.0, 1.0)
    found = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(found.low), float(found.high))


def worst_recall(right: Sequence[int], photos: Sequence[int]) -> Interval:
    """Interval of the lowest recall, from Wilson's of each class.

    A bootstrap would be wrong where classes are alike: the lowest of many draws is lower than the
    lowest truth (measured: it held the truth in 0.34 to 0.84 of cases). The lowest recall is at
    least the lowest of the lower bounds, and at most every class's upper bound. Each of the m
    classes that may be the lowest can put that upper bound too low, so it errs in 0.05 / m of
    cases, 0.025 at most (Bonferroni).

    Args:
        right: photographs that were recognised, by class.
        photos: by class, each 1 or more.
    """
    bounds = [proportion(*counts) for counts in zip(right, photos, strict=True)]
    low, high = (min(getattr(bound, side) for bound in bounds) for side in ("low", "high"))
    contenders = sum(bound.low is not None and bound.low <= high for bound in bounds)
    tail = min((1 - CONFIDENCE) / 2, (1 - CONFIDENCE) / contenders)
    highs = [proportion(*counts, 1 - 2 * tail).high for counts in zip(right, photos, strict=True)]
    return Interval(
        min(r / n for r, n in zip(right, photos, strict=True)),
        low,
        min(high for high in highs if high is not None),
    )


def draw_arm(matrix: NDArray[np.int64], generator: np.random.Generator, draws: int) -> Drawn:
    """Draw the test photographs of one set of predictions.

    Args:
        matrix: photographs by true and predicted class, shape (k, k).
        generator: of the draws.
        draws: how many, at most.
    """
    k = len(matrix)
    draws = int(min(draws, LARGEST // k**2))
    tested = np.flatnonzero(matrix.sum(axis=1))
    right, predicted = np.zeros((draws, k)), np.zeros((draws, k))
    for true in tested:
        prior = np.full(k, PRIOR / max(k - 1, 1))
        prior[true] = PRIOR
        counts = draw_counts(matrix[true], prior, generator, draws)
        right[:, true] = counts[:, true]
        predicted += counts
    return Drawn(matrix.sum(axis=1)[tested].astype(float), right[:, tested], predicted[:, tested])


def draw_counts(
    counts: NDArray[np.int64],
    prior: NDArray[np.float64],
    generator: np.random.Generator,
    draws: int,
) -> NDArray[np.float64]:
    """Draw how many of a class's photographs go into each cell.

    Args:
        counts: photographs by cell, shape (m,).
        prior: added to them, shape (m,); a cell where both are 0 stays empty.
        generator: of the draws.
        draws: how many.

    Returns:
        Shape (draws, m); each row sums to the photographs.
    """
    filled = np.flatnonzero(counts + prior)
    drawn = np.zeros((draws, len(counts)))
    drawn[:, filled] = generator.dirichlet((counts + prior)[filled], draws) * counts.sum()
    return drawn


def figures(drawn: Drawn) -> dict[str, NDArray[np.float64]]:
    """The metrics of each draw.

    Returns:
        accuracy, balanced_accuracy, macro_f1 and worst_class_recall, each of shape (d,); recall,
        precision (0 where nothing was predicted) and f1, each of shape (d, k).
    """
    photos, right, predicted = drawn
    recall = right / photos
    precision = np.divide(right, predicted, out=np.zeros_like(right), where=predicted > 0)
    f1 = 2 * right / (photos + predicted)
    return {
        "accuracy": right.sum(axis=1) / photos.sum(),
        "balanced_accuracy": recall.mean(axis=1),
        "macro_f1": f1.mean(axis=1),
        "worst_class_recall": recall.min(axis=1),
        "recall": recall,
        "precision": precision,
        "f1": f1,
    }


def central(value: float, draws: NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval:
    """The central 95 % of draws of a figure, widened to its value where that lies outside."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(value, float(min(low, value)), float(max(high, value)))


def unpacked(intervals: MetricIntervals) -> Iterator[tuple[str, str, Interval]]:
    """Name of each metric, class name (or nothing) and interval, metric by metric."""
    for name, found in intervals._asdict().items():
        for class_, interval in found.items() if isinstance(found, dict) else [("", found)]:
            yield name, class_, interval


def interval_text(interval: Interval, digits: int = 3, sign: str = "") -> str:
    """An interval as 0.750 (0.600 to 0.860); a dash where it is not defined.

    Args:
        interval: of a figure.
        digits: after the point.
        sign: "+" to write the sign of positive numbers.
    """
    if interval.value is None:
        return "-"
    value, low, high = (f"{number:{sign}.{digits}f}" for number in interval)
    return f"{value} ({low} to {high})"
