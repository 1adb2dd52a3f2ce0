"""Intervals of metrics, and how they are written."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ballast.scores.proportions import CONFIDENCE, wilson
from ballast.scores.shares import rounded

CLASS_METRICS = ("recall", "precision", "f1")


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


UNDEFINED = Interval(None, None, None)


def proportion(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's interval for a proportion (1927).

    Without trials, the value is 0, as in metrics.json, and the bounds are 0 and 1.
    """
    if not trials:
        return Interval(0.0, 0.0, 1.0)
    found = wilson(successes / trials, trials, confidence)
    return Interval(successes / trials, float(found.low), float(found.high))


def unpacked(intervals: MetricIntervals) -> Iterator[tuple[str, str, Interval]]:
    """Yield metric name, class name ("" for overall metrics) and interval, metric by metric."""
    for name, found in intervals._asdict().items():
        for class_, interval in found.items() if isinstance(found, dict) else [("", found)]:
            yield name, class_, interval


def values_of(intervals: MetricIntervals) -> dict[str, Any]:
    """The values alone: of overall metrics, and by class name those of each class."""
    return {
        name: {class_: interval.value for class_, interval in found.items()}
        if isinstance(found, dict)
        else found.value
        for name, found in intervals._asdict().items()
    }


def interval_text(interval: Interval, digits: int = 3, sign: str = "") -> str:
    """Format an interval as "0.750 (0.600 to 0.860)", or as a dash if it is undefined.

    Args:
        interval: the metric with its bounds.
        digits: digits after the decimal point.
        sign: "+" to show the sign of positive numbers.
    """
    if interval.value is None:
        return "-"
    value, low, high = (
        f"{rounded(number, digits):{sign}f}" for number in interval if number is not None
    )
    return f"{value} ({low} to {high})"
