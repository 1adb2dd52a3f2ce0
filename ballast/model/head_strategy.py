"""Fitting a linear head to training images with a strategy."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.balance.priors import class_priors
from ballast.core.manifest import AugmentedRow, Row
from ballast.core.params import Strategy
from ballast.model.head_fitting import Head, fit_head, held_out_probabilities
from ballast.model.logits import Floats

# Rounding grows on the way to the optimum: between five OpenBLAS kernels, gradient norms above this
# differed by at most 1e-9 of their size, those of 1e-4 by 3e-5 and those of 1e-6 by up to 40 %.
LEAST_NORM = 1e-3


class Terms(NamedTuple):
    """The n training images that a head is fitted to."""

    features: NDArray[Any]  # shape (n, d)
    labels: NDArray[np.int64]  # class indices, shape (n,)
    groups: NDArray[np.int64]  # of the photographs that they were made from, shape (n,)


def fit_probe(terms: Terms, class_weights: NDArray[np.float64], strategy: Strategy) -> Head:
    """Fit a head with a strategy.

    Balancing methods mean the same as in the loss of a network: class weights weight the terms;
    balanced batches give every class the same total weight; logit adjustment shifts the logits in
    training; oversampled images are additional terms. With `balanced_val`, every class has the same
    weight when the strength of the penalty is chosen; otherwise every group has.

    Args:
        terms: at least one image of each class.
        class_weights: shape (k,).
        strategy: balanced_batches, logit_adjustment and balanced_val are used.
    """
    return fit_head(*_weighted(terms, class_weights, strategy), balanced=strategy.balanced_val)


def held_out(
    terms: Terms,
    class_weights: NDArray[np.float64],
    strategy: Strategy,
    head: Head,
    asked: NDArray[np.int64],
) -> Floats:
    """Predict some terms, each with a head like `head` that was not fitted to its fold.

    Args:
        terms: as in fit_probe.
        class_weights: as in fit_probe.
        strategy: as in fit_probe.
        head: what fit_probe made of them.
        asked: places of the terms to predict, shape (p,).

    Returns:
        Probabilities, shape (p, k); rows of NaN for terms that could not be held out.
    """
    arguments = _weighted(terms, class_weights, strategy)
    return held_out_probabilities(*arguments, head.calibration, asked)


def _weighted(
    terms: Terms, class_weights: NDArray[np.float64], strategy: Strategy
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
    """Features, labels and groups of the terms, their weights, and the offsets of the logits."""
    counts = np.bincount(terms.labels, minlength=len(class_weights))
    shares = class_priors(terms.labels, class_weights, balanced=strategy.balanced_batches)
    return (
        terms.features,
        terms.labels,
        terms.groups,
        (shares / counts)[terms.labels],
        strategy.logit_adjustment * np.log(shares),
    )


def source_groups(images: Sequence[AugmentedRow], rows: Sequence[Row]) -> NDArray[np.int64]:
    """Number the groups of the photographs that training images were made from; shape (n,).

    Args:
        images: n training images.
        rows: rows of the manifest.
    """
    groups = {row.path: row.group for row in rows}
    names = np.array([groups[image.source] for image in images])
    _, numbers = np.unique(names, return_inverse=True)
    return np.asarray(numbers, dtype=np.int64)


def photograph_terms(images: Sequence[AugmentedRow], rows: Sequence[Row]) -> NDArray[np.int64]:
    """Find the places of photographs among the training images, which hold variants, too.

    Args:
        images: training images.
        rows: n of the photographs that they were made from.

    Returns:
        Shape (n,), in the order of the photographs.
    """
    places = {image.source: place for place, image in enumerate(images) if image.round_ == 0}
    return np.array([places[row.path] for row in rows], dtype=np.int64)


def solver_history(head: Head) -> dict[str, list[float]]:
    """Columns of a head in outputs/history.csv: one value per iteration of the solver.

    They end with the first gradient norm of LEAST_NORM or less, which is written as LEAST_NORM,
    since the solver's last steps depend on the processor; the optimum does not. Losses have three
    significant digits, and norms one.
    """
    steps = head.steps
    reached = (place for place, step in enumerate(steps) if step.gradient_norm <= LEAST_NORM)
    last = next(reached, len(steps) - 1)
    norms = [max(step.gradient_norm, LEAST_NORM) for step in steps[: last + 1]]
    return {
        "loss": [float(f"{step.loss:.3g}") for step in steps[: last + 1]],
        "gradient_norm": [float(f"{norm:.1g}") for norm in norms],
    }


def head_choice(head: Head) -> dict[str, Any]:
    """Entry of a head in outputs/training.json: how it was chosen and calibrated."""
    chosen = head.calibration
    losses = {f"{strength:g}": loss for strength, loss in chosen.losses.items()}
    return {**chosen._asdict(), "losses": losses}
