"""Intervals of proportions are those of published examples, and of scipy and statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from ballast.scores.proportions import (
    Bounds,
    clopper_pearson,
    mover,
    normal_quantile,
    tango,
    tango_statistic,
    wilson,
)

# Newcombe 1998 (Statistics in Medicine 17, 857-872), table I: successes, trials, and the bounds of
# his methods 3 (Wilson) and 5 (Clopper-Pearson).
SINGLE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("successes", "trials", "of_wilson", "exact"), SINGLE)
def test_proportions_are_newcombes_examples(
    successes: int, trials: int, of_wilson: tuple[float, float], exact: tuple[float, float]
) -> None:
    share = successes / trials
    assert wilson(share, trials) == pytest.approx(of_wilson, abs=5e-5)
    assert clopper_pearson(share, trials, 0.025, 0.025) == pytest.approx(exact, abs=5e-5)


@given(st.integers(1, 300), st.floats(0.5, 0.999), st.data())
def test_proportions_are_statsmodels_and_scipys(
    trials: int, confidence: float, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, trials))
    share, tail = successes / trials, (1 - confidence) / 2
    peer = proportion_confint(successes, trials, 1 - confidence, "wilson")
    assert wilson(share, trials, confidence) == pytest.approx(peer, abs=1e-9)
    exact = binomtest(successes, trials).proportion_ci(confidence, "exact")
    found = clopper_pearson(share, trials, tail, tail)
    assert found == pytest.approx((exact.low, exact.high), abs=1e-9)
    peer = proportion_confint(successes, trials, 1 - confidence, "beta")
    assert found == pytest.approx(peer, abs=1e-9)


def test_of_no_trials_nothing_is_known() -> None:
    assert np.ravel(wilson(0.0, 0)).tolist() == [0, 1]


# Fagerland, Lydersen and Laake 2017 (Statistical Analysis of Contingency Tables, section 8.6), as
# the R package contingencytables prints it: complete response to therapy (Cavo et al. 2012).
def test_tangos_interval_is_the_published_example() -> None:
    assert tango(16, 6, 161) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert tango(6, 16, 161) == pytest.approx((0.0054, 0.1240), abs=5e-5)


def test_tangos_interval_excludes_0_exactly_if_mcnemars_test_rejects() -> None:
    first, second = (array.ravel() for array in np.meshgrid(np.arange(41), np.arange(41)))
    for trials in range(1, 41):
        inside = first + second <= trials
        b, c = first[inside], second[inside]
        for confidence in (0.95, 0.99, 1 - 0.05 / 30):
            low, high = tango(b, c, trials, confidence)
            mcnemar = np.abs(c - b) / np.sqrt(np.maximum(b + c, 1))
            rejected = mcnemar > normal_quantile(confidence)
            assert np.array_equal((low > 0) | (high < 0), rejected)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 30), st.floats(0, 30), st.floats(0.5, 50))
def test_tangos_bounds_are_roots_of_the_score(b: float, c: float, others: float) -> None:
    trials, z = b + c + others, normal_quantile(0.95)
    low, high = tango(b, c, trials)
    assert -1 <= low <= (c - b) / trials <= high <= 1
    if low > -1:
        assert tango_statistic(b, c, trials, low) == pytest.approx(z, abs=1e-4)
    if high < 1:
        assert tango_statistic(b, c, trials, high) == pytest.approx(-z, abs=1e-4)
    mirrored = tango(c, b, trials)
    assert np.allclose((-mirrored.high, -mirrored.low), (low, high), rtol=0, atol=1e-9)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 40))
def test_the_score_at_0_is_mcnemars_z(b: int, c: int, others: int) -> None:
    found = tango_statistic(b, c, b + c + others, 0.0)
    assert found == pytest.approx((c - b) / (b + c) ** 0.5, abs=1e-9)


# Newcombe 1998 (Statistics in Medicine 17, 873-890), table II, method 10: two samples, and the
# bounds of their difference.
@pytest.mark.parametrize(
    ("first", "second", "bounds"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
    ],
)
def test_movers_difference_is_newcombes_examples(
    first: tuple[int, int], second: tuple[int, int], bounds: tuple[float, float]
) -> None:
    counts, trials = np.array([first, second]).T
    found = mover(counts / trials, wilson(counts / trials, trials), [1, -1])
    assert found == pytest.approx(bounds, abs=5e-5)
    peer = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    assert found == pytest.approx(peer, abs=1e-9)


def test_mover_of_symmetric_intervals_adds_variances() -> None:
    values, half = np.array([0.5, 0.2, 0.3]), np.array([0.3, 0.4, 1.2])
    found = mover(values, Bounds(values - half, values + half), np.full(3, 1 / 3))
    assert found == pytest.approx((1 / 3 - 1.3 / 3, 1 / 3 + 1.3 / 3))


@given(st.floats(0, 1))
def test_mover_takes_correlation_from_a_difference_and_adds_it_to_a_sum(r: float) -> None:
    values, half = np.array([0.5, 0.2]), np.array([0.3, 0.4])
    bounds = Bounds(values - half, values + half)
    apart, together = (mover(values, bounds, [1, sign], r) for sign in (-1, 1))
    assert apart.high - 0.3 == pytest.approx((0.25 - 0.24 * r) ** 0.5)
    assert together.high - 0.7 == pytest.approx((0.25 + 0.24 * r) ** 0.5)
