"""Softmax regression with an L2 penalty on the features of a frozen backbone.

The loss is convex and has a single optimum, so no seed, learning rate or stopping rule affects the
head. It is

    weighted mean over the terms of cross-entropy(x · weights + bias + offsets, class)
    + penalty / 2 · sum of squared weights

where x is the feature vector scaled to length 1. Because of the mean, doubling all weights or
repeating every photograph changes nothing. scikit-learn's C is 1 / (penalty · sum of term weights).

A rare class looks better separated in training than it is: the head learns accidental details of
its few photographs, which new photographs lack. Class weights do not correct that. So two more
numbers are fitted on photographs held out in cross-validation, in the manner of Platt (1999): a
scale of all logits, and the tau of a post-hoc logit adjustment (Menon et al. 2021,
arXiv:2007.07314, eq. 9).
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from ballast.core.mapped import rows_at
from ballast.model.head_loss import Problem, coordinates
from ballast.model.head_solver import Step, sketched, solved
from ballast.model.logits import Floats, linear_probabilities

Labels = NDArray[np.int64]

# Weights and bias are rounded to multiples of this. It is far larger than the solver's error, so
# the order in which a processor sums has no effect. It moves a logit by about 0.0003.
GRID = 2.0**-10
# Decimals of the scale, of tau, and of the losses that choose the penalty, for the same reason.
DECIMALS = 2
# Candidate penalties are strength / groups, strongest first.
STRENGTHS = (1.0, 0.1, 0.01)
FOLDS = 5
# Tau is shrunk towards PRIOR_TAU by a prior worth this many groups: few cannot determine it.
PRIOR_TAU, PRIOR_GROUPS = 0.5, 50.0
# Used if a class has a single group, which cannot be held out.
FIXED_STRENGTH, FIXED_SCALE, FIXED_TAU = 0.1, 1.5, 1.0
# Norms of a head's gradient to stop at: to choose a penalty, to fit the scale and to fit the head.
# With FINE, the scales of three BLAS kernels agree to 1e-12.
ROUGH, FINE, EXACT = 1e-4, 1e-9, 1e-13


class Optimum(NamedTuple):
    """Minimum of the loss, before calibration and rounding."""

    weights: Floats  # shape (d, k)
    bias: Floats  # shape (k,); sums to 0
    steps: list[Step]  # the first is at zero


class Calibration(NamedTuple):
    """Correction of logits, fitted on photographs held out.

    The corrected logits are scale · logits - tau · log(n_c / largest n_c).
    """

    strength: float
    scale: float
    tau: float
    losses: dict[float, float]  # mean held-out log loss by strength; empty for fixed values


class Head(NamedTuple):
    """A linear head: logits are unit_length(features) @ weights + bias, multiples of GRID."""

    weights: Floats  # shape (d, k)
    bias: Floats  # shape (k,)
    calibration: Calibration
    steps: list[Step]


def fit_head(
    features: NDArray[Any],
    labels: Labels,
    groups: NDArray[np.int64],
    weights: Floats,
    offsets: Floats,
    *,
    balanced: bool,
) -> Head:
    """Choose the penalty, fit, calibrate and round.

    Args:
        features: finite features of the terms (photographs and their variants), shape (n, d).
        labels: class index of each term, shape (n,); each of 0 to k - 1 at least once.
        groups: group of each term, shape (n,). The terms of a group are held out together, so a
            photograph's variants belong to its group.
        weights: weight of each term in the loss, shape (n,); 0 or more. Only ratios matter.
        offsets: added to the logits in training only, shape (k,): tau · log prior for logit
            adjustment (Menon et al. 2021, arXiv:2007.07314, eq. 10), or zeros.
        balanced: whether every class counts the same in calibration; otherwise every group does,
            and tau is 0.

    Raises:
        ValueError: like optimum.
    """
    # These products are too small to share between threads: with 1,000 terms one thread takes 3 ms,
    # and two take 6 ms of each when another process is running.
    with threadpool_limits(1, user_api="blas"):
        chosen = calibrate(features, labels, groups, weights, offsets, balanced=balanced)
        penalty = penalty_of(chosen.strength, groups)
        found = optimum(features, labels, weights, penalty, offsets)
    rarity = _rarity(class_groups(labels, groups, len(offsets)))
    bias = chosen.scale * found.bias + chosen.tau * rarity
    return Head(_to_grid(chosen.scale * found.weights), _to_grid(bias), chosen, found.steps)


def penalty_of(strength: float, groups: NDArray[np.int64]) -> float:
    """Return the L2 penalty, strength / number of groups.

    Variants and repetitions add no groups, so they do not change the penalty.
    """
    return strength / len(np.unique(groups))


def class_groups(labels: Labels, groups: NDArray[np.int64], classes: int) -> Labels:
    """Count the groups of each class, shape (classes,)."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    return np.bincount(pairs[0], minlength=classes)


def optimum(
    features: NDArray[Any], labels: Labels, weights: Floats, penalty: float, offsets: Floats
) -> Optimum:
    """Fit one head until the gradient's norm is EXACT, or as close as float64 allows.

    Args:
        features: finite features of n terms, shape (n, d); they are scaled to length 1.
        labels: class indices, shape (n,).
        weights: weights of the terms, shape (n,).
        penalty: above 0.
        offsets: as in fit_head, shape (k,).

    Raises:
        ValueError: if a class has no term with a weight above 0; its bias would have no optimum.
    """
    if not (_class_sums(labels, weights[:, None], len(offsets)) > 0).all():
        raise ValueError("every class needs a term of a weight above 0")
    (slopes,), (bias,), steps = _optima(features, labels, weights[:, None], penalty, offsets)
    return Optimum(slopes, bias, steps)


def _optima(
    features: NDArray[Any], labels: Labels, weights: Floats, penalty: float, offsets: Floats
) -> tuple[list[Floats], list[Floats], list[Step]]:
    """Like optimum, with weights of shape (n, m): slopes and biases of m heads, and the steps."""
    x, basis = coordinates(features)
    problem = Problem(x, labels, weights, offsets, penalty)
    steps: list[Step] = []
    found = solved(problem, sketched(x), np.zeros(problem.shape), EXACT, steps)
    heads = found.transpose(1, 2, 0)
    slopes = [head[:-1] if basis is None else basis @ head[:-1] for head in heads]
    return slopes, [head[-1] for head in heads], steps


def calibrate(
    features: NDArray[Any],
    labels: Labels,
    groups: NDArray[np.int64],
    weights: Floats,
    offsets: Floats,
    *,
    balanced: bool,
) -> Calibration:
    """Choose the strength, and fit scale and tau, by cross-validation over groups.

    Groups are dealt to folds class by class, without a seed. The lowest mean log loss wins; if
    losses are equal, the strongest penalty does. A group counts the same whatever its size.

    Args:
        features: as in fit_head, like the other arguments; shape (n, d).
        labels: shape (n,).
        groups: shape (n,).
        weights: shape (n,).
        offsets: shape (k,).
        balanced: whether every class counts the same.

    Returns:
        Fixed values if a class has a single group, which cannot be held out.
    """
    k = len(offsets)
    folds = _folds(labels, groups)
    trained = np.where(folds[:, None] == np.arange(FOLDS), 0.0, weights[:, None])
    if not (_class_sums(labels, trained, k) > 0).all():
        return Calibration(FIXED_STRENGTH, FIXED_SCALE, FIXED_TAU if balanced else 0.0, {})
    x, _ = coordinates(features)
    sketch = sketched(x)
    fit = partial(_scale_and_tau, labels=labels, groups=groups, balanced=balanced)
    start: Floats = np.zeros((k, FOLDS, x.features.shape[1] + 1))
    tried: dict[float, tuple[float, float, float]] = {}
    starts: dict[float, Floats] = {}
    for strength in STRENGTHS:
        problem = Problem(x, labels, trained, offsets, penalty_of(strength, groups))
        starts[strength] = start = solved(problem, sketch, start, ROUGH, [])
        tried[strength] = fit(problem.held_out_logits(start, folds))
    losses = {strength: round(loss, DECIMALS) for strength, (_, _, loss) in tried.items()}
    best = min(losses, key=lambda strength: (losses[strength], -strength))
    problem = Problem(x, labels, trained, offsets, penalty_of(best, groups))
    heads = solved(problem, sketch, starts[best], FINE, [])
    scale, tau, _ = fit(problem.held_out_logits(heads, folds))
    return Calibration(best, round(scale, DECIMALS), round(tau, DECIMALS), losses)


def held_out_probabilities(
    features: NDArray[Any],
    labels: Labels,
    groups: NDArray[np.int64],
    weights: Floats,
    offsets: Floats,
    calibration: Calibration,
    asked: Labels,
) -> Floats:
    """Predict some terms, each with a head fitted to the groups of other folds than its own.

    Unlike the head, these heads have not seen what they predict, so the probabilities are like
    those of new photographs.

    Args:
        features: as in fit_head, like the other arguments; shape (n, d), whole numbers if the
            result should not depend on the processor.
        labels: shape (n,).
        groups: shape (n,).
        weights: shape (n,).
        offsets: shape (k,).
        calibration: that of the head fitted to all terms; its strength, scale and tau are used.
        asked: places of the terms to predict, shape (p,).

    Returns:
        Shape (p, k); rows of NaN for the only group of a class, and where a fold has a whole class.
    """
    folds, k = _folds(labels, groups), len(offsets)
    penalty = penalty_of(calibration.strength, groups)
    counts = class_groups(labels, groups, k)
    rarity = calibration.tau * _rarity(counts)
    found = np.full((len(asked), k), np.nan)
    judged = (folds[:, None] == np.arange(FOLDS)) & (counts[labels] > 1)[:, None]
    trained = np.where(judged, 0.0, weights[:, None])
    sums = _class_sums(labels, trained, k)
    fitted = np.flatnonzero(judged.any(axis=0) & (sums > 0).all(axis=0))
    if not len(fitted):
        return found
    with threadpool_limits(1, user_api="blas"):
        slopes, biases, _ = _optima(features, labels, trained[:, fitted], penalty, offsets)
    for place, fold in enumerate(fitted):
        head = _to_grid(calibration.scale * slopes[place])
        bias = _to_grid(calibration.scale * biases[place] + rarity)
        out = judged[asked, fold]
        found[out] = linear_probabilities(rows_at(features, asked[out]), head, bias)
    return found


def _scale_and_tau(
    found: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    *,
    balanced: bool,
) -> tuple[float, float, float]:
    """Fit scale and tau to the terms held out, and return them with their mean log loss.

    Targets are smoothed in the manner of Platt: otherwise the scale would be infinite if every
    held-out term is classified correctly.

    Args:
        found: logits of each term by the head that it is held out of, shape (n, k).
        labels: as in calibrate.
        groups: as in calibrate.
        balanced: as in calibrate.
    """
    k = found.shape[1]
    counts = class_groups(labels, groups, k)
    _, group, terms = np.unique(groups, return_inverse=True, return_counts=True)
    shares = 1 / terms[group] / (counts[labels] if balanced else 1)
    shares /= shares.sum()
    wrong = 1 / (len(terms) + 2)
    right = np.eye(k)[labels]
    targets = right * (1 - wrong) + (1 - right) * wrong / max(k - 1, 1)
    rarity = _rarity(counts)
    pull = PRIOR_GROUPS / len(terms)

    def loss(numbers: Floats) -> tuple[float, Floats]:
        scale, tau = np.exp(numbers[0]), numbers[1]
        logs = log_softmax(scale * found + tau * rarity, axis=1)
        residuals = shares[:, None] * (np.exp(logs) - targets)
        off = tau - PRIOR_TAU if balanced else 0.0
        total = pull * off**2 / 2 - (shares[:, None] * targets * logs).sum()
        slope = (residuals @ rarity).sum() + pull * off if balanced else 0.0
        return float(total), np.array([scale * (residuals * found).sum(), slope])

    best = minimize(
        loss,
        np.array([0.0, PRIOR_TAU if balanced else 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-5, 5), (-4, 4)],
        options={"ftol": 0, "gtol": 1e-9},
    )
    return float(np.exp(best.x[0])), float(best.x[1]), float(best.fun)


def _rarity(counts: Labels) -> Floats:
    """Compute how much logit adjustment raises each class at tau 1; 0 for the largest class."""
    return np.asarray(-np.log(counts / counts.max()))


def _folds(labels: Labels, groups: NDArray[np.int64]) -> Labels:
    """Assign a fold to each term: groups, ordered by the class of their first term, in turn."""
    _, first, index = np.unique(groups, return_index=True, return_inverse=True)
    places = np.empty(len(first), dtype=np.int64)
    places[np.argsort(labels[first], kind="stable")] = np.arange(len(first)) % FOLDS
    return places[index]


def _class_sums(labels: Labels, weights: Floats, classes: int) -> Floats:
    """Add up the weights of each class in each column of `weights`, (n, m)."""
    sums = np.zeros((classes, weights.shape[1]))
    np.add.at(sums, labels, weights)
    return sums


def _to_grid(values: Floats) -> Floats:
    return np.rint(values / GRID) * GRID + 0.0  # no -0.0
