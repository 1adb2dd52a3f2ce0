"""The best of several strategies is too good by as much as luck makes it."""

import numpy as np
import pytest

from ballast.comparison.optimism import optimism
from ballast.scores.judged import Judged

TRUE = np.repeat(np.arange(3), 40)


def drawn(recalls: list[float], generator: np.random.Generator) -> list[Judged]:
    right = generator.random((len(recalls), 1, len(TRUE))) < np.array(recalls)[:, None, None]
    guesses = np.where(right, TRUE, (TRUE + 1) % 3)
    return [Judged(["a", "b", "c"], TRUE, np.arange(len(TRUE)), of) for of in guesses]


def balanced(judged: Judged) -> float:
    return float(np.mean([(judged.predicted[:, c == TRUE] == c).mean() for c in range(3)]))


def test_six_equal_strategies_have_the_excess_of_their_maximum() -> None:
    generator = np.random.default_rng(0)
    excess, estimated = [], []
    for _ in range(100):
        strategies = drawn([0.8] * 6, generator)
        excess.append(max(map(balanced, strategies)) - 0.8)
        estimated.append(optimism(strategies, seed=0, draws=300))
    assert np.mean(estimated) == pytest.approx(np.mean(excess), abs=0.01)
    assert 0.03 < np.mean(excess) < 0.07


def test_a_clear_winner_owes_nothing_to_luck() -> None:
    strategies = drawn([0.3, 0.95, 0.3], np.random.default_rng(0))
    assert optimism(strategies, seed=0) < 0.005


def test_a_single_strategy_has_no_competitors() -> None:
    assert optimism(drawn([0.8], np.random.default_rng(0)), seed=0) == 0


def test_equal_predictions_leave_no_choice() -> None:
    one = drawn([0.8], np.random.default_rng(0))[0]
    assert optimism([one, one, one], seed=0) == pytest.approx(0, abs=0.002)
