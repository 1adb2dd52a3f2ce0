"""The solver finds the optimum from everywhere, with few products."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from ballast.model import head_solver
from ballast.model.head_loss import Problem, coordinates
from ballast.model.head_solver import Step, sketched, solved
from ballast.model.logits import Floats

PENALTY, TOLERANCE = 1e-6, 1e-11


class Solution(NamedTuple):
    """Where the solver ended, and how."""

    parameters: Floats
    steps: list[Step]
    losses: int  # how often the loss was computed
    products: int  # with the Hessian


@pytest.fixture
def solve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Solution]:
    """Fit two heads, the first without a third of the terms, and count the products."""
    calls: list[str] = []
    for name in ("loss", "curvature"):
        method = getattr(Problem, name)

        def counted(
            self: Problem, at: Floats, name: str = name, method: Callable[..., Floats] = method
        ) -> Floats:
            calls.append(name)
            return method(self, at)

        monkeypatch.setattr(Problem, name, counted)

    def found(n: int = 600, start: Floats | None = None, penalty: float = PENALTY) -> Solution:
        problem = two_heads(n, penalty)
        calls.clear()
        steps: list[Step] = []
        begin = np.zeros(problem.shape) if start is None else start
        parameters = solved(problem, sketched(problem.x), begin, TOLERANCE, steps)
        return Solution(parameters, steps, calls.count("loss"), calls.count("curvature"))

    return found


def two_heads(n: int, penalty: float) -> Problem:
    """Separable classes of 100 features, of which a few differ much more than the others."""
    random = np.random.default_rng(5)
    labels = np.arange(n) % 3
    spread = 1 / (1 + np.arange(100.0))
    features = np.abs(random.normal(0, spread, (n, 100)) + 0.2 * np.eye(3, 100)[labels])
    weights = np.ones((n, 2))
    weights[: n // 3, 0] = 0
    return Problem(coordinates(features)[0], labels, weights, np.zeros(3), penalty)


def test_the_last_gradient_is_nearly_nothing_and_losses_fall(
    solve: Callable[..., Solution],
) -> None:
    found = solve()
    assert found.steps[-1].gradient_norm < 2 * TOLERANCE
    losses = [step.loss for step in found.steps]
    assert all(later < earlier + 1e-12 for earlier, later in pairwise(losses))


def test_a_step_that_goes_too_far_is_halved(solve: Callable[..., Solution]) -> None:
    # So far away nearly all probabilities are 0 or 1, and the loss has next to no curvature.
    far = 300 * np.random.default_rng(1).normal(size=(3, 2, 101))
    near, halved = solve(penalty=1e-3), solve(start=far, penalty=1e-3)
    assert near.losses == len(near.steps)
    assert halved.losses > len(halved.steps)
    losses = [step.loss for step in halved.steps]
    assert all(later < earlier + 1e-12 for earlier, later in pairwise(losses))
    assert halved.parameters == pytest.approx(near.parameters, abs=1e-6)


def test_a_number_added_to_all_classes_is_taken_away(solve: Callable[..., Solution]) -> None:
    raised = np.ones((3, 2, 101))
    assert solve(start=raised).parameters == pytest.approx(solve().parameters, abs=1e-6)


@pytest.mark.parametrize(("sample", "directions"), [(600, 100), (600, 8), (50, 64), (1, 1)])
def test_the_optimum_does_not_depend_on_the_sketch(
    solve: Callable[..., Solution], monkeypatch: pytest.MonkeyPatch, sample: int, directions: int
) -> None:
    usual = solve()
    monkeypatch.setattr(head_solver, "SAMPLE", sample)
    monkeypatch.setattr(head_solver, "DIRECTIONS", directions)
    assert solve().parameters == pytest.approx(usual.parameters, abs=1e-6)


def test_a_sketch_saves_most_products(
    solve: Callable[..., Solution], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = solve()
    monkeypatch.setattr(head_solver, "DIRECTIONS", 1)
    assert usual.products < solve().products / 2


def test_more_terms_and_a_weaker_penalty_need_no_more_products(
    solve: Callable[..., Solution], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_solver, "SAMPLE", 1_000)
    few, many = solve(1_000, penalty=1e-5), solve(8_000, penalty=1e-5 / 8)
    assert many.products < 1.2 * few.products
