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

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.optimize import minimize
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from ballast.model.logits import Floats, float_blocks, lengths, linear_probabilities
from ballast.workers.threads import ahead

Labels = NDArray[np.int64]
Result = TypeVar("Result")

# Terms that are converted to float64 at a time, in each product. So few stay in the caches: 20,000
# terms times 4 rows took 17 ms, and 24 ms with a copy of all features in float64.
BLOCK = 64
# Terms that a thread works on at a time. What is computed of each takes 8 bytes per head and class,
# several times over: of 200,000 terms, 4 classes and 5 heads, 200 MiB if it were all at once.
PART = 2**11
HELD = 2**27  # bytes of probabilities that are held for the next product, not computed again

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
# With FINE, the scales of two BLAS kernels differed by 6e-10, and by 7e-7 with 5e-8.
ROUGH, FINE, EXACT = 1e-4, 1e-9, 1e-13
NEAR = 1e-7  # the norm below which float64 hardly distinguishes losses
# A head moves by a share of Newton's step that lowers its loss by SLOPE of what the gradient
# promises, or else it stays where it is.
SLOPE, LEAST_SHARE = 1e-4, 2.0**-30


class Step(NamedTuple):
    """An iteration of the solver."""

    loss: float  # nats, the penalty included
    gradient_norm: float


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


class Rows(NamedTuple):
    """Features of n terms, scaled to length 1 where they are used."""

    features: NDArray[Any]  # shape (n, d)
    lengths: Floats  # shape (n,)

    def times(self, slopes: Floats, rows: slice) -> Floats:
        """Multiply some rows by slopes of shape (m, d); the result has the shape (m, rows)."""
        padded = _padded(slopes)
        found = np.empty((len(padded), rows.stop - rows.start))
        for some, block in float_blocks(self.features[rows], BLOCK):
            found[:, some] = padded @ block.T
        found /= self.lengths[rows]
        return found[: len(slopes)]

    def summed(self, weights: Floats, rows: slice) -> Floats:
        """Add up some rows with weights of shape (m, rows); the result has the shape (m, d)."""
        scaled = _padded(weights / self.lengths[rows])
        found = np.zeros((len(scaled), self.features.shape[1]))
        for some, block in float_blocks(self.features[rows], BLOCK):
            found += scaled[:, some] @ block
        return found[: len(weights)]

    def mapped(self, function: Callable[[slice], Result]) -> Iterable[Result]:
        """Call a function with the rows of each part, on all cores; the results are in order."""
        n = len(self.lengths)
        parts = [slice(start, min(start + PART, n)) for start in range(0, n, PART)]
        if len(parts) == 1:  # cpu_count reads files: explain took 5.8 s of the sample, now 3.6 s
            return map(function, parts)
        threads = cpu_count()
        return ahead(function, parts, threads, threads)


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


def unit_length(features: NDArray[Any]) -> Floats:
    """Scale each row to length 1, in float64; leave rows of zeros unchanged."""
    unit = features.astype(np.float64)
    unit /= _lengths(features)[:, None]
    return unit


def _lengths(features: NDArray[Any]) -> Floats:
    """The length of each row, 1 of a row of zeros; shape (n,)."""
    found = [lengths(block)[:, 0] for _, block in float_blocks(features, BLOCK)]
    return np.concatenate([np.empty(0), *found])


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
    x, basis = _coordinates(features)
    problem = _Problem(x, labels, weights, offsets, penalty)
    steps: list[Step] = []
    heads = _solved(problem, np.zeros(problem.shape), EXACT, steps).transpose(1, 2, 0)
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
    x, _ = _coordinates(features)
    fit = partial(_scale_and_tau, labels=labels, groups=groups, balanced=balanced)
    start: Floats = np.zeros((k, FOLDS, x.features.shape[1] + 1))
    tried: dict[float, tuple[float, float, float]] = {}
    starts: dict[float, Floats] = {}
    for strength in STRENGTHS:
        problem = _Problem(x, labels, trained, offsets, penalty_of(strength, groups))
        starts[strength] = start = _solved(problem, start, ROUGH, [])
        tried[strength] = fit(problem.held_out_logits(start, folds))
    losses = {strength: round(loss, DECIMALS) for strength, (_, _, loss) in tried.items()}
    best = min(losses, key=lambda strength: (losses[strength], -strength))
    problem = _Problem(x, labels, trained, offsets, penalty_of(best, groups))
    solved = _solved(problem, starts[best], FINE, [])
    scale, tau, _ = fit(problem.held_out_logits(solved, folds))
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
        found[out] = linear_probabilities(features[asked[out]], head, bias)
    return found


class _Problem:
    """m heads to fit at once, to the same features with different weights of the terms.

    Fitting them together saves time: multiplying the features by a few columns takes little longer
    than by one. Arrays start with the classes, because sums over a short last axis are slow.
    """

    def __init__(
        self, x: Rows, labels: Labels, weights: Floats, offsets: Floats, penalty: float
    ) -> None:
        """Take r features of n terms, weights of shape (n, m) and offsets of shape (k,)."""
        self.x, self.labels, self.penalty = x, labels, penalty
        self.offsets, self.one_hot = offsets[:, None, None], np.eye(len(offsets))[:, None]
        self.shares = (weights / weights.sum(axis=0)).T
        # Parameters: k classes, m heads, r slopes and, last, the bias.
        self.shape = (len(offsets), weights.shape[1], x.features.shape[1] + 1)
        self._at: Floats = np.zeros(self.shape)  # where the loss was computed last
        size = self.shape[0] * self.shape[1] * len(labels)
        self._held = np.empty((*self.shape[:2], len(labels))) if 8 * size <= HELD else None

    def held_out_logits(self, parameters: Floats, heads: Labels) -> Floats:
        """Compute the logits without offsets of each term by one of the heads, shape (n, k)."""

        def chosen(rows: slice) -> Floats:
            logits = self._logits(parameters, rows)
            return logits[:, heads[rows], np.arange(logits.shape[2])].T

        return np.concatenate([*self.x.mapped(chosen)])

    def loss(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Compute the loss of each head, (m,), and its gradient, of the problem's shape."""
        penalised = self._penalised(parameters)
        losses, gradient = _dots(parameters, penalised) / 2, penalised
        for errors, gathered in self.x.mapped(partial(self._loss_of, parameters)):
            losses, gradient = losses + errors, gradient + gathered
        self._at = parameters
        return losses, gradient

    def curvature(self, change: Floats) -> Floats:
        """Multiply each head's Hessian, where the loss was computed last, by its change."""

        def gathered(rows: slice) -> Floats:
            probabilities = self._probabilities(rows)
            moved = probabilities * self._logits(change, rows)
            moved -= probabilities * moved.sum(axis=0)
            return self._gathered(moved, rows)

        found = self._penalised(change)
        for part in self.x.mapped(gathered):
            found += part
        return found

    def _loss_of(self, parameters: Floats, rows: slice) -> tuple[Floats, Floats]:
        """The losses of some terms and their gradient; hold probabilities."""
        shifted, odds, total = self._odds(parameters, rows)
        probabilities = odds / total
        if self._held is not None:
            self._held[..., rows] = probabilities
        targets = self.one_hot[..., self.labels[rows]]
        errors = np.log(total) - (targets * shifted).sum(axis=0)
        losses = (self.shares[:, rows] * errors).sum(axis=1)
        return losses, self._gathered(probabilities - targets, rows)

    def _probabilities(self, rows: slice) -> Floats:
        """The probabilities of some terms where the loss was computed last."""
        if self._held is not None:
            return self._held[..., rows]
        _, odds, total = self._odds(self._at, rows)
        return np.asarray(odds / total)

    def _odds(self, parameters: Floats, rows: slice) -> tuple[Floats, Floats, Floats]:
        """Logits of some terms, of which the largest is 0; their exponentials, and the sums."""
        shifted = self._logits(parameters, rows) + self.offsets
        shifted -= shifted.max(axis=0)
        odds = np.exp(shifted)
        return shifted, odds, odds.sum(axis=0)

    def _logits(self, parameters: Floats, rows: slice) -> Floats:
        """Compute the logits of some terms without offsets, shape (k, m, rows)."""
        slopes = parameters[..., :-1].reshape(-1, self.shape[2] - 1)
        products = self.x.times(slopes, rows).reshape(*self.shape[:2], -1)
        return np.asarray(products + parameters[..., -1:])

    def _gathered(self, residuals: Floats, rows: slice) -> Floats:
        weighted = self.shares[:, rows] * residuals
        slopes = self.x.summed(weighted.reshape(-1, weighted.shape[2]), rows)
        gathered = np.empty(self.shape)
        gathered[..., :-1] = slopes.reshape(*self.shape[:2], -1)
        gathered[..., -1] = weighted.sum(axis=2)
        return gathered

    def _penalised(self, parameters: Floats) -> Floats:
        penalised = self.penalty * parameters
        # Adding one number to every bias changes no probability. This picks biases that sum to 0.
        penalised[..., -1] = parameters[..., -1].mean(axis=0)
        return penalised


def _padded(a: Floats) -> Floats:
    """Add rows of zeros up to a multiple of four, which the BLAS multiplies at a time.

    For 1,000 terms with 1,280 features, 15 rows take 3.2 ms, and 16 rows take 2.6 ms.
    """
    if len(a) % 4 == 0:
        return a
    padded = np.zeros((len(a) + -len(a) % 4, a.shape[1]))
    padded[: len(a)] = a
    return padded


def _solved(problem: _Problem, start: Floats, tolerance: float, steps: list[Step]) -> Floats:
    """Find the optimum of each head by Newton's method; append the iterations to `steps`.

    Args:
        problem: the heads to fit.
        start: where to start, of the problem's shape.
        tolerance: norm of a head's gradient to stop at, unless rounding errors stop it before.
        steps: its losses and norms are of all heads together.
    """
    parameters = start
    losses, gradient = problem.loss(parameters)
    steps.append(_step(losses, gradient))
    norms = np.sqrt(_dots(gradient, gradient))
    going = norms > tolerance
    while going.any():
        # Nocedal and Wright 2006, eq. 7.3, of which 1e-3 is enough where it would be less.
        enough = np.clip(np.sqrt(norms), 1e-3, 0.5) * norms
        step = _newton_step(problem, gradient, np.where(going, enough, np.inf))
        promised = SLOPE * _dots(gradient, step)
        share = going.astype(np.float64)
        while True:
            moved = parameters - share[:, None] * step
            found, slopes = problem.loss(moved)
            after = np.sqrt(_dots(slopes, slopes))
            worse = (share > 0) & (found > losses - share * promised) & (after > norms / 2)
            if not worse.any():
                break
            # Where losses are all but equal, a longer gradient is rounding error.
            halved = np.where((norms > NEAR) & (share > LEAST_SHARE), share / 2, 0.0)
            share = np.where(worse, halved, share)
        parameters, losses, gradient, norms = moved, found, slopes, after
        going = (share > 0) & (norms > tolerance)
        if (share > 0).any():
            steps.append(_step(losses, gradient))
    return parameters


def _step(losses: Floats, gradient: Floats) -> Step:
    return Step(float(losses.sum()), float(np.linalg.norm(gradient)))


def _newton_step(problem: _Problem, gradient: Floats, enough: Floats) -> Floats:
    """Solve Hessian · step = gradient for each head, by conjugate gradients.

    Heads share the products with the features, but each has its own lengths of steps: five heads
    of 4,000 terms took 294 products to calibrate; as a single system, 494 for fewer exact digits.

    Args:
        problem: the heads, whose Hessians are those where the loss was computed last.
        gradient: of the problem's shape.
        enough: norms of the residual to stop at, shape (m,).
    """
    residual = direction = gradient
    step, squares = np.zeros_like(gradient), _dots(gradient, gradient)
    while (going := squares > enough**2).any():
        direction = np.where(going[:, None], direction, 0.0)
        product = problem.curvature(direction)
        length = _quotients(squares, _dots(direction, product), going)
        step = step + length * direction
        residual = residual - length * product
        before, squares = squares, _dots(residual, residual)
        direction = residual + _quotients(squares, before, going) * direction
    return step


def _dots(a: Floats, b: Floats) -> Floats:
    """Inner products by head of two arrays of a problem's shape, (m,)."""
    return np.asarray((a * b).sum(axis=(0, 2)))


def _quotients(a: Floats, b: Floats, where: NDArray[np.bool_]) -> Floats:
    """Divide where it is asked for; 0 elsewhere. Shape (m, 1)."""
    return np.divide(a, b, out=np.zeros(len(a)), where=where)[:, None]


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


def _coordinates(features: NDArray[Any]) -> tuple[Rows, Floats | None]:
    """Reduce the features to fewer with the same inner products if terms are few.

    The optimum lies in the span of the terms, and an orthonormal basis preserves the penalty.

    Returns:
        Features of shape (n, r), and the basis of shape (d, r); None for the identity.
    """
    n, d = features.shape
    if 2 * n > d:
        # As a plain array, of which a block takes 0.1 µs; of one that is mapped, 0.9 µs.
        return Rows(np.asarray(features), _lengths(features)), None
    basis, coordinates = qr(unit_length(features).T, mode="economic")
    return Rows(np.ascontiguousarray(coordinates.T), np.ones(n)), basis


def _to_grid(values: Floats) -> Floats:
    return np.rint(values / GRID) * GRID + 0.0  # no -0.0
