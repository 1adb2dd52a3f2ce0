"""The verdict on one run, in one sentence."""

from collections.abc import Mapping

from scipy.stats import binomtest

from ballast.core.counts import Counts
from ballast.scores.intervals import Interval, MetricIntervals
from ballast.scores.predictions import Predictions
from ballast.scores.sentences import percent_range, typeset
from ballast.scores.significance import SIGNIFICANCE


def verdict(predictions: Predictions, counts: Counts, metrics: MetricIntervals) -> str:
    """Summarise the accuracy of a run and its weakest class.

    The run is compared with a classifier that always predicts the class with the most training
    photographs, by McNemar's exact test on the same test photographs (McNemar 1947, binomial form).

    Args:
        predictions: predictions for at least one test photograph.
        counts: photographs per class and subset.
        metrics: metrics of these predictions.

    Returns:
        One sentence, with 95 % intervals in brackets.
    """
    largest = max(counts, key=lambda name: (counts[name]["train"], name))
    pairs = list(zip(predictions.true, predictions.predicted, strict=True))
    only_run = sum(true == guess != largest for true, guess in pairs)
    only_constant = sum(true == largest != guess for true, guess in pairs)
    constant = sum(true == largest for true in predictions.true) / len(pairs)
    range_ = percent_range(metrics.accuracy)
    sentence = (
        f"{metrics.accuracy.value:.0%} of the {len(pairs)} test photographs are classified"
        f" correctly (95% interval {range_}), {_against(only_run, only_constant)} the"
        f" {constant:.0%} of always predicting {largest} (McNemar's test,"
        f" {SIGNIFICANCE:.0%} level); {_weakest(metrics.recall)}."
    )
    return typeset(sentence)


def _against(only_run: int, only_constant: int) -> str:
    differing = only_run + only_constant
    if not differing or binomtest(only_run, differing).pvalue > SIGNIFICANCE:
        return "not significantly different from"
    return "significantly more than" if only_run > only_constant else "significantly less than"


def _weakest(recalls: Mapping[str, Interval]) -> str:
    tested = {name: recall.value for name, recall in recalls.items() if recall.value is not None}
    worst = min(tested.values())
    names = [name for name, value in tested.items() if value == worst]
    if len(names) == 1:
        range_ = percent_range(recalls[names[0]])
        return f"the weakest class is {names[0]}, with a recall of {worst:.0%} ({range_})"
    if len(names) == len(tested):
        return f"every class has a recall of {worst:.0%}"
    return f"the weakest classes, each with a recall of {worst:.0%}, are {', '.join(names)}"
