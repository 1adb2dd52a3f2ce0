"""Newton's method for linear heads, several at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, qr

from ballast.model.head_loss import Problem, Rows, dots
from ballast.model.logits import Floats

# Terms and directions that the preconditioner is made of. Five heads of 16,000 terms, of made
# photographs, took 322 products with the features without it, 79 with these, and 107 with 2,048
# terms; five heads of 32,000 terms took 271, 67 with these, 80 with 32 and 59 with 128 directions.
SAMPLE, DIRECTIONS = 2**13, 64
ROUNDS = 2  # of power iteration; with 3, the products were as many
NEAR = 1e-7  # the norm of a gradient below which float64 hardly distinguishes losses
# A head moves by a share of Newton's step that lowers its loss by SLOPE of what the gradient
# promises, or else it stays where it is.
SLOPE, LEAST_SHARE = 1e-4, 2.0**-30
FLAT = 1e-3  # of the penalty: where the loss is curved less, as far from its optimum, a step ends


class Step(NamedTuple):
    """An iteration of the solver."""

    loss: float  # nats, the penalty included
    gradient_norm: float


class Sketch(NamedTuple):
    """A sample of terms, in the directions in which their features differ most."""

    every: int  # the first of so many terms is in the sample
    directions: Floats  # orthonormal, shape (d, r)
    inside: Floats  # the sample along them and, last, ones for the bias; shape (r + 1, sample)
    outside: float  # mean square of a further feature, at most


def sketched(x: Rows) -> Sketch:
    """Take every so many terms, and find the directions by power iteration from fixed ones.

    A few rounds leave directions that hardly depend on rounding errors, as eigenvectors of nearly
    equal eigenvalues would (Halko et al. 2011, arXiv:0909.4061, algorithm 4.4).
    """
    n, d = x.features.shape
    every = -(-n // SAMPLE)
    rows = slice(0, n, every)
    found = np.random.default_rng(0).normal(size=(d, min(d, DIRECTIONS)))
    for _ in range(ROUNDS):
        found = qr(x.summed(x.times(found.T, rows), rows).T, mode="economic")[0]
    inside = x.times(found.T, rows)
    squares = np.square(inside).mean(axis=1)
    ones = np.ones((1, inside.shape[1]))
    outside = float(squares.min()) if d > DIRECTIONS else 0.0
    return Sketch(every, found, np.concatenate([inside, ones]), outside)


def solved(
    problem: Problem, sketch: Sketch, start: Floats, tolerance: float, steps: list[Step]
) -> Floats:
    """Find the optimum of each head by Newton's method; append the iterations to `steps`.

    Args:
        problem: the heads to fit.
        sketch: of the problem's features.
        start: where to start, of the problem's shape.
        tolerance: norm of a head's gradient to stop at, unless rounding errors stop it before.
        steps: its losses and norms are of all heads together.
    """
    parameters = start
    losses, gradient = problem.loss(parameters)
    steps.append(_step(losses, gradient))
    norms = np.sqrt(dots(gradient, gradient))
    going = norms > tolerance
    while going.any():
        # Nocedal and Wright 2006, eq. 7.3, of which 1e-3 is enough where it would be less.
        enough = np.clip(np.sqrt(norms), 1e-3, 0.5) * norms
        step = _newton_step(problem, sketch, gradient, np.where(going, enough, np.inf))
        promised = SLOPE * dots(gradient, step)
        share = going.astype(np.float64)
        while True:
            moved = parameters - share[:, None] * step
            found, there = problem.loss(moved)
            after = np.sqrt(dots(there, there))
            lower = found <= losses - share * promised
            # Where losses are all but equal, a longer gradient is rounding error.
            near = norms <= NEAR
            worse = (share > 0) & ~lower & ~(near & (after <= norms / 2))
            if not worse.any():
                break
            halved = np.where(~near & (share > LEAST_SHARE), share / 2, 0.0)
            share = np.where(worse, halved, share)
        parameters, losses, gradient, norms = moved, found, there, after
        going = (share > 0) & (norms > tolerance)
        if (share > 0).any():
            steps.append(_step(losses, gradient))
    return parameters


def _step(losses: Floats, gradient: Floats) -> Step:
    return Step(float(losses.sum()), float(np.linalg.norm(gradient)))


def _newton_step(problem: Problem, sketch: Sketch, gradient: Floats, enough: Floats) -> Floats:
    """Solve Hessian · step = gradient for each head, by preconditioned conjugate gradients.

    Heads share the products with the features, but each has its own lengths of steps. Without the
    preconditioner, five heads of 4,000 terms took 294 products to calibrate; as a single system,
    494 for fewer exact digits.

    Args:
        problem: the heads, whose Hessians are those where the loss was computed last.
        sketch: of the problem's features.
        gradient: of the problem's shape.
        enough: norms of the residual to stop at, shape (m,).
    """
    precondition = _preconditioner(problem, sketch)
    residual, step, squares = gradient, np.zeros_like(gradient), dots(gradient, gradient)
    direction = nearly = precondition(residual)
    left = dots(residual, nearly)
    going = squares > enough**2
    while going.any():
        direction = np.where(going[:, None], direction, 0.0)
        product = problem.curvature(direction)
        curved = dots(direction, product)
        least = FLAT * problem.penalty * dots(direction, direction)
        length = _quotients(left, np.maximum(curved, least), going)
        step = step + length * direction
        residual = residual - length * product
        nearly, squares = precondition(residual), dots(residual, residual)
        going &= (squares > enough**2) & (curved > least)
        before, left = left, dots(residual, nearly)
        direction = nearly + _quotients(left, before, going) * direction
    return step


def _preconditioner(problem: Problem, sketch: Sketch) -> Callable[[Floats], Floats]:
    """Return a function that divides by an estimate of the Hessian of any of the heads.

    The estimate is made of the sketch, with the probabilities where the loss was computed last; it
    neglects what one class's slopes change in another's gradient. As the sample does not grow with
    the terms, nor does the number of products: Frangella et al. 2023, arXiv:2110.02820.
    """
    weights = problem.curvatures(sketch.every)
    weights *= len(problem.labels) / weights.shape[1]
    penalty = problem.penalty * np.eye(len(sketch.inside))
    factors = [cho_factor((of * sketch.inside) @ sketch.inside.T + penalty) for of in weights]
    rest = (problem.penalty + sketch.outside * weights.sum(axis=1))[:, None, None]
    # Of numbers added to all classes alike, which change no probability, the Hessian is this.
    alike = np.full(problem.shape[2], problem.penalty)
    alike[-1] = 1.0

    def divided(gradient: Floats) -> Floats:
        mean = gradient.mean(axis=0)
        centred = gradient - mean
        slopes, biases = centred[..., :-1], centred[..., -1:]
        along = slopes @ sketch.directions
        both = np.concatenate([along, biases], axis=2)
        inside = np.stack([cho_solve(of, row.T).T for of, row in zip(factors, both, strict=True)])
        outside = (slopes - along @ sketch.directions.T) / rest
        slopes = outside + inside[..., :-1] @ sketch.directions.T
        found = np.concatenate([slopes, inside[..., -1:]], axis=2)
        return np.asarray(found - found.mean(axis=0) + mean / alike)

    return divided


def _quotients(a: Floats, b: Floats, where: NDArray[np.bool_]) -> Floats:
    """Divide where it is asked for; 0 elsewhere. Shape (m, 1)."""
    return np.divide(a, b, out=np.zeros(len(a)), where=where)[:, None]
