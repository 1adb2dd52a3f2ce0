"""Intervals of a strategy hold the truth, whatever its groups and trainings."""

import numpy as np
import pytest
from confusion import predictions
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from ballast.scores.estimates import strategy_intervals
from ballast.scores.intervals import UNDEFINED, unpacked
from ballast.scores.judged import Judged, judged_by
from ballast.scores.metrics import compute_metrics


def alone(right: list[int], photographs: list[int], trainings: int = 1) -> Judged:
    """Of each class, so many of its photographs are right; the others go to the next class."""
    k = len(photographs)
    true = np.repeat(np.arange(k), photographs)
    places = np.concatenate([np.arange(n) for n in photographs])
    guesses = np.where(places < np.repeat(right, photographs), true, (true + 1) % k)
    classes = [f"class{i}" for i in range(k)]
    return Judged(classes, true, np.arange(len(true)), np.tile(guesses, (trainings, 1)))


@given(st.integers(0, 2**32 - 1))
def test_the_values_are_those_of_metrics_json(seed: int) -> None:
    matrix = np.random.default_rng(seed).integers(0, 4, (3, 3)) + np.eye(3, 3, -1, int)
    found = predictions(matrix.tolist())
    metrics = compute_metrics(found)
    for name, class_, interval in unpacked(strategy_intervals(judged_by([found]))):
        value = metrics[name][class_] if class_ else metrics[name]
        assert interval.value == (value if value is None else pytest.approx(value, abs=1e-12))
        if value is not None:
            assert interval.low is not None
            assert interval.high is not None
            assert -1e-12 <= interval.low <= value + 1e-12
            assert value - 1e-12 <= interval.high <= 1 + 1e-12


def test_independent_photographs_of_one_model_have_the_exact_interval() -> None:
    found = strategy_intervals(alone([9, 12, 30], [10, 20, 30]))
    exact = binomtest(9, 10).proportion_ci(method="exact")
    assert found.recall["class0"] == pytest.approx((0.9, exact.low, exact.high), abs=1e-9)
    accuracy = binomtest(51, 60).proportion_ci(method="wilson")
    assert found.accuracy == pytest.approx((0.85, accuracy.low, accuracy.high), abs=1e-9)
    # F1 of class2 is 60 / 68, of 30 hits, none missed, and 8 of class1.
    jaccard = binomtest(30, 38).proportion_ci(method="exact")
    bounds = [2 * bound / (1 + bound) for bound in (jaccard.low, jaccard.high)]
    assert found.f1["class2"] == pytest.approx((60 / 68, *bounds), abs=1e-9)


def test_ten_of_ten_are_not_taken_for_certainty() -> None:
    found = strategy_intervals(alone([10, 10, 10], [10, 10, 10]))
    for interval in (found.balanced_accuracy, found.macro_f1, found.accuracy):
        assert interval.value == interval.high == 1
        assert interval.low is not None
        assert 0.8 < interval.low < 0.95


def test_groups_make_intervals_wider() -> None:
    single = alone([30, 32], [40, 40])
    grouped = single._replace(groups=np.arange(80) // 8)
    for (*_, narrow), (*_, wide) in zip(
        unpacked(strategy_intervals(single)), unpacked(strategy_intervals(grouped)), strict=True
    ):
        assert wide.low is not None
        assert wide.high is not None
        assert narrow.low is not None
        assert narrow.high is not None
        assert wide.low < narrow.low
        assert wide.high > narrow.high


def test_trainings_that_differ_make_intervals_wider() -> None:
    same = alone([100, 160], [200, 200], trainings=3)
    apart = same._replace(
        predicted=np.concatenate(
            [alone([right, 160], [200, 200]).predicted for right in (80, 100, 120)]
        )
    )
    narrow, wide = (
        strategy_intervals(same).recall["class0"],
        strategy_intervals(apart).recall["class0"],
    )
    assert narrow.value == wide.value == 0.5
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low - 0.1


def test_the_lowest_recall_may_be_that_of_any_class() -> None:
    clear = strategy_intervals(alone([20, 40, 40], [40, 40, 40]))
    assert clear.worst_class_recall == clear.recall["class0"]
    alike = strategy_intervals(alone([20, 20, 20], [40, 40, 40]))
    assert alike.worst_class_recall.low == alike.recall["class0"].low
    assert alike.worst_class_recall.high is not None
    assert alike.recall["class0"].high is not None
    assert alike.worst_class_recall.high > alike.recall["class0"].high


def test_a_class_without_photographs_has_no_figures() -> None:
    found = strategy_intervals(alone([3, 4, 0], [5, 6, 0]))
    assert {of["class2"] for of in (found.recall, found.precision, found.f1)} == {UNDEFINED}


def test_of_a_class_never_predicted_nothing_is_known_of_the_precision() -> None:
    found = strategy_intervals(alone([0, 5], [4, 5]))
    assert found.precision["class0"] == (0, 0, 1)
