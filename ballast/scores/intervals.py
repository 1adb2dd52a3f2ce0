"""95 % intervals of the metrics, for the sampling of test photographs.

The bootstrap is stratified: it resamples the photographs of each class and keeps their number,
because test sets are split or collected class by class. The intervals do not cover the variation
between trainings.
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
LARGEST = 2e7  # cells in all draws together; more than 45 classes get fewer draws
# Pseudo-count added to the correct and to the misclassified photographs of a class: the neutral
# prior of Kerman (2011, Electronic Journal of Statistics 5, 1450-1470). Without it, the interval of
# a class of 10 photographs, all correct, has no width: with 10 photographs per class and recalls of
# 0.96, coverage of the balanced accuracy was 0.69; with 1/3 it was 0.94, with Jeffreys' 1/2 0.89.
PRIOR = 1 / 3


class Interval(NamedTuple):
    """A metric and the bounds of its 95 % interval."""

    value: float | None  # None, like the bounds, if the metric is undefined
    low: float | None
    high: float | None


class MetricIntervals(NamedTuple):
    """The metrics of one run, or their differences between two runs, each with its interval."""

    accuracy: Interval
    balanced_accuracy: Interval
    macro_f1: Interval
    worst_class_recall: Interval
    recall: dict[str, Interval]  # by class name, like the next two
    precision: dict[str, Interval]
    f1: dict[str, Interval]


class Drawn(NamedTuple):
    """Counts from d draws of the test photographs, over k tested classes; not whole numbers."""

    photos: NDArray[np.float64]  # (k,), equal in every draw
    right: NDArray[np.float64]  # (d, k)
    predicted: NDArray[np.float64]  # (d, k)


UNDEFINED = Interval(None, None, None)


def metric_intervals(predictions: Predictions, seed: int, draws: int = DRAWS) -> MetricIntervals:
    """Compute the metrics of metrics.json with their intervals.

    Accuracy, recall and precision have Wilson's interval for a proportion. It is correct for a
    random sample of photographs. For a fixed number of photographs per class it is conservative for
    the accuracy if recalls differ much, and for a low precision (docs/comparing.md).

    The other metrics are bootstrapped. Photographs of a class differ only in their predicted class,
    so resampling them means drawing from a multinomial of the counts. Each draw here uses the
    shares of a Dirichlet instead (the Bayesian bootstrap, Rubin 1981), with PRIOR added.
    worst_class_recall is derived from the intervals of the classes; see worst_recall.

    Args:
        predictions: at least one photograph.
        seed: seed of the draws, 0 or more.
        draws: number of bootstrap draws.

    Returns:
        The interval of each metric; all None for a class without test photographs.
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
    """Confusion matrix, shape (k, k): rows are true classes, columns predicted ones, in order."""
    index = {name: i for i, name in enumerate(predictions.classes)}
    matrix = np.zeros((len(index), len(index)), np.int64)
    true = [index[name] for name in predictions.true]
    np.add.at(matrix, (true, predictions.probabilities.argmax(axis=1)), 1)
    return matrix


def proportion(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's interval for a proportion (1927).

    Without trials, the value is 0, as in metrics.json, and the bounds are 0 and 1.
    """
    if not trials:
        return Interval(0.0, 0.0, 1.0)
    found = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(found.low), float(found.high))


def worst_recall(right: Sequence[int], photos: Sequence[int]) -> Interval:
    """Interval of the lowest recall, from Wilson's interval of each class.

    The bootstrap is biased for classes with similar recalls: the minimum over noisy recalls lies
    below the minimum of the true ones (measured coverage: 0.34 to 0.84). The lowest recall is at
    least the smallest lower bound, and at most each class's upper bound. Any of the m classes that
    may have the lowest recall can make this upper bound too low, so each upper bound has an error
    rate of 0.05 / m, and at most 0.025 (Bonferroni).

    Args:
        right: correctly classified photographs by class.
        photos: test photographs by class, each 1 or more.
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
    """Resample the test photographs of one set of predictions.

    Args:
        matrix: confusion matrix, shape (k, k): rows are true classes.
        generator: random generator.
        draws: maximum number of draws.
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
    """Draw the number of a class's photographs in each cell.

    Args:
        counts: photographs per cell, shape (m,).
        prior: pseudo-counts, shape (m,); a cell in which both are 0 stays empty.
        generator: random generator.
        draws: number of draws.

    Returns:
        Counts, shape (draws, m); each row sums to the number of photographs.
    """
    filled = np.flatnonzero(counts + prior)
    drawn = np.zeros((draws, len(counts)))
    drawn[:, filled] = generator.dirichlet((counts + prior)[filled], draws) * counts.sum()
    return drawn


def figures(drawn: Drawn) -> dict[str, NDArray[np.float64]]:
    """Compute the metrics of each draw.

    Returns:
        accuracy, balanced_accuracy, macro_f1 and worst_class_recall, each of shape (d,); recall,
        precision (0 for a class that is never predicted) and f1, each of shape (d, k).
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
    """The central interval of the draws, widened to include the value if that lies outside."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(value, float(min(low, value)), float(max(high, value)))


def unpacked(intervals: MetricIntervals) -> Iterator[tuple[str, str, Interval]]:
    """Yield metric name, class name ("" for overall metrics) and interval, metric by metric."""
    for name, found in intervals._asdict().items():
        for class_, interval in found.items() if isinstance(found, dict) else [("", found)]:
            yield name, class_, interval


def interval_text(interval: Interval, digits: int = 3, sign: str = "") -> str:
    """Format an interval as "0.750 (0.600 to 0.860)", or as a dash if it is undefined.

    Args:
        interval: the metric with its bounds.
        digits: digits after the decimal point.
        sign: "+" to show the sign of positive numbers.
    """
    if interval.value is None:
        return "-"
    value, low, high = (f"{number:{sign}.{digits}f}" for number in interval)
    return f"{value} ({low} to {high})"
