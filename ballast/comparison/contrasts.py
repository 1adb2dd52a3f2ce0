"""Two strategies on the same photographs: their differences, and what may be said of these.

Interval, p value and decision come from one method: Tango's score interval (1998) of the
photographs that only one strategy classifies correctly, at the effective number of photographs and
trainings (effective.py). It excludes 0 exactly if McNemar's test rejects at the same level.
"""

import math
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit
from scipy.stats import nbinom, norm

from ballast.scores.effective import (
    CAUTION,
    Indices,
    effective_trials,
    intraclass_correlation,
    quotient,
    training_variance,
    variance_of_sum,
)
from ballast.scores.estimates import (
    PSEUDO,
    Estimate,
    count,
    estimate,
    f1_influence,
    metric_intervals_of,
)
from ballast.scores.intervals import Interval, MetricIntervals
from ballast.scores.judged import Judged
from ballast.scores.proportions import CONFIDENCE, Array, Bounds, mover, tango

SIGNIFICANCE = 0.05  # level of all tests
# With fewer discordant photographs, McNemar's exact test can never be significant at 5 %.
FEWEST_DISCORDANT = 6
POWER = 0.8
TEN_POINTS = 0.1
# Of photographs_needed for ten points: 15 % of the photographs speak for one, 5 % for the other.
USUAL_DISCORDANCE = 0.2


class Decision(str, Enum):
    """What may be said of a difference."""

    SIGNIFICANT = "significant"  # corrected for all differences looked at
    HINT = "hint"  # its own interval excludes 0, but as one of several, or of too few photographs
    NONE = "none"


class Contrast(NamedTuple):
    """The difference of one metric, the strategy minus the reference."""

    interval: Interval  # 95 %
    corrected: Interval  # at the level 1 - 0.05 / (differences looked at)
    p_value: float  # of the test that `interval` inverts
    p_value_corrected: float  # times the differences looked at, at most 1 (Bonferroni)
    discordant: float  # photographs that only one classifies correctly, as independent ones
    decision: Decision


class Contrasts(NamedTuple):
    """How a strategy differs from the reference."""

    accuracy: Contrast
    balanced_accuracy: Contrast
    recall: Mapping[str, Contrast | None]  # by class name; None without test photographs
    photographs_needed: "Mapping[str, Needed | None]"  # by class name, like recall
    metrics: MetricIntervals  # 95 % intervals of all differences


class Needed(NamedTuple):
    """Independent photographs for a significant difference, with a power of 80 %."""

    as_seen: int | None  # for one as large as seen; None if equal, or of fewer than 6 discordant
    ten_points: int  # for a difference of 10 points, whatever was seen


class Discordance(NamedTuple):
    """Shares of photographs that one strategy alone classifies correctly, each of shape (...)."""

    only_reference: Array
    only_this: Array
    photographs: Array  # their effective number
    training: Array  # variance of the difference from the trainings; 0 with a single one
    trainings: int


def contrasts(reference: Judged, this: Judged, strategies: int = 1) -> Contrasts:
    """Compare a strategy with the reference.

    Args:
        reference: judged by the reference.
        this: judged by the strategy, for the same photographs and number of trainings.
        strategies: number of strategies compared with the reference. The overall differences are
            corrected for them, the recalls for all tested classes of all of them.

    Returns:
        The differences. Overall ones are a hint at most if a class has no test photographs.

    Raises:
        ValueError: if the photographs, the classes or the number of trainings differ.
    """
    same = np.array_equal(reference.true, this.true)
    if not same or reference.classes != this.classes:
        raise ValueError("the strategies judged different photographs")
    if reference.predicted.shape != this.predicted.shape:
        raise ValueError("the strategies have different numbers of trainings")
    pair = reference.predicted, this.predicted
    found = discordances(*pair, reference.true, reference.groups)
    tested = np.unique(reference.true).tolist()
    complete = len(tested) == len(reference.classes)
    looked_at = strategies * len(tested)
    by_class = {
        reference.classes[class_]: select(found["recall"], place)
        for place, class_ in enumerate(tested)
    }
    everything = differences(found, *pair, reference.true, reference.groups)
    return Contrasts(
        accuracy=contrast(found["accuracy"], strategies, complete),
        balanced_accuracy=contrast(found["balanced_accuracy"], strategies, complete),
        recall={
            name: contrast(by_class[name], looked_at) if name in by_class else None
            for name in reference.classes
        },
        photographs_needed={
            name: photographs_needed(by_class[name], looked_at) if name in by_class else None
            for name in reference.classes
        },
        metrics=metric_intervals_of(everything, reference.classes, reference.true),
    )


def select(of: Discordance, place: int | tuple[int, ...]) -> Discordance:
    """Take one of several comparisons."""
    b, c, photographs, training, trainings = of
    return Discordance(b[place], c[place], photographs[place], training[place], trainings)


def contrast(of: Discordance, looked_at: int, complete: bool = True) -> Contrast:
    """Decide on one difference.

    Args:
        of: scalars.
        looked_at: number of differences looked at, 1 or more.
        complete: whether the claim may be made at all, as for all classes.
    """
    own, corrected = (
        Interval(*(float(part) for part in difference(of, 1 - SIGNIFICANCE / tests)))
        for tests in (1, looked_at)
    )
    p_value, discordant = p_value_of(of), float(effective_discordant(of))
    return Contrast(
        own,
        corrected,
        p_value,
        min(1.0, looked_at * p_value),
        discordant,
        decide(own, corrected, discordant, complete),
    )


def decide(own: Interval, corrected: Interval, discordant: float, complete: bool) -> Decision:
    """Choose the words that follow from the intervals.

    Args:
        own: 95 % interval.
        corrected: interval at the corrected level, which contains it.
        discordant: effective number of discordant photographs.
        complete: whether the claim may be made at all.
    """
    if not excludes_zero(own):
        return Decision.NONE
    if complete and are_enough(discordant) and excludes_zero(corrected):
        return Decision.SIGNIFICANT
    return Decision.HINT


def are_enough(discordant: float) -> bool:
    """Whether so many discordant photographs can be significant."""
    return discordant > FEWEST_DISCORDANT - 1e-9  # a sum of shares may miss 6 by rounding


def excludes_zero(interval: Interval) -> bool:
    """Whether 0 lies outside an interval."""
    assert interval.low is not None
    assert interval.high is not None
    return interval.low > 0 or interval.high < 0


def discordances(
    reference: Indices, this: Indices, true: Indices, groups: Indices
) -> dict[str, Discordance]:
    """Compare the correct photographs of two strategies, for one or more test sets.

    The difference of the balanced accuracies is that of mean shares. Its effective number of
    photographs is that of a stratified mean: each class counts with the variance of its own share
    of discordant photographs, which is shrunk to the share in all classes.

    Args:
        reference: predicted classes, shape (..., s, n), like `this`.
        this: predictions of the other strategy.
        true: true classes, shape (n,).
        groups: group of each photograph, shape (n,).

    Returns:
        accuracy and balanced_accuracy of shape (...), and recall of shape (..., k).
    """
    first, second = reference == true, this == true
    gains = second.astype(float) - first  # (..., s, n)
    only_first, only_second = (first & ~second).mean(axis=-2), (second & ~first).mean(axis=-2)
    s, n, tested = gains.shape[-2], len(true), np.unique(true)
    belongs = (true == tested[:, None]).astype(float)
    photographs = belongs.sum(axis=-1)
    gain, discordant = gains.mean(axis=-2), (only_first + only_second).sum(axis=-1)
    # Variance of a photograph's mean gain over the trainings, relative to that of a single one.
    averaged = ((gain**2).sum(axis=-1) + CAUTION) / (discordant + CAUTION)
    alike = intraclass_correlation(gain, true, groups)
    of_all = intraclass_correlation(gain, np.zeros_like(true), groups)

    accuracy = Discordance(
        only_first.mean(axis=-1),
        only_second.mean(axis=-1),
        n**2 / (averaged * variance_of_sum(np.ones(n), groups, of_all)),
        training_variance(gains.mean(axis=-1)),
        s,
    )
    by_training = np.stack([gains[..., true == class_].mean(axis=-1) for class_ in tested], axis=-2)
    variance = averaged[..., None] * variance_of_sum(belongs, groups, alike[..., None])
    recall = Discordance(
        (only_first[..., None, :] * belongs).sum(axis=-1) / photographs,
        (only_second[..., None, :] * belongs).sum(axis=-1) / photographs,
        photographs**2 / variance,
        training_variance(by_training),
        s,
    )
    pooled = (discordant + 1) / (n + 2)
    shares = recall.only_reference + recall.only_this
    shrunk = (photographs * shares + PSEUDO * pooled[..., None]) / (photographs + PSEUDO)
    deviations = np.sqrt(shrunk) / photographs / len(tested)
    deviations = deviations[..., np.searchsorted(tested, true)]
    balanced = Discordance(
        recall.only_reference.mean(axis=-1),
        recall.only_this.mean(axis=-1),
        shrunk.mean(axis=-1) / (averaged * variance_of_sum(deviations, groups, alike)),
        training_variance(by_training.mean(axis=-2)),
        s,
    )
    return {"accuracy": accuracy, "balanced_accuracy": balanced, "recall": recall}


def effective_discordant(of: Discordance) -> Array:
    """Number of discordant photographs, as independent ones."""
    return (of.only_reference + of.only_this) * of.photographs


def difference(of: Discordance, confidence: float = CONFIDENCE) -> Estimate:
    """A difference with Tango's interval, at the effective number of photographs."""
    b, c = of.only_reference, of.only_this
    trials = effective_trials(b + c, of.photographs, of.training, of.trainings, confidence)
    return Estimate(c - b, *tango(b * trials, c * trials, trials, confidence))


def p_value_of(of: Discordance) -> float:
    """The level at which the interval of `difference` begins to exclude 0.

    For a single training, this is the two-sided p value of McNemar's z. With several, the level
    solves difference² = z² / (variance of photographs) + t² (variance of trainings).

    Args:
        of: scalars.
    """
    square = float(of.only_this - of.only_reference) ** 2
    photographs = float((of.only_reference + of.only_this) / of.photographs)
    if not square:
        return 1.0
    if not of.training:
        return float(2 * norm.sf(math.sqrt(square / photographs)))

    def excess(log_level: float) -> float:
        half = math.exp(log_level) / 2
        t = stdtrit(of.trainings - 1, half)
        return float(ndtri(half) ** 2 * photographs + t**2 * of.training - square)

    least = math.log(1e-300)
    return math.exp(brentq(excess, least, 0.0)) if excess(least) > 0 else 0.0


def differences(
    found: dict[str, Discordance],
    reference: Indices,
    this: Indices,
    true: Indices,
    groups: Indices,
    confidence: float = CONFIDENCE,
) -> dict[str, Estimate]:
    """Differences of all metrics, for one or more test sets.

    Accuracy, balanced accuracy and recall have Tango's interval, of which the words speak. F1,
    precision and macro F1 have MOVER's of two correlated estimates (Zou 2007); the correlation is
    that of the photographs' influences, divided by the number of trainings, since these are
    independent, and reduced for classes of few groups, which cannot tell it. The lowest recall has
    MOVER's of two independent estimates, which is conservative.

    Args:
        found: result of `discordances` for the next four.
        reference: as in `discordances`, like the next three.
        this: see there.
        true: see there.
        groups: see there.
        confidence: confidence level of each interval.

    Returns:
        By the names of MetricIntervals' fields.
    """
    arms = [estimate(predicted, true, groups, confidence) for predicted in (reference, this)]
    influences = [
        _influences(predicted, true, of)
        for predicted, of in zip((reference, this), arms, strict=True)
    ]

    s = this.shape[-2]
    own = np.array([len(np.unique(groups[true == class_])) for class_ in np.unique(true)])
    trust = own / (own + CAUTION)

    def paired(name: str) -> Estimate:
        values, lows, highs = (
            np.stack(parts, axis=-1) for parts in zip(*(of[name] for of in arms), strict=True)
        )
        correlation: Array | float = 0.0
        if name in influences[0]:
            x, y = (of[name] for of in influences)
            products, squares = (x * y).sum(axis=-1), (x**2).sum(axis=-1) * (y**2).sum(axis=-1)
            trusted = trust if name != "macro_f1" else trust.mean()
            correlation = np.clip(quotient(products, np.sqrt(squares)), 0, 1) * trusted / s
        weights = np.array([-1.0, 1.0])
        bounds = mover(values, Bounds(lows, highs), weights, correlation)
        return Estimate(values @ weights, *bounds)

    return {
        **{name: difference(of, confidence) for name, of in found.items()},
        **{name: paired(name) for name in ("macro_f1", "worst_class_recall", "precision", "f1")},
    }


def _influences(predicted: Indices, true: Indices, of: dict[str, Estimate]) -> dict[str, Array]:
    tally = count(predicted, true)
    hits = tally.right[..., None, :] * tally.belongs
    f1 = f1_influence(tally, of["f1"].value)
    return {
        "precision": hits - of["precision"].value[..., None] * tally.assigned,
        "f1": f1,
        "macro_f1": f1.sum(axis=-2),
    }


def photographs_needed(of: Discordance, looked_at: int) -> Needed:
    """Estimate how many independent photographs would make a difference significant.

    The sample size of McNemar's test (Connor 1987, Biometrics 43, 207-211, eq. 3), two-sided at
    0.05 / looked_at, with a power of 80 %: (z √s + z(0.8) √(s - d²))² / d², where s is the share of
    discordant photographs and d the difference. It is raised to the number that yields as many
    discordant photographs as the test needs with the same 80 %. The variation between trainings is
    left aside: photographs do not lessen it.

    Args:
        of: scalars.
        looked_at: number of differences that the test is corrected for, 1 or more.
    """
    z, z_power = norm.isf(SIGNIFICANCE / looked_at / 2), norm.isf(1 - POWER)
    fewest = max(FEWEST_DISCORDANT, math.ceil(z**2))

    def needed(share: float, d: float) -> int:
        root = z * math.sqrt(share) + z_power * math.sqrt(max(share - d**2, 0))
        yielding = fewest + nbinom.ppf(POWER, fewest, share)
        return math.ceil(max(float(root) ** 2 / d**2, float(yielding)))

    share, seen = float(of.only_reference + of.only_this), float(of.only_this - of.only_reference)
    tells = bool(seen) and are_enough(float(effective_discordant(of)))
    return Needed(
        needed(share, seen) if tells else None,
        needed(USUAL_DISCORDANCE, TEN_POINTS),
    )
