"""What one run's figures say, in one sentence."""

from collections.abc import Mapping

from scipy.stats import binomtest

from ballast.core.counts import Counts
from ballast.scores.intervals import Interval, MetricIntervals
from ballast.scores.predictions import Predictions
from ballast.scores.sentences import percent_range, typeset
from ballast.scores.significance import SIGNIFICANCE


def verdict(predictions: Predictions, counts: Counts, metrics: MetricIntervals) -> str:
    """Say how good a run is, and at which class it is worst.

    Its accuracy is held against always answering the class with most training photographs, by
    McNemar's exact test on the same test photographs (McNemar 1947; the binomial form).

    Args:
        predictions: of the test photographs, one or more.
        counts: of the photographs.
        metrics: of the same predictions.

    Returns:
        One sentence; what stands in brackets are 95 % intervals.
    """
    largest = max(counts, key=lambda name: (counts[name]["train"], name))
    pairs = list(zip(predictions.true, predictions.predicted, strict=True))
    only_run = sum(true == guess != largest for true, guess in pairs)
    only_constant = sum(true == largest != guess for true, guess in pairs)
    constant = sum(true == largest for true in predictions.true) / len(pairs)
    range_ = percent_range(metrics.accuracy)
    sentence = (
        f"{metrics.accuracy.value:.0%} of the {len(pairs)} test photographs are recognised"
        f" ({range_}), {_against(only_run, only_constant)} the {constant:.0%}"
        f" of always answering {largest}; {_weakest(metrics.recall)}."
    )
    return typeset(sentence)


def _against(only_run: int, only_constant: int) -> str:
    differing = only_run + only_constant
    if not differing or binomtest(only_run, differing).pvalue > SIGNIFICANCE:
        return "which so few cannot tell from"
    return "more than" if only_run > only_constant else "less than"


def _weakest(recalls: Mapping[str, Interval]) -> str:
    tested = {name: recall.value for name, recall in recalls.items() if recall.value is not None}
    worst = min(tested.values())
    names = [name for name, value in tested.items() if value == worst]
    if len(names) == 1:
        range_ = percent_range(recalls[names[0]])
        return f"the weakest class is {names[0]} with {worst:.0%} ({range_})"
    if len(names) == len(tested):
        return f"every class alike with {worst:.0%}"
    return f"the weakest classes are {', '.join(names)} with {worst:.0%} each"
