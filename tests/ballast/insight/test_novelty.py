"""Novelty: a share of the training groups, which new photographs of the same kind rarely reach."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ballast.insight.novelty import UNLIKE, Familiar, familiar, novelty
from ballast.model.logits import Floats
from ballast.model.training_photographs import TrainingPhotographs


def kept(features: Floats, groups: NDArray[np.int64] | None = None) -> TrainingPhotographs:
    n = len(features)
    each = np.arange(n) if groups is None else groups
    return TrainingPhotographs(features, np.zeros(n, np.int64), each, np.empty((n, 0)))


def known(features: Floats, groups: NDArray[np.int64] | None = None) -> Familiar:
    found = familiar(kept(features, groups))
    assert found is not None
    return found


def at(*degrees: float) -> Floats:
    """Features at these angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def drawn(seed: int, n: int) -> Floats:
    """Features of photographs of one source."""
    return np.rint(1000 * np.random.default_rng(seed).gamma(0.5, 1, (n, 20)))


def test_it_counts_the_photographs_that_are_nearer_to_others() -> None:
    familiar_ones = known(at(0, 10, 30, 60))  # the nearest others are 10, 10, 20 and 30 degrees off
    found = novelty(at(5, 45, 82, 90 + 1), familiar_ones)
    assert found.tolist() == [0, 0.4, 0.6, 0.8]


def test_a_photograph_that_was_trained_on_is_not_novel() -> None:
    features = drawn(1, 30)
    assert novelty(features, known(features)).tolist() == [0] * 30


def test_a_series_counts_once_and_is_not_near_to_itself() -> None:
    alone = known(at(0, 20, 60))
    series = known(at(0, 20, 60, 60, 60), np.array([0, 1, 2, 2, 2]))
    for degrees in (10, 41, 81, 101):
        assert novelty(at(degrees), series) == novelty(at(degrees), alone)


def test_without_two_groups_there_is_nothing_to_compare() -> None:
    assert familiar(kept(at(0, 10), np.array([3, 3]))) is None
    assert familiar(kept(at(0))) is None


@pytest.mark.parametrize(("groups", "reached"), [(18, False), (19, True)])
def test_it_takes_19_groups_to_call_a_photograph_unlike(groups: int, reached: bool) -> None:
    features = np.concatenate([np.ones((groups, 1)), np.zeros((groups, 1))], axis=1)
    (most,) = novelty(np.array([[0, 1]]), known(features))
    assert most == pytest.approx(groups / (groups + 1), abs=1e-4)
    assert (most >= UNLIKE) == reached


def test_of_photographs_of_the_same_source_at_most_1_in_20_is_unlike() -> None:
    flags = [novelty(drawn(1000 + i, 60), known(drawn(i, 60))) >= UNLIKE for i in range(100)]
    assert 0.02 < np.mean(flags) <= 0.055  # 0.05 and the noise of 100 draws


@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_it_ascends_with_the_distance_and_stays_below_1(seed: int, n: int) -> None:
    found = novelty(drawn(seed + 1, 30), known(drawn(seed, n)))
    assert ((found >= 0) & (found <= n / (n + 1) + 1e-4)).all()
    of = known(drawn(seed, n))
    assert (np.diff(of.distances) >= 0).all()
    assert (np.diff(of.shares) >= 0).all()


@given(st.integers(0, 2**32 - 1))
def test_neither_order_nor_length_of_the_features_matters(seed: int) -> None:
    features, new = drawn(seed, 25), drawn(seed + 1, 10)
    groups = np.random.default_rng(seed).integers(0, 12, 25)
    order = np.random.default_rng(seed).permutation(25)
    expected = novelty(new, known(features, groups))
    assert np.array_equal(novelty(4 * new, known(features[order], groups[order])), expected)
