"""Photographs of a group, and trainings, count as many as they are worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from ballast.scores.effective import (
    CAUTION,
    averaging,
    effective_trials,
    group_sums,
    intraclass_correlation,
    training_half_width,
    training_variance,
    variance_of_sum,
)
from ballast.scores.proportions import wilson

GROUPS = np.repeat(np.arange(100), 4)
ONE_CLASS = np.zeros(400, np.int64)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=12))
def test_sums_are_those_of_each_group(photographs: list[tuple[int, float]]) -> None:
    groups = np.array([group for group, _ in photographs])
    values = np.array([value for _, value in photographs])
    expected = [values[groups == group].sum() for group in np.unique(groups)]
    assert sorted(group_sums(values, groups)) == pytest.approx(sorted(expected))


def test_photographs_of_a_group_that_are_alike_count_as_one() -> None:
    right = np.random.default_rng(0).integers(0, 2, 100).astype(float)[GROUPS]
    correlation = intraclass_correlation(right, ONE_CLASS, GROUPS)
    assert correlation == pytest.approx(1)
    assert 400**2 / variance_of_sum(np.ones(400), GROUPS, correlation) == pytest.approx(
        100, rel=0.02
    )


def test_photographs_of_a_group_that_are_independent_count_almost_in_full() -> None:
    right = np.random.default_rng(0).integers(0, 2, (200, 400)).astype(float)
    correlation = intraclass_correlation(right, ONE_CLASS, GROUPS)
    assert correlation.mean() == pytest.approx(CAUTION / 100, abs=0.04)


def test_few_groups_that_tell_nothing_are_taken_for_alike() -> None:
    assert intraclass_correlation(np.ones(8), ONE_CLASS[:8], GROUPS[:8]) == 1


def test_single_photographs_are_independent() -> None:
    groups = np.arange(5)
    correlation = intraclass_correlation(np.array([1.0, 0, 1, 1, 0]), np.zeros(5, np.int64), groups)
    assert variance_of_sum(np.ones(5), groups, correlation) == 5


def test_a_single_training_adds_nothing() -> None:
    assert training_variance(np.array([[0.7]])) == 0
    assert training_half_width(np.array([[0.7]]), 0.95) == 0
    trials = effective_trials(np.array(0.21), np.array(40.0), np.array(0.0), 1, 0.95)
    assert trials == 40
    assert averaging(np.array([1.0, 0.0]), np.zeros(2, np.int64), 1) == 1


def test_trainings_have_the_interval_of_students_t() -> None:
    figures = np.array([0.7, 0.8, 0.75, 0.9, 0.6])
    low, high = t.interval(0.95, 4, figures.mean(), figures.std(ddof=1) / 5**0.5)
    assert training_half_width(figures, 0.95) == pytest.approx((high - low) / 2, abs=1e-9)


def test_of_endless_photographs_the_trainings_remain() -> None:
    figures = np.array([0.5, 0.55, 0.45, 0.52, 0.48])
    trials = effective_trials(np.array(0.25), np.array(1e9), training_variance(figures), 5, 0.95)
    low, high = wilson(0.5, trials)
    assert (high - low) / 2 == pytest.approx(float(training_half_width(figures, 0.95)), rel=0.01)


def test_trainings_that_agree_tell_no_more_than_one() -> None:
    classes = np.zeros(2000, np.int64)
    agreed = np.random.default_rng(0).integers(0, 2, 2000).astype(float)
    assert averaging(agreed, classes, 5) == 1
    at_random = np.random.default_rng(0).binomial(5, 0.5, 2000) / 5
    assert averaging(at_random, classes, 5) == pytest.approx(0.2, abs=0.02)
