"""Intervals of one strategy's metrics, for its photographs, their groups and its trainings.

Every metric is a proportion, or a mean of proportions: F1 is 2 J / (1 + J) of the Jaccard index J,
the share of correct ones among the photographs that belong to a class or are assigned to it (Lam,
Gopal and Qian 2023, arXiv:2309.14621). Its interval is that of a proportion of so many independent
photographs (effective.py). How often the intervals hold the truth: `python -m benchmarks.coverage`.

Several trainings count by their mean confusion matrix. With a single one, the intervals are those
of this model; with several, those of the strategy.
"""

from typing import NamedTuple

import numpy as np

from ballast.scores.effective import (
    Indices,
    averaging,
    effective_trials,
    group_sums,
    intraclass_correlation,
    member_correlation,
    quotient,
    training_half_width,
    training_variance,
    variance_of_sum,
)
from ballast.scores.intervals import UNDEFINED, Interval, MetricIntervals
from ballast.scores.judged import Judged
from ballast.scores.proportions import CONFIDENCE, Array, Bounds, clopper_pearson, mover, wilson

# Photographs with the pooled recall that are added to each class where the variance of the balanced
# accuracy is estimated; otherwise a class of one photograph would have none.
PSEUDO = 2.0
# Wrong groups that the prior of the macro F1's correlation weighs; see _macro_f1.
PRIOR_GROUPS = 5.0


class Estimate(NamedTuple):
    """Values with the bounds of their intervals, each of shape (...), or (..., k) by class."""

    value: Array
    low: Array
    high: Array


class Tally(NamedTuple):
    """Counts over n photographs of k tested classes, the mean of s trainings if without (s,)."""

    trainings: int
    photographs: Array  # (k,)
    belongs: Array  # (k, n), 1 if the photograph is of the class
    right: Array  # (..., n), the share of trainings that classify it correctly
    assigned: Array  # (..., k, n), the share of trainings that assign it to the class
    hits: Array  # (..., s, k), photographs classified correctly
    assignments: Array  # (..., s, k), photographs assigned to the class


def strategy_intervals(judged: Judged, confidence: float = CONFIDENCE) -> MetricIntervals:
    """Compute the metrics of a strategy with their intervals.

    Args:
        judged: at least one photograph.
        confidence: confidence level of each interval.

    Returns:
        The interval of each metric; all None for a class without test photographs. The values are
        those of the confusion matrix's mean over the trainings; worst_class_recall is the lowest of
        the mean recalls.
    """
    found = estimate(judged.predicted, judged.true, judged.groups, confidence)
    return metric_intervals_of(found, judged.classes, judged.true)


def metric_intervals_of(
    found: dict[str, Estimate], classes: list[str], true: Indices
) -> MetricIntervals:
    """Bring estimates into the form of the files."""
    places = {classes[class_]: place for place, class_ in enumerate(np.unique(true).tolist())}

    def by_class(name: str) -> dict[str, Interval]:
        return {
            class_: Interval(*(float(part[places[class_]]) for part in found[name]))
            if class_ in places
            else UNDEFINED
            for class_ in classes
        }

    def overall(name: str) -> Interval:
        return Interval(*(float(part) for part in found[name]))

    return MetricIntervals(
        accuracy=overall("accuracy"),
        balanced_accuracy=overall("balanced_accuracy"),
        macro_f1=overall("macro_f1"),
        worst_class_recall=overall("worst_class_recall"),
        recall=by_class("recall"),
        precision=by_class("precision"),
        f1=by_class("f1"),
    )


def estimate(
    predicted: Indices, true: Indices, groups: Indices, confidence: float = CONFIDENCE
) -> dict[str, Estimate]:
    """Compute the metrics of strategy_intervals for one or more test sets of equal classes.

    Args:
        predicted: predicted classes, shape (..., s, n): s trainings, n photographs.
        true: true classes, shape (n,).
        groups: group of each photograph, shape (n,).
        confidence: confidence level of each interval.

    Returns:
        By the names of MetricIntervals' fields; classes in the order of their numbers.
    """
    tally = count(predicted, true)
    tail, s = (1 - confidence) / 2, tally.trainings
    averaged = averaging(tally.right, true, s)[..., None]
    alike = intraclass_correlation(tally.right, true, groups)

    def effective(share: Array, photographs: Array, by_training: Array) -> Array:
        spread = training_variance(by_training)
        return effective_trials(share * (1 - share), photographs, spread, s, confidence)

    def exact(share: Array, trials: Array) -> Estimate:
        """Clopper-Pearson at an effective number (Korn and Graubard 1998); nothing from nothing."""
        low, high = clopper_pearson(share, np.maximum(trials, 1e-9), tail, tail)
        return Estimate(share, low, np.where(trials > 0, high, 1.0))

    def share_of(members: Array, by_training: Array) -> tuple[Estimate, Array]:
        """The share of members classified correctly, and the effective number of members."""
        correct, all_ = tally.hits.mean(axis=-2), members.sum(axis=-1)
        share = quotient(correct, all_)
        residuals = tally.right[..., None, :] * tally.belongs - share[..., None] * members
        correlation = member_correlation(residuals, members, groups)
        variance = averaged * variance_of_sum(np.sqrt(members), groups, correlation)
        photographs = quotient(all_**2, variance)
        by_class = np.moveaxis(by_training, -2, -1)
        return exact(share, effective(share, photographs, by_class)), photographs

    # The accuracy depends on the classes' shares, too: groups are compared with the mean of all.
    of_all = intraclass_correlation(tally.right, np.zeros_like(true), groups)
    variance = averaged[..., 0] * variance_of_sum(np.ones(len(true)), groups, of_all)
    accuracy, accuracies = tally.right.mean(axis=-1), tally.hits.sum(axis=-1) / len(true)
    trials = effective(accuracy, len(true) ** 2 / variance, accuracies)

    recalls = tally.hits / tally.photographs
    variance = averaged * variance_of_sum(tally.belongs, groups, alike[..., None])
    photographs = tally.photographs**2 / variance
    by_class = np.moveaxis(recalls, -2, -1)
    tried = effective(recalls.mean(axis=-2), photographs, by_class)
    recall = exact(recalls.mean(axis=-2), tried)

    balanced = _balanced(tally, true, groups, photographs, averaged[..., 0], alike, confidence)
    union = np.maximum(tally.assigned, tally.belongs)
    jaccards = tally.hits / (tally.assignments + tally.photographs - tally.hits)
    jaccard, members = share_of(union, jaccards)
    f1 = Estimate(*map(f1_of_jaccard, jaccard))
    bounds = clopper_pearson(jaccard.value, members, tail, tail)
    macro = _macro_f1(tally, f1.value, Bounds(*map(f1_of_jaccard, bounds)), groups)
    half = training_half_width(f1_of_jaccard(jaccards).mean(axis=-1), confidence)
    return {
        "accuracy": Estimate(accuracy, *wilson(accuracy, trials, confidence)),
        "balanced_accuracy": balanced,
        "macro_f1": widened(macro, half),
        "worst_class_recall": _worst(recall, tried, tail),
        "recall": recall,
        "precision": share_of(tally.assigned, quotient(tally.hits, tally.assignments))[0],
        "f1": f1,
    }


def count(predicted: Indices, true: Indices) -> Tally:
    """Count what the metrics need; arguments as in `estimate`."""
    tested = np.unique(true)
    belongs = true == tested[:, None]
    assigned = predicted[..., None, :] == tested[:, None]
    return Tally(
        trainings=predicted.shape[-2],
        photographs=belongs.sum(axis=-1).astype(float),
        belongs=belongs.astype(float),
        right=(predicted == true).mean(axis=-2),
        assigned=assigned.mean(axis=-3),
        hits=(assigned & belongs).sum(axis=-1).astype(float),
        assignments=assigned.sum(axis=-1).astype(float),
    )


def f1_of_jaccard(jaccard: Array) -> Array:
    """F1 from the Jaccard index."""
    return 2 * jaccard / (1 + jaccard)


def widened(estimate: Estimate, half_width: Array) -> Estimate:
    """Add the half-width of the trainings' part; it stays between 0 and 1."""
    value, low, high = estimate
    return Estimate(
        value,
        np.maximum(value - np.hypot(value - low, half_width), 0),
        np.minimum(value + np.hypot(high - value, half_width), 1),
    )


def _worst(recall: Estimate, trials: Array, tail: float) -> Estimate:
    """Interval of the lowest recall.

    It is at least the smallest lower bound, and at most each class's upper bound. Any of the m
    classes that may have the lowest recall can make this upper bound too low, so each upper bound
    has an error rate of 2 tail / m, and at most `tail` (Bonferroni).
    """
    highest = recall.high.min(axis=-1)
    contenders = (recall.low <= highest[..., None]).sum(axis=-1)
    corrected = np.minimum(tail, 2 * tail / contenders)[..., None]
    high = clopper_pearson(recall.value, trials, tail, corrected).high
    return Estimate(recall.value.min(axis=-1), recall.low.min(axis=-1), high.min(axis=-1))


def _balanced(
    tally: Tally,
    true: Indices,
    groups: Indices,
    photographs: Array,
    averaged: Array,
    alike: Array,
    confidence: float,
) -> Estimate:
    """Interval of the balanced accuracy: the hull of two.

    MOVER over the classes' Clopper-Pearson intervals fails where all recalls are near 1 (0.91 for
    three classes of 10 at 0.98), since a class without errors leaves no room above. Wilson's
    interval, with the variance of recalls that are shrunk to the pooled one, fails where a tiny
    class has a lower recall (0.89 for 5, 20 and 35 photographs at 0.6, 0.8 and 0.9).
    """
    tail, k = (1 - confidence) / 2, len(tally.photographs)
    recalls = tally.hits / tally.photographs
    recall = recalls.mean(axis=-2)
    by_class = clopper_pearson(recall, photographs, tail, tail)
    summed = mover(recall, by_class, np.full(k, 1 / k))
    pooled = (tally.right.sum(axis=-1) + 1) / (len(true) + 2)
    shrunk = tally.photographs * recall + PSEUDO * pooled[..., None]
    shrunk = shrunk / (tally.photographs + PSEUDO)
    deviations = np.sqrt(shrunk * (1 - shrunk)) / tally.photographs / k
    deviations = deviations[..., np.searchsorted(np.unique(true), true)]
    variance = averaged * variance_of_sum(deviations, groups, alike)
    middle, value = shrunk.mean(axis=-1), recall.mean(axis=-1)
    score = wilson(value, middle * (1 - middle) / variance, confidence)
    hull = np.minimum(summed.low, score.low), np.maximum(summed.high, score.high)
    return widened(Estimate(value, *hull), training_half_width(recalls.mean(axis=-1), confidence))


def _macro_f1(tally: Tally, f1: Array, bounds: Bounds, groups: Indices) -> Estimate:
    """Interval of the macro F1, for the photographs: MOVER over the classes' intervals.

    A misclassified photograph lowers the F1 of two classes, so these are correlated. The squared
    half-width is multiplied by the variance of the mean over that of independent F1 (from each
    photograph's influence, alone or with its group, whichever is more). That ratio lies between 1
    and k; as it is uncertain, it is averaged with 3, which weighs as much as PRIOR_GROUPS groups.
    """
    k = len(tally.photographs)
    influence = f1_influence(tally, f1)
    ratios = [
        quotient((of.sum(axis=-2) ** 2).sum(axis=-1), (of**2).sum(axis=(-2, -1)), k)
        for of in (influence, group_sums(influence, groups))
    ]
    wrong = (group_sums((tally.right < 1).astype(float), groups) > 0).sum(axis=-1)
    ratio = wrong * np.clip(np.maximum(*ratios), 1, k) + PRIOR_GROUPS * min(k, 3)
    scale = np.sqrt(ratio / (wrong + PRIOR_GROUPS))
    value, summed = f1.mean(axis=-1), mover(f1, bounds, np.full(k, 1 / k))
    return Estimate(
        value,
        np.maximum(value - scale * (value - summed.low), 0),
        np.minimum(value + scale * (summed.high - value), 1),
    )


def f1_influence(tally: Tally, f1: Array) -> Array:
    """Influence of each photograph on the F1 of each class, shape (..., k, n)."""
    marks = 2 * tally.belongs * tally.right[..., None, :]
    sizes = tally.assignments.mean(axis=-2) + tally.photographs
    return np.asarray((marks - f1[..., None] * (tally.assigned + tally.belongs)) / sizes[..., None])
