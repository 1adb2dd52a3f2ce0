"""A class's recall is followed as its photographs grow in number, and the last doubling judged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray
from stripes import PLAIN

from ballast.insight.learning_curve import (
    CLASSES,
    DRAWS,
    FOLDS,
    LEAST_GROUPS,
    MOST_PHOTOGRAPHS,
    POINTS,
    WORK,
    Photographs,
    curve_plan,
    learning_curve,
    learning_curves,
)
from ballast.scores.explanations import Curve, CurvePoint

NAMES = ["ant", "bee", "wasp"]
BASELINE = replace(PLAIN, balanced_val=False)


def photographs(*counts: int, apart: float = 0.7, film: int = 1) -> Photographs:
    """Whole-number features of classes that overlap; `film` photographs make a group."""
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(len(counts)), counts)
    lifted = np.arange(20) % len(counts) == labels[:, None]
    features = np.rint(np.exp(random.normal(1, 1, (len(labels), 20)) + apart * lifted))
    groups = np.array([f"group {place // film}" for place in range(len(labels))])
    places = np.arange(len(labels))
    return Photographs(features.astype("<u2"), places, labels, groups, NAMES[: len(counts)])


def shuffled(of: Photographs) -> Photographs:
    order = np.random.default_rng(2).permutation(len(of.labels))
    return of._replace(places=order, labels=of.labels[order], groups=of.groups[order])


def curve(gain: float, low: float, high: float) -> Curve:
    points = [CurvePoint(groups, groups, 0.5, 0.1, 0.9) for groups in (4, 8)]
    return Curve("ant", 3, points, gain, low, high)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two points and one draw, which take little time."""
    monkeypatch.setattr("ballast.insight.learning_curve.WORK", 1)


def test_each_point_has_twice_the_groups_of_the_one_before() -> None:
    found = learning_curve(photographs(10, 20), 0, PLAIN, seed=1, curves=12)
    assert found
    assert found.class_ == "ant"
    assert [point.groups for point in found.points] == [1, 2, 4, 8]
    assert [point.photographs for point in found.points] == [1, 2, 4, 8]
    assert all(0 <= point.low <= point.recall <= point.high <= 1 for point in found.points)


@pytest.mark.usefixtures("short")
def test_photographs_of_a_group_are_never_on_both_sides() -> None:
    # Photographs come in pairs of copies, and have nothing in common but with their copies.
    of = photographs(12, 24)
    features = np.zeros((36, 20), np.float32)
    features[np.arange(36), np.arange(36) // 2] = 100
    pairs = np.array([f"group {place // 2}" for place in range(36)])

    def last_recall(groups: NDArray[np.str_]) -> float:
        copied = of._replace(features=features, groups=groups)
        found = learning_curve(copied, 0, BASELINE, seed=1)
        assert found
        return found.points[-1].recall

    assert last_recall(of.groups) > 0.5 > last_recall(pairs)


@pytest.mark.usefixtures("short")
def test_the_gain_is_that_of_the_last_doubling() -> None:
    found = learning_curve(photographs(10, 30, apart=0.5), 0, BASELINE, seed=1)
    assert found
    before, last = found.points
    assert found.gain == pytest.approx(last.recall - before.recall, abs=0.002)
    assert found.low < found.gain < found.high
    assert found.gain > 0, "a rare class that is not balanced gains from each photograph"


@pytest.mark.usefixtures("short")
def test_neither_the_order_of_photographs_nor_the_global_state_matters() -> None:
    of = photographs(5, 12)
    expected = learning_curve(of, 0, PLAIN, seed=1)
    np.random.seed(7)
    assert learning_curve(shuffled(of), 0, PLAIN, seed=1) == expected


@pytest.mark.usefixtures("short")
def test_the_seed_draws_other_groups() -> None:
    of = photographs(12, 20, apart=0.4)
    one, other = (learning_curve(of, 0, PLAIN, seed) for seed in (1, 2))
    assert one != other


@pytest.mark.usefixtures("short")
def test_few_groups_have_wide_intervals() -> None:
    found = learning_curve(photographs(3, 15, apart=3.0), 0, PLAIN, seed=1)
    assert found
    last = found.points[-1]
    assert last.groups == 2
    assert last.high - last.low > 0.5
    assert found.low < 0 < found.high


@pytest.mark.usefixtures("short")
def test_the_interval_is_that_of_groups_not_of_photographs() -> None:
    alone = learning_curve(photographs(24, 30), 0, PLAIN, seed=1)
    films = learning_curve(photographs(24, 30, film=6), 0, PLAIN, seed=1)
    assert alone
    assert films
    assert films.points[-1].groups == 3
    assert films.points[-1].photographs == 18
    assert films.high - films.low > alone.high - alone.low


@pytest.mark.usefixtures("short")
def test_classes_of_a_few_groups_or_of_many_photographs_have_no_curve() -> None:
    of = photographs(LEAST_GROUPS - 1, LEAST_GROUPS, MOST_PHOTOGRAPHS + 1)
    assert [curve.class_ for curve in learning_curves(of, PLAIN, seed=1)] == ["bee"]


@pytest.mark.usefixtures("short")
def test_no_curve_if_a_class_is_in_no_other_group() -> None:
    of = photographs(6, 6)
    together = of._replace(groups=np.array([f"site {place % 6}" for place in range(12)]))
    assert learning_curve(together, 0, PLAIN, seed=1)
    one = of._replace(groups=np.array([*map(str, range(6)), *["0"] * 6]))
    assert learning_curve(one, 0, PLAIN, seed=1) is None


@pytest.mark.usefixtures("short")
def test_the_weight_of_thinned_photographs_goes_to_those_that_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ballast.insight.learning_curve.OTHERS", 30)
    thinned = learning_curve(photographs(8, 120, apart=0.8), 0, BASELINE, seed=1)
    of_few = learning_curve(photographs(8, 30, apart=0.8), 0, BASELINE, seed=1)
    assert thinned
    assert of_few
    assert thinned.points[0].recall < of_few.points[0].recall


@given(
    st.integers(2, 5000),
    st.integers(LEAST_GROUPS, 100),
    st.integers(2, 50),
    st.integers(1, CLASSES),
)
def test_plans_keep_to_their_bounds(n: int, groups: int, classes: int, curves: int) -> None:
    sizes, draws = curve_plan(n, groups, classes, curves)
    assert 2 <= len(sizes) <= POINTS
    assert 1 <= draws <= DRAWS
    assert sizes == sorted({*sizes})
    folds = min(FOLDS, groups)
    assert sizes[-1] == groups - -(-groups // folds)
    heads = len(sizes) * draws * folds
    assert heads * n * classes * curves <= WORK or (len(sizes), draws) == (2, 1)
