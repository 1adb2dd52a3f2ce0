"""How many independent photographs a test is worth.

Photographs of one group (near-duplicates, or frames of one film) are alike, and so are the errors
on them. Trainings of one strategy differ, and their mean over several of them varies less than a
single one. Both are expressed as an effective number of photographs, which then enters the formulas
for independent ones (Kish 1965, Survey Sampling, section 8.2).

The values of photographs have the shape (..., n); leading axes are for many test sets at once.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from ballast.scores.proportions import Array, normal_quantile

Indices = NDArray[np.int64]

# The estimates start from the worst case, with the weight of so many groups: that photographs of a
# group are all alike, and that several trainings tell no more than one.
CAUTION = 2.0


def group_sums(values: Array, groups: Indices) -> Array:
    """Sum values over the photographs of each group: (..., n) becomes (..., number of groups).

    The order of the sums depends on nothing but `groups`.
    """
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
    if len(starts) == len(order):
        return values
    return np.add.reduceat(values[..., order], starts, axis=-1)


def intraclass_correlation(values: Array, classes: Indices, groups: Indices) -> Array:
    """Estimate how strongly the photographs of a group are correlated within their class.

    The moment estimator: the products of the residuals of every two photographs of a group, over
    the variance, pooled over the classes (for groups of equal size, the ANOVA estimator of Donner
    1986, International Statistical Review 54, 67-82). It is uncertain if few groups deviate from
    the usual value of their class, so it is averaged with 1, with the weight of CAUTION groups.

    Args:
        values: by photograph, shape (..., n), such as 1 for a correct classification.
        classes: class of each photograph, shape (n,).
        groups: group of each photograph, shape (n,).

    Returns:
        Correlations between 0 and 1, shape (...).
    """
    products = variances = deviating = np.zeros(values.shape[:-1])
    for class_ in np.unique(classes):
        members = np.flatnonzero(classes == class_)
        own = groups[members]
        sizes, n = np.unique(own, return_counts=True)[1], len(members)
        pairs = float((sizes * (sizes - 1)).sum())
        if len(sizes) < 2 or not pairs:
            continue
        of_class = values[..., members]
        mean = of_class.mean(axis=-1, keepdims=True)
        squares = ((of_class - mean) ** 2).sum(axis=-1) * n / (n - 1)
        between = (group_sums(of_class - mean, own) ** 2).sum(axis=-1)
        products = products + between * len(sizes) / (len(sizes) - 1) - squares
        variances = variances + squares / n * pairs
        unusual = np.abs(of_class - np.round(mean)) > 0
        deviating = deviating + (group_sums(unusual.astype(float), own) > 0).sum(axis=-1)
    estimate = quotient(products, variances, 1.0)
    return np.asarray((deviating * np.clip(estimate, 0, 1) + CAUTION) / (deviating + CAUTION))


def member_correlation(residuals: Array, members: Array, groups: Indices) -> Array:
    """The correlation within groups of the share of members that are correct, by class.

    Like intraclass_correlation, for members that depend on the prediction: those assigned to a
    class, say. Groups vary in their number of members, which is part of the correlation.

    Args:
        residuals: correct or not, less the share; 0 for others; shape (..., k, n).
        members: share of trainings in which a photograph is a member, shape (..., k, n) or (k, n).
        groups: group of each photograph, shape (n,).

    Returns:
        Correlations between 0 and 1, shape (..., k).
    """
    squares, number = (residuals**2).sum(axis=-1), len(np.unique(groups))
    between = (group_sums(residuals, groups) ** 2).sum(axis=-1) * number / max(number - 1, 1)
    pairs = (group_sums(members, groups) ** 2).sum(axis=-1) - (members**2).sum(axis=-1)
    variances = quotient(squares, members.sum(axis=-1)) * pairs
    estimate = quotient(between - squares, variances, 1.0)
    good, bad = (
        (group_sums(np.maximum(sign * residuals, 0), groups) > 1e-12).sum(axis=-1)
        for sign in (1, -1)
    )
    informative = np.minimum(good, bad)
    return np.asarray((informative * np.clip(estimate, 0, 1) + CAUTION) / (informative + CAUTION))


def averaging(right: Array, classes: Indices, trainings: int) -> Array:
    """Variance of a photograph's mean over the trainings, relative to that of a single training.

    Args:
        right: share of the trainings that classify a photograph correctly, shape (..., n).
        classes: class of each photograph, shape (n,).
        trainings: number of trainings.

    Returns:
        Ratios of shape (...): 1 if all trainings agree, or if there is a single one.
    """
    between = within = np.zeros(right.shape[:-1])
    for class_ in np.unique(classes) if trainings > 1 else ():
        of_class = right[..., classes == class_]
        if of_class.shape[-1] > 1:
            between = between + of_class.var(axis=-1, ddof=1) * of_class.shape[-1]
            within = within + (of_class * (1 - of_class)).sum(axis=-1)
    return (between + CAUTION) / (between + within + CAUTION)


def variance_of_sum(deviations: Array, groups: Indices, correlation: Array) -> Array:
    """Variance of a sum over photographs whose values are correlated within groups.

    Args:
        deviations: standard deviation of each photograph's term, shape (..., n).
        groups: group of each photograph, shape (n,).
        correlation: between photographs of a group, shape (...).
    """
    alone = (deviations**2).sum(axis=-1)
    together = (group_sums(deviations, groups) ** 2).sum(axis=-1)
    return np.asarray(alone + correlation * (together - alone))


def training_variance(by_training: Array) -> Array:
    """Variance of a figure's mean over s trainings, from their spread: (..., s) becomes (...).

    It is 0 with a single training, whose figures are those of that model.
    """
    s = by_training.shape[-1]
    if s == 1:
        return np.zeros(by_training.shape[:-1])
    return np.asarray(by_training.var(axis=-1, ddof=1) / s)


def effective_trials(
    variance: Array, trials: Array, training: Array, trainings: int, confidence: float
) -> Array:
    """Number of independent trials that would be as uncertain as the photographs and trainings.

    The spread between few trainings is itself uncertain, so Student's t with s - 1 degrees of
    freedom takes the place of z for this part; the squared half-widths of both parts then add up,
    as in MOVER. (Korn and Graubard 1998 adjust the effective number by t and z in the same way.)

    Args:
        variance: of a single trial, shape (...): p (1 - p) for a proportion p.
        trials: effective number of photographs, shape (...).
        training: result of training_variance, shape (...).
        trainings: their number, s.
        confidence: confidence level of the interval.
    """
    if trainings == 1:
        return trials
    t = stdtrit(trainings - 1, (1 + confidence) / 2)
    inflated = training * (t / normal_quantile(confidence)) ** 2
    found = quotient(variance * trials, variance + inflated * trials)
    return np.asarray(np.where(training > 0, found, trials))


def training_half_width(by_training: Array, confidence: float) -> Array:
    """Half-width of the t interval of a mean over s trainings: (..., s) becomes (...)."""
    s = by_training.shape[-1]
    if s == 1:
        return np.zeros(by_training.shape[:-1])
    t = stdtrit(s - 1, (1 + confidence) / 2)
    return np.asarray(np.sqrt(training_variance(by_training)) * t)


def quotient(dividend: Array, divisor: Array, otherwise: float = 0.0) -> Array:
    """Divide, with another value where the divisor is not above 0."""
    dividend, divisor = np.broadcast_arrays(dividend, divisor)
    out = np.full(dividend.shape, float(otherwise))
    return np.asarray(np.divide(dividend, divisor, out=out, where=divisor > 0))
