"""What one run's figures say, in one sentence."""

from collections.abc import Mapping
from typing import Any

from scipy.stats import binomtest

from ballast.core.counts import Counts
from ballast.scores.predictions import Predictions

CHANCE = 0.05  # a difference that chance alone makes more often than so is none


def verdict(predictions: Predictions, counts: Counts, metrics: Mapping[str, Any]) -> str:
    """Say how good a run is, and at which class it is worst.

    Its accuracy is held against always answering the class with most training photographs, by
    McNemar's exact test on the same test photographs (McNemar 1947; the binomial form).

    Args:
        predictions: of the test photographs, one or more.
        counts: of the photographs.
        metrics: of metric_intervals, each {"value", "low", "high"}.

    Returns:
        One sentence; what stands in brackets are 95 % intervals.
    """
    largest = max(counts, key=lambda name: (counts[name]["train"], name))
    pairs = list(zip(predictions.true, predictions.predicted, strict=True))
    only_run = sum(true == guess != largest for true, guess in pairs)
    only_constant = sum(true == largest != guess for true, guess in pairs)
    constant = sum(true == largest for true in predictions.true) / len(pairs)
    sentence = (
        f"{metrics['accuracy']['value']:.0%} of the {len(pairs)} test photographs are recognised"
        f" ({_range(metrics['accuracy'])}), {_against(only_run, only_constant)} the {constant:.0%}"
        f" of always answering {largest}; {_weakest(metrics['recall'])}."
    )
    return sentence.replace("%", "\N{NO-BREAK SPACE}%")


def _against(only_run: int, only_constant: int) -> str:
    differing = only_run + only_constant
    if not differing or binomtest(only_run, differing).pvalue > CHANCE:
        return "which so few cannot tell from"
    return "more than" if only_run > only_constant else "less than"


def _weakest(recalls: Mapping[str, Any]) -> str:
    tested = {name: recall for name, recall in recalls.items() if recall["value"] is not None}
    worst = min(recall["value"] for recall in tested.values())
    names = [name for name, recall in tested.items() if recall["value"] == worst]
    if len(names) == 1:
        return f"the weakest class is {names[0]} with {worst:.0%} ({_range(tested[names[0]])})"
    if len(names) == len(tested):
        return f"every class alike with {worst:.0%}"
    return f"the weakest classes are {', '.join(names)} with {worst:.0%} each"


def _range(figure: Mapping[str, Any]) -> str:
    return f"{100 * figure['low']:.0f} to {figure['high']:.0%}"
