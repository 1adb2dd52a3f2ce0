"""Softmax regression with an L2 penalty on the features of a frozen backbone.

Its loss is convex and has one optimum, so no seed, learning rate or stopping rule shapes the head:

    mean over the terms, by weight, of cross-entropy(x · weights + bias + offsets, class)
    + penalty / 2 · sum of squared weights

with x the features scaled to length 1. As it is a mean, twice the weights, or every photograph
twice, change nothing. scikit-learn's C is 1 / (penalty · sum of the terms' weights).

A rare class looks better separated in training than it is: the head learns what its few
photographs have by chance, and new ones do not have it. Weights do not correct that. So photographs
held out in cross-validation fit two numbers more, as Platt (1999) calibrates: a scale of all
logits, and the tau of a post-hoc logit adjustment (Menon et al. 2021, arXiv:2007.07314, eq. 9).
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.optimize import OptimizeResult, minimize
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import log_softmax, softmax

from ballast.model.logits import Floats, lengths, linear_logits

Labels = NDArray[np.int64]

# Weights and bias are rounded to multiples of it: far more than the solver's error, so that the
# order in which a processor sums does not show. It moves a logit by about 0.0003.
GRID = 2.0**-10
# Decimals of the scale, of tau and of the losses that choose the penalty, for the same reason.
DECIMALS = 2
# Penalties to choose from are 1 / (strength · groups), strongest first.
STRENGTHS = (1.0, 10.0, 100.0)
FOLDS = 5
# Tau is drawn to PRIOR_TAU as if so many more photographs had it for their best: few cannot tell.
PRIOR_TAU, PRIOR_PHOTOGRAPHS = 0.5, 50.0
# Where a class has one group, nothing can be held out.
FIXED_STRENGTH, FIXED_SCALE, FIXED_TAU = 10.0, 1.5, 0.7
# Norms of the gradient: enough to choose a penalty; where the trust region stops, whose losses
# then differ by less than float64 can tell; what Newton's steps reach from there, for the scale
# and for the head.
ROUGH, NEAR, FINE, EXACT = 1e-3, 1e-7, 1e-7, 1e-13
NEWTON_STEPS = 10


class Step(NamedTuple):
    """An iteration of the solver."""

    loss: float  # nats, the penalty included
    gradient_norm: float


class Optimum(NamedTuple):
    """Where the loss is least, before calibration and rounding."""

    weights: Floats  # shape (d, k)
    bias: Floats  # shape (k,); sums to 0
    steps: list[Step]  # from all zeros on


class Calibration(NamedTuple):
    """What photographs held out make of logits: scale · (logits - tau · log(n_c / largest n_c))."""

    strength: float
    scale: float
    tau: float
    losses: dict[float, float]  # mean log loss held out by strength; empty where all is fixed


class Head(NamedTuple):
    """Logits are unit_length(features) @ weights + bias; both are multiples of GRID."""

    weights: Floats  # shape (d, k)
    bias: Floats  # shape (k,)
    calibration: Calibration
    steps: list[Step]


def fit_head(
    features: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    weights: Floats,
    offsets: Floats,
    *,
    balanced: bool,
) -> Head:
    """Choose the penalty, fit, calibrate and round.

    Args:
        features: of the terms (photographs and their variants), shape (n, d); finite.
        labels: class index of each term, shape (n,); each of 0 to k - 1 at least once.
        groups: of each term, shape (n,). Terms of a group are held out together, so a
            photograph's variants belong to its group.
        weights: of each term in the loss, shape (n,); 0 or more. Only their ratios count.
        offsets: added to the logits in training alone, shape (k,): tau · log prior for logit
            adjustment (Menon et al. 2021, arXiv:2007.07314, eq. 10), or zeros.
        balanced: whether every class counts alike when held out; otherwise every group does, and
            tau is 0.

    Raises:
        ValueError: as optimum does.
    """
    unit = unit_length(features)
    chosen = calibrate(unit, labels, groups, weights, offsets, balanced=balanced)
    penalty = penalty_of(chosen.strength, groups)
    found = optimum(unit, labels, weights, penalty, offsets)
    rarity = _rarity(class_groups(labels, groups, len(offsets)))
    bias = chosen.scale * (found.bias + chosen.tau * rarity)
    return Head(_to_grid(chosen.scale * found.weights), _to_grid(bias), chosen, found.steps)


def logits(head: Head, features: Floats) -> Floats:
    """Logits, shape (n, k), of features of shape (n, d)."""
    return linear_logits(features, head.weights, head.bias)


def probabilities(head: Head, features: Floats) -> Floats:
    """Softmax of the logits, shape (n, k)."""
    return np.asarray(softmax(logits(head, features), axis=1))


def unit_length(features: Floats) -> Floats:
    """Scale each row to length 1; one of zeros stays as it is."""
    return features / lengths(features)


def penalty_of(strength: float, groups: NDArray[np.int64]) -> float:
    """The penalty of a strength: weaker the more groups of photographs there are.

    Variants and repetition make no more groups, and so change no penalty.
    """
    return float(1 / (strength * len(np.unique(groups))))


def class_groups(labels: Labels, groups: NDArray[np.int64], classes: int) -> Labels:
    """The number of groups that each class has, shape (classes,)."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    return np.bincount(pairs[0], minlength=classes)


def optimum(
    unit: Floats, labels: Labels, weights: Floats, penalty: float, offsets: Floats
) -> Optimum:
    """Fit one head to a gradient of norm EXACT, or as near as float64 comes.

    Args:
        unit: features of length 1, shape (n, d).
        labels: shape (n,).
        weights: shape (n,).
        penalty: above 0.
        offsets: shape (k,).

    Raises:
        ValueError: where a class has no term of a weight above 0, and its bias no optimum.
    """
    if not _all_there(labels, weights[:, None], len(offsets)):
        raise ValueError("every class needs a term of a weight above 0")
    x, basis = _coordinates(unit)
    problem = _Problem(x, labels, weights[:, None], offsets, penalty)
    steps: list[Step] = []
    found = _solved(problem, np.zeros(problem.shape), EXACT, steps)[:, 0]
    slopes = found[:-1] if basis is None else basis @ found[:-1]
    return Optimum(slopes, found[-1], steps)


def calibrate(
    unit: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    weights: Floats,
    offsets: Floats,
    *,
    balanced: bool,
) -> Calibration:
    """Choose the strength, and fit scale and tau, by cross-validation over groups.

    Folds are dealt class by class, without a seed. The least mean log loss wins; of equal ones
    that of the strongest penalty. A group counts the same however many terms it has.

    Args:
        unit: features of length 1, shape (n, d).
        labels: as for fit_head; so are the others.
        groups: shape (n,).
        weights: shape (n,).
        offsets: shape (k,).
        balanced: whether every class counts alike.

    Returns:
        Fixed values where a class has a single group, which cannot be held out.
    """
    k = len(offsets)
    folds = _folds(labels, groups)
    trained = np.where(folds[:, None] == np.arange(FOLDS), 0.0, weights[:, None])
    if not _all_there(labels, trained, k):
        return Calibration(FIXED_STRENGTH, FIXED_SCALE, FIXED_TAU if balanced else 0.0, {})
    x, _ = _coordinates(unit)
    fit = partial(_scale_and_tau, labels=labels, groups=groups, folds=folds, balanced=balanced)
    start: Floats = np.zeros((x.shape[1] + 1, FOLDS, k))
    tried: dict[float, tuple[float, float, float]] = {}
    starts: dict[float, Floats] = {}
    for strength in STRENGTHS:
        problem = _Problem(x, labels, trained, offsets, penalty_of(strength, groups))
        starts[strength] = start = _solved(problem, start, ROUGH, [])
        tried[strength] = fit(problem.logits(start))
    losses = {strength: round(loss, DECIMALS) for strength, (_, _, loss) in tried.items()}
    best = min(losses, key=lambda strength: (losses[strength], strength))
    problem = _Problem(x, labels, trained, offsets, penalty_of(best, groups))
    scale, tau, _ = fit(problem.logits(_solved(problem, starts[best], FINE, [])))
    return Calibration(best, round(scale, DECIMALS), round(tau, DECIMALS), losses)


class _Problem:
    """m heads at once, of the same features and other weights of the terms.

    At once, since a pass over the features takes much the same time for one as for a few.
    """

    def __init__(
        self, x: Floats, labels: Labels, weights: Floats, offsets: Floats, penalty: float
    ) -> None:
        """Take features of shape (n, r), weights of shape (n, m) and offsets of shape (k,)."""
        self.x, self.offsets, self.penalty = x, offsets, penalty
        self.shares = (weights / weights.sum(axis=0))[:, :, None]
        self.targets = np.eye(len(offsets))[labels][:, None, :]
        self.shape = (x.shape[1] + 1, weights.shape[1], len(offsets))
        self._chances: Floats = np.empty(0)
        self._at: Floats = self._chances

    def logits(self, parameters: Floats) -> Floats:
        """Without offsets, shape (n, m, k); the last of r + 1 rows of parameters is the bias."""
        slopes = parameters[:-1].reshape(len(parameters) - 1, -1)
        return np.asarray((self.x @ slopes).reshape(-1, *self.shape[1:]) + parameters[-1])

    def loss(self, flat: Floats) -> tuple[float, Floats]:
        """The sum over the m heads, and its gradient."""
        parameters = flat.reshape(self.shape)
        logs = log_softmax(self.logits(parameters) + self.offsets, axis=2)
        penalised = self._penalised(parameters)
        loss = (parameters * penalised).sum() / 2 - (self.shares * self.targets * logs).sum()
        return float(loss), self._gathered(np.exp(logs) - self.targets) + penalised.ravel()

    def curvature(self, flat: Floats, direction: Floats) -> Floats:
        """The Hessian times a direction."""
        if flat is not self._at:  # a step asks many directions at one place
            self._chances = softmax(self.logits(flat.reshape(self.shape)) + self.offsets, axis=2)
            self._at = flat
        chances = self._chances
        change = direction.reshape(self.shape)
        moved = chances * self.logits(change)
        moved -= chances * moved.sum(axis=2, keepdims=True)
        return self._gathered(moved) + self._penalised(change).ravel()

    def _gathered(self, residuals: Floats) -> Floats:
        weighted = (self.shares * residuals).reshape(len(self.x), -1)
        return np.concatenate([(self.x.T @ weighted).ravel(), weighted.sum(axis=0)])

    def _penalised(self, parameters: Floats) -> Floats:
        penalised = self.penalty * parameters
        # The same added to every bias changes no probability: of all such, this takes sum 0.
        penalised[-1] = parameters[-1].mean(axis=1, keepdims=True)
        return penalised


def _solved(problem: _Problem, start: Floats, tolerance: float, steps: list[Step]) -> Floats:
    """The optimum, of the problem's shape; `steps` gets the iterations."""

    def note(loss: float, gradient: Floats) -> float:
        steps.append(Step(loss, float(np.linalg.norm(gradient))))
        return steps[-1].gradient_norm

    def noted(intermediate_result: OptimizeResult) -> None:
        note(*problem.loss(intermediate_result.x))

    note(*problem.loss(start.ravel()))
    flat = minimize(
        problem.loss,
        start.ravel(),
        method="trust-ncg",
        jac=True,
        hessp=problem.curvature,
        callback=noted,
        options={
            "gtol": max(tolerance, NEAR),
            "initial_trust_radius": 100.0,
            "max_trust_radius": 1e5,
        },
    ).x
    loss, gradient = problem.loss(flat)
    norm = float(np.linalg.norm(gradient))
    for _ in range(NEWTON_STEPS):
        if norm <= tolerance:
            break
        hessian = LinearOperator((flat.size, flat.size), partial(problem.curvature, flat))
        moved = flat - cg(hessian, gradient, rtol=1e-3)[0]
        loss, gradient = problem.loss(moved)
        # Less cannot be told from rounding.
        if np.linalg.norm(gradient) >= norm:
            break
        flat, norm = moved, note(loss, gradient)
    return np.asarray(flat.reshape(problem.shape))


def _scale_and_tau(
    every: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    folds: Labels,
    *,
    balanced: bool,
) -> tuple[float, float, float]:
    """Scale, tau and mean log loss of the terms held out; `every` is of shape (n, FOLDS, k).

    Targets are smoothed, much as Platt's: otherwise the scale is infinite where all that is held
    out is right.
    """
    found = every[np.arange(len(labels)), folds]
    k = found.shape[1]
    counts = class_groups(labels, groups, k)
    _, group, terms = np.unique(groups, return_inverse=True, return_counts=True)
    shares = 1 / terms[group] / (counts[labels] if balanced else 1)
    shares /= shares.sum()
    wrong = 1 / (len(terms) + 2)
    right = np.eye(k)[labels]
    targets = right * (1 - wrong) + (1 - right) * wrong / max(k - 1, 1)
    rarity = _rarity(counts)
    pull = PRIOR_PHOTOGRAPHS / len(terms)

    def loss(numbers: Floats) -> tuple[float, Floats]:
        scale, tau = np.exp(numbers[0]), numbers[1]
        shifted = found + tau * rarity
        logs = log_softmax(scale * shifted, axis=1)
        residuals = scale * shares[:, None] * (np.exp(logs) - targets)
        off = tau - PRIOR_TAU if balanced else 0.0
        total = pull * off**2 / 2 - (shares[:, None] * targets * logs).sum()
        slope = (residuals @ rarity).sum() + pull * off if balanced else 0.0
        return float(total), np.array([(residuals * shifted).sum(), slope])

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
    """By what logit adjustment raises each class at tau 1; 0 for the largest."""
    return np.asarray(-np.log(counts / counts.max()))


def _folds(labels: Labels, groups: NDArray[np.int64]) -> Labels:
    """The fold of each term: groups in the order of their first terms' classes, dealt in turn."""
    _, first, index = np.unique(groups, return_index=True, return_inverse=True)
    places = np.empty(len(first), dtype=np.int64)
    places[np.argsort(labels[first], kind="stable")] = np.arange(len(first)) % FOLDS
    return places[index]


def _all_there(labels: Labels, weights: Floats, classes: int) -> bool:
    """Whether every class has a weight above 0 in each column of weights of shape (n, m)."""
    sums = np.zeros((classes, weights.shape[1]))
    np.add.at(sums, labels, weights)
    return bool((sums > 0).all())


def _coordinates(unit: Floats) -> tuple[Floats, Floats | None]:
    """Fewer features of the same products, and their basis, where terms are few.

    The optimum lies in the span of the terms; an orthonormal basis leaves the penalty as it is.
    """
    n, d = unit.shape
    if 2 * n > d:
        return unit, None
    basis, coordinates = qr(unit.T, mode="economic")
    return np.ascontiguousarray(coordinates.T), basis


def _to_grid(values: Floats) -> Floats:
    return np.rint(values / GRID) * GRID + 0.0  # no -0.0
