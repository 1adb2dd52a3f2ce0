"""Differences, p values and words come from one method, and keep their error rate."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm, t
from statsmodels.stats.contingency_tables import mcnemar

from ballast.comparison.contrasts import (
    Contrast,
    Decision,
    Discordance,
    contrast,
    contrasts,
    difference,
    excludes_zero,
    photographs_needed,
)
from ballast.scores.judged import Judged
from ballast.scores.proportions import tango


def pair(tables: list[tuple[int, int, int]], group: int = 1) -> tuple[Judged, Judged]:
    """By class: only the reference right, only the other, both."""
    k = len(tables)
    true = np.repeat(np.arange(k), [sum(table) for table in tables])
    first = np.concatenate([np.repeat([1, 0, 1], table) for table in tables])
    second = np.concatenate([np.repeat([0, 1, 1], table) for table in tables])
    classes = [f"class{i}" for i in range(k)]
    groups = np.arange(len(true)) // group
    one, other = (
        Judged(classes, true, groups, np.where(right, true, (true + 1) % k)[None])
        for right in (first, second)
    )
    return one, other


def discordance(only_reference: int, only_this: int, photographs: int) -> Discordance:
    shares = np.array([only_reference, only_this]) / photographs
    return Discordance(shares[0], shares[1], np.array(float(photographs)), np.array(0.0), 1)


def consistent(of: Contrast, tests: int) -> bool:
    return (
        (of.decision is Decision.NONE) != excludes_zero(of.interval)
        and excludes_zero(of.interval) == (of.p_value < 0.05)
        and excludes_zero(of.corrected) == (of.p_value < 0.05 / tests)
        and (of.decision is not Decision.SIGNIFICANT or excludes_zero(of.corrected))
    )


def test_a_recall_has_tangos_interval_and_mcnemars_p_value() -> None:
    found = contrasts(*pair([(16, 6, 139), (1, 1, 40)]))
    recall = found.recall["class0"]
    assert recall is not None
    expected = np.ravel(tango(16, 6, 161))
    assert recall.interval == pytest.approx((-10 / 161, *expected), abs=1e-9)
    assert recall.corrected[1:] == pytest.approx(np.ravel(tango(16, 6, 161, 0.975)), abs=1e-9)
    peer = mcnemar([[0, 16], [6, 139]], exact=False, correction=False)
    assert recall.p_value == pytest.approx(peer.pvalue, abs=1e-9)
    assert recall.p_value_corrected == pytest.approx(2 * peer.pvalue, abs=1e-9)
    assert recall.discordant == pytest.approx(22)
    assert found.metrics.recall["class0"] == recall.interval


def test_three_discordant_photographs_are_nothing() -> None:
    assert contrast(discordance(0, 3, 40), 1).decision is Decision.NONE


def test_five_discordant_photographs_are_a_hint_and_six_significant() -> None:
    assert contrast(discordance(0, 5, 40), 1).decision is Decision.HINT
    assert contrast(discordance(0, 6, 40), 1).decision is Decision.SIGNIFICANT


def test_what_is_significant_alone_is_a_hint_among_many() -> None:
    assert contrast(discordance(0, 6, 40), 10).decision is Decision.HINT


def test_an_overall_claim_needs_photographs_of_every_class() -> None:
    one, other = pair([(0, 20, 20), (0, 20, 20)])
    assert contrasts(one, other).balanced_accuracy.decision is Decision.SIGNIFICANT
    lacking = [of._replace(classes=[*of.classes, "rare"]) for of in (one, other)]
    found = contrasts(lacking[0], lacking[1])
    assert found.balanced_accuracy.decision is Decision.HINT
    assert found.accuracy.decision is Decision.HINT
    assert found.recall["rare"] is None
    assert found.recall["class0"] is not None


def test_photographs_of_five_groups_are_never_significant() -> None:
    recall = contrasts(*pair([(0, 40, 0), (0, 0, 40)], group=8)).recall["class0"]
    assert recall is not None
    assert recall.discordant == pytest.approx(5, rel=0.01)
    assert recall.decision is not Decision.SIGNIFICANT


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 12)] * 3).filter(any), min_size=2, max_size=4),
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_words_intervals_and_p_values_never_contradict_one_another(
    tables: list[tuple[int, int, int]], group: int, strategies: int, trainings: int, seed: int
) -> None:
    one, other = pair(tables, group)
    generator = np.random.default_rng(seed)
    noisy = [
        of._replace(
            predicted=np.where(generator.random((trainings, of.true.size)) < 0.9, of.predicted, 0)
        )
        for of in (one, other)
    ]
    found = contrasts(noisy[0], noisy[1], strategies)
    assert consistent(found.accuracy, strategies)
    assert consistent(found.balanced_accuracy, strategies)
    tests = strategies * len(tables)
    assert all(of is None or consistent(of, tests) for of in found.recall.values())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_strategies_changes_the_sign_alone(seed: int) -> None:
    generator = np.random.default_rng(seed)
    one, other = pair([(5, 9, 11), (3, 2, 8)], group=2)
    one, other = (of._replace(predicted=generator.integers(0, 2, (3, 38))) for of in (one, other))
    there, back = contrasts(one, other), contrasts(other, one)
    for a, b in (
        (there.accuracy, back.accuracy),
        (there.balanced_accuracy, back.balanced_accuracy),
    ):
        assert a.decision is b.decision
        assert a.p_value == pytest.approx(b.p_value, abs=1e-9)
        low, high = a.interval.low, a.interval.high
        assert low is not None
        assert high is not None
        assert b.interval[1:] == pytest.approx((-high, -low), abs=1e-9)


def test_trainings_widen_the_interval_by_students_t() -> None:
    of = Discordance(np.array(0.23), np.array(0.26), np.array(1e9), np.array(1e-4), 5)
    # The trainings' standard error is 0.01, and t(0.975) of 4 degrees of freedom 2.776.
    _, low, high = difference(of)
    assert (high - low) / 2 == pytest.approx(0.02776, rel=0.01)
    assert contrast(of, 1).p_value == pytest.approx(2 * t.sf(3, 4), abs=1e-6)


def test_other_photographs_or_trainings_are_refused() -> None:
    one, other = pair([(1, 2, 3), (1, 1, 1)])
    with pytest.raises(ValueError, match="different photographs"):
        contrasts(one, other._replace(true=other.true[::-1]))
    with pytest.raises(ValueError, match="numbers of trainings"):
        contrasts(one, other._replace(predicted=np.tile(other.predicted, (2, 1))))


def test_the_number_of_photographs_is_connors() -> None:
    needed = photographs_needed(discordance(2, 8, 40), 1)
    z, power, share, d = norm.isf(0.025), norm.isf(0.2), 0.25, 0.15
    expected = (z * math.sqrt(share) + power * math.sqrt(share - d**2)) ** 2 / d**2
    assert needed.as_seen == math.ceil(expected)
    assert needed.ten_points == 155


def test_a_correction_takes_more_photographs() -> None:
    alone, among_ten = (photographs_needed(discordance(2, 8, 40), tests) for tests in (1, 10))
    assert alone.as_seen is not None
    assert among_ten.as_seen is not None
    assert among_ten.as_seen > alone.as_seen
    assert among_ten.ten_points > alone.ten_points


def test_of_five_discordant_photographs_no_number_is_told() -> None:
    assert photographs_needed(discordance(1, 4, 40), 1).as_seen is None
    assert photographs_needed(discordance(3, 3, 40), 1).as_seen is None
    assert photographs_needed(discordance(1, 4, 40), 1).ten_points == 155


@pytest.mark.parametrize("photographs", [13, 40, 120])
def test_equal_models_are_told_apart_in_no_more_than_5_5_percent(photographs: int) -> None:
    # Exact, for independent photographs of which any share is discordant.
    shares = np.linspace(0.01, 1, 100)
    errors = np.zeros(100)
    for both in range(6, photographs + 1):
        only_this = np.arange(both + 1)
        z = np.abs(2 * only_this - both) / both**0.5
        rejected = binom.pmf(only_this[z > norm.isf(0.025)], both, 0.5).sum()
        errors += binom.pmf(both, photographs, shares) * rejected
    assert 0.02 < errors.max() <= 0.055


@pytest.mark.parametrize(
    ("tests", "seen"),
    [(1, (4, 12, 100)), (3, (4, 12, 100)), (10, (2, 9, 60)), (1, (1, 9, 20))],
)
def test_with_so_many_photographs_the_power_is_80_percent(
    tests: int, seen: tuple[int, int, int]
) -> None:
    needed = photographs_needed(discordance(*seen), tests).as_seen
    assert needed is not None
    b, c, n = seen
    drawn = np.random.default_rng(0).multinomial(needed, [b / n, c / n, 1 - (b + c) / n], 20_000)
    z = np.abs(drawn[:, 1] - drawn[:, 0]) / np.sqrt(np.maximum(drawn[:, :2].sum(axis=1), 1))
    significant = (z > norm.isf(0.025 / tests)) & (drawn[:, :2].sum(axis=1) >= 6)
    assert 0.77 < significant.mean() < 0.87
