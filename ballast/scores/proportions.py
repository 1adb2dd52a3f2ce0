"""Intervals of proportions and of their differences, by published formulas.

Every function works on numbers and on arrays, which are broadcast. Counts need not be whole: shares
averaged over several trainings are not, nor is the effective number of photographs that are not
independent (effective.py).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize.elementwise import find_root
from scipy.special import betaincinv, ndtri

CONFIDENCE = 0.95
CERTAIN = 1e6  # stands for an infinite statistic, which root finding cannot use

Array = NDArray[np.float64]


class Bounds(NamedTuple):
    """Lower and upper bounds of one or more intervals."""

    low: Array
    high: Array


def normal_quantile(confidence: ArrayLike) -> Array:
    """The z of a two-sided interval: 1.96 for a confidence level of 0.95."""
    return np.asarray(ndtri((1 + np.asarray(confidence)) / 2))


def wilson(share: ArrayLike, trials: ArrayLike, confidence: ArrayLike = CONFIDENCE) -> Bounds:
    """Wilson's score interval of a proportion (1927, JASA 22, 209-212).

    Args:
        share: observed proportion, 0 to 1.
        trials: number of trials, 0 or more; with none, the bounds are 0 and 1.
        confidence: confidence level, between 0 and 1.
    """
    p, n, z = np.asarray(share, float), np.asarray(trials, float), normal_quantile(confidence)
    middle, scale = n * p + z**2 / 2, n + z**2
    half = z * np.sqrt(n * p * (1 - p) + z**2 / 4)
    # At 0 and 1, rounding can leave the bound beside the proportion itself.
    low = np.where(p > 0, (middle - half) / scale, 0.0)
    high = np.where(p < 1, (middle + half) / scale, 1.0)
    return Bounds(np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0))


def clopper_pearson(share: ArrayLike, trials: ArrayLike, low: ArrayLike, high: ArrayLike) -> Bounds:
    """Clopper and Pearson's exact bounds of a proportion (1934, Biometrika 26, 404-413).

    Counts that are not whole are allowed (Korn and Graubard 1998, Survey Methodology 24, 193-201).

    Args:
        share: observed proportion, 0 to 1.
        trials: number of trials, above 0.
        low: probability that the lower bound is too high, between 0 and 1.
        high: probability that the upper bound is too low, between 0 and 1.
    """
    p, n = np.asarray(share, float), np.asarray(trials, float)
    right, wrong = n * p, n * (1 - p)
    with np.errstate(invalid="ignore"):
        lower = np.where(right > 0, betaincinv(right, wrong + 1, low), 0.0)
        upper = np.where(wrong > 0, betaincinv(right + 1, wrong, 1 - np.asarray(high)), 1.0)
    return Bounds(lower, upper)


def tango_statistic(
    only_first: ArrayLike, only_second: ArrayLike, trials: ArrayLike, difference: ArrayLike
) -> Array:
    """Tango's score statistic for a difference of two paired proportions (1998, eq. 7 and 8).

    At a difference of 0 it is the z of McNemar's test, (c - b) / √(b + c).

    Args:
        only_first: b, the trials in which only the first succeeds, 0 or more.
        only_second: c, those in which only the second does, 0 or more.
        trials: number of all trials, at least b + c, and above 0.
        difference: hypothetical difference, second - first, between -1 and 1.

    Returns:
        A statistic with standard normal distribution if the hypothesis is true; it falls as the
        difference rises.
    """
    b, c, n, delta = (
        np.asarray(value, float) for value in (only_first, only_second, trials, difference)
    )
    # One formula for positive differences serves both signs: exchange the two, and the sign.
    sign = np.where(delta < 0, -1.0, 1.0)
    b, c, delta = np.where(sign < 0, c, b), np.where(sign < 0, b, c), np.abs(delta)
    # The most likely share of b, given the difference: the positive root of a quadratic.
    linear, constant = (2 * n - c + b) * delta - b - c, b * delta * (1 - delta)
    root = np.sqrt(linear**2 + 8 * n * constant)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(linear > 0, 2 * constant / (root + linear), (root - linear) / (4 * n))
        distance = c - b - n * delta
        statistic = distance / np.sqrt(n * (2 * share + delta * (1 - delta)))
    return np.asarray(sign * np.where(distance == 0, 0.0, np.clip(statistic, -CERTAIN, CERTAIN)))


def tango(
    only_first: ArrayLike,
    only_second: ArrayLike,
    trials: ArrayLike,
    confidence: ArrayLike = CONFIDENCE,
) -> Bounds:
    """Tango's score interval for a difference of two paired proportions (1998).

    Statistics in Medicine 17, 891-908. It contains the differences that tango_statistic does not
    reject, so it excludes 0 exactly if McNemar's z exceeds that of the confidence level.

    Args:
        only_first: see tango_statistic, like the next two.
        only_second: see there.
        trials: see there.
        confidence: confidence level, between 0 and 1.
    """
    b, c, n, z = np.broadcast_arrays(
        *(np.asarray(value, float) for value in (only_first, only_second, trials)),
        normal_quantile(confidence),
    )
    difference = (c - b) / n

    def excess(delta: Array, b: Array, c: Array, n: Array, z: Array) -> Array:
        return np.asarray(np.abs(tango_statistic(b, c, n, delta)) - z)

    def bound(side: float) -> Array:
        ends = (np.minimum(difference, side), np.maximum(difference, side))
        found = find_root(excess, ends, args=(b, c, n, z), tolerances={"xatol": 1e-12})
        return np.where(np.abs(difference - side) < 1e-15, side, found.x)

    return Bounds(bound(-1.0), bound(1.0))


def mover(
    values: ArrayLike,
    bounds: Bounds,
    weights: ArrayLike,
    correlation: ArrayLike = 0.0,
) -> Bounds:
    """Interval of a weighted sum of estimates, from the interval of each (MOVER).

    Zou and Donner 2008 (Statistics in Medicine 27, 1693-1702), eq. 5 to 8: the squared distances of
    the bounds from the estimates add up as variances do. For two correlated estimates, see Zou 2007
    (Psychological Methods 12, 399-413), eq. 15.

    Args:
        values: estimates, shape (..., m).
        bounds: interval of each, of the same shape.
        weights: of the sum, of the same shape or (m,); 1 and -1 give a difference.
        correlation: of every two estimates, between 0 and 1.

    Returns:
        Bounds of shape (...).
    """
    values, weights = np.asarray(values, float), np.asarray(weights, float)
    total = (weights * values).sum(axis=-1)
    ends = np.stack([weights * bounds.low, weights * bounds.high])
    below, above = weights * values - ends.min(axis=0), ends.max(axis=0) - weights * values
    # Distances carry the sign of their weights, for the correlation.
    signs = np.sign(weights)

    def root(distances: Array) -> Array:
        squares = (distances**2).sum(axis=-1)
        both = (signs * distances).sum(axis=-1) ** 2 - squares
        return np.asarray(np.sqrt(np.maximum(squares + correlation * both, 0)))

    return Bounds(total - root(below), total + root(above))
