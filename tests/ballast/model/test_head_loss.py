"""Gradient and curvature are the derivatives of the loss, however the features are blocked."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax

from ballast.model import head_loss
from ballast.model.head_loss import Problem, coordinates, dots, unit_length
from ballast.model.logits import Floats

RANDOM = np.random.default_rng(3)
FEATURES = RANDOM.integers(0, 60_000, (50, 12)).astype(np.uint16)
LABELS = np.arange(50) % 3
WEIGHTS = RANDOM.random((50, 2))
OFFSETS = np.array([0.5, -1.0, 0.0])
PENALTY, STEP = 1e-2, 1e-5
AT, CHANGE = RANDOM.normal(size=(2, 3, 2, 13))


@pytest.fixture(params=["at once", "in parts", "in parts, nothing held"])
def problem(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Problem:
    """Two heads with a bias, 3 classes and 12 features."""
    if request.param != "at once":
        monkeypatch.setattr(head_loss, "BLOCK", 7)
        monkeypatch.setattr(head_loss, "PART", 16)
    if request.param == "in parts, nothing held":
        monkeypatch.setattr(head_loss, "HELD", 0)
    return Problem(coordinates(FEATURES)[0], LABELS, WEIGHTS, OFFSETS, PENALTY)


def centred(parameters: Floats) -> Floats:
    """Biases that sum to 0, of which the loss says no more than in the module's formula."""
    found = parameters.copy()
    found[..., -1] -= found[..., -1].mean(axis=0)
    return found


def test_the_loss_is_that_of_the_formula(problem: Problem) -> None:
    losses, _ = problem.loss(centred(AT))
    for head, loss in enumerate(losses):
        slopes, bias = centred(AT)[:, head, :-1], centred(AT)[:, head, -1]
        logs = log_softmax(unit_length(FEATURES) @ slopes.T + bias + OFFSETS, axis=1)
        mean = np.average(-logs[np.arange(50), LABELS], weights=WEIGHTS[:, head])
        assert loss == pytest.approx(mean + PENALTY / 2 * np.square(slopes).sum())


def test_the_gradient_is_the_slope_of_the_loss(problem: Problem) -> None:
    (up, _), (down, _) = (problem.loss(AT + sign * STEP * CHANGE) for sign in (1, -1))
    _, gradient = problem.loss(AT)
    assert dots(gradient, CHANGE) == pytest.approx((up - down) / (2 * STEP), rel=1e-6)


def test_the_curvature_is_the_slope_of_the_gradient(problem: Problem) -> None:
    (_, up), (_, down) = (problem.loss(AT + sign * STEP * CHANGE) for sign in (1, -1))
    problem.loss(AT)
    assert problem.curvature(CHANGE) == pytest.approx((up - down) / (2 * STEP), abs=1e-8)


@pytest.mark.parametrize("every", [1, 3])
def test_curvatures_make_up_a_class_s_own_part_of_the_hessian(problem: Problem, every: int) -> None:
    problem.loss(AT)
    of_terms = problem.curvatures(every)
    assert of_terms.shape == (3, len(LABELS[::every]))
    # A change of the bias of a class only; the formula has no penalty on biases that sum to 0.
    for place in range(3):
        change = np.zeros_like(CHANGE)
        change[place, :, -1] = 1
        own = problem.curvature(change)[place, :, -1].mean() - 1 / 3
        if every == 1:
            assert of_terms[place].sum() == pytest.approx(own)
        else:
            assert of_terms[place] == pytest.approx(problem.curvatures(1)[place][::every])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_products_with_rows_are_those_with_unit_vectors(dtype: type) -> None:
    x, _ = coordinates(FEATURES.astype(dtype))
    unit: NDArray[Any] = unit_length(FEATURES)
    slopes, rows = RANDOM.normal(size=(5, 12)), slice(0, 50, 4)
    assert x.times(slopes, rows) == pytest.approx(slopes @ unit[rows].T)
    weights = RANDOM.normal(size=(5, 13))
    assert x.summed(weights, rows) == pytest.approx(weights @ unit[rows])


def test_few_terms_have_as_many_coordinates_with_the_same_inner_products() -> None:
    few = FEATURES[:5]
    x, basis = coordinates(few)
    assert basis is not None
    assert basis.shape == (12, 5)
    unit = unit_length(few)
    assert x.features @ x.features.T == pytest.approx(unit @ unit.T)
    assert x.features @ basis.T == pytest.approx(unit)


def test_a_row_of_zeros_stays_so() -> None:
    assert np.array_equal(unit_length(np.zeros((1, 3))), np.zeros((1, 3)))
