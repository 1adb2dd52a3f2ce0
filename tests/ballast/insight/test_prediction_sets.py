"""Sets of classes hold the true class as often as is stated, class by class."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ballast.insight.prediction_sets import (
    Thresholds,
    class_thresholds,
    inside_sets,
    prediction_sets,
    without_promise,
)
from ballast.model.logits import Floats
from ballast.model.training_photographs import TrainingPhotographs

PROBABILITIES = st.integers(0, 10_000).map(lambda whole: whole / 10_000)
COVERAGES = st.integers(1, 99).map(lambda percent: percent / 100)


def known(own: list[list[float]], groups: list[int] | None = None) -> TrainingPhotographs:
    """Photographs by class, each with the probability of its class; the others share the rest."""
    labels = np.array([place for place, values in enumerate(own) for _ in values])
    values = np.array([value for values in own for value in values])
    held_out = np.repeat((1 - values[:, None]) / max(len(own) - 1, 1), len(own), axis=1)
    held_out[np.arange(len(labels)), labels] = values
    numbers = np.arange(len(labels)) if groups is None else np.array(groups)
    return TrainingPhotographs(np.zeros((len(labels), 2)), labels, numbers, held_out)


def test_of_nine_photographs_the_lowest_probability_is_the_threshold_for_nine_tenths() -> None:
    found = class_thresholds(known([[0.2, *[0.9] * 8], [0.3, 0.4, *[0.8] * 17]]), 0.9)
    assert found.needed == 9
    assert found.groups.tolist() == [9, 19]
    assert found.least.tolist() == [0.2, 0.4]  # (19 + 1) / 10: two may be missed


def test_a_class_of_eight_is_in_every_set_and_named() -> None:
    found = class_thresholds(known([[0.9] * 8, [0.8] * 9]), 0.9)
    assert found.least.tolist() == [0, 0.8]
    (said,) = without_promise(found, ["dog", "snake"])
    assert said == (
        "class dog is in every set: a coverage of 0.9 needs 9 training photographs besides copies,"
        " and the model keeps 8"
    )
    assert prediction_sets(np.array([[0.0, 1.0]]), found) == [[1, 0]]


@pytest.mark.parametrize(("coverage", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19),
                                                  (0.99, 99)])  # fmt: skip
def test_higher_coverage_needs_more_photographs(coverage: float, needed: int) -> None:
    assert class_thresholds(known([[0.5], [0.5]]), coverage).needed == needed


@given(COVERAGES, st.integers(0, 300))
def test_a_promise_is_possible_just_where_one_of_n_plus_1_places_may_be_missed(
    coverage: float, count: int
) -> None:
    found = class_thresholds(known([[0.5] * count, [0.5]]), coverage)
    possible = (count + 1) * (1 - Fraction(str(coverage))) >= 1
    assert found.promised(0) == possible
    assert found.least[0] == (0.5 if possible else 0)


@given(st.lists(PROBABILITIES, min_size=1, max_size=40, unique=True), COVERAGES)
def test_of_n_plus_1_photographs_each_left_out_once_the_stated_share_is_held(
    own: list[float], coverage: float
) -> None:
    """The argument that conformal prediction rests on: all are equally likely to be the new one."""
    missed = 0
    for place, value in enumerate(own):
        others = own[:place] + own[place + 1 :]
        found = class_thresholds(known([others, [0.5]]), coverage)
        missed += not inside_sets(np.array([[value, 1 - value]]), found)[0, 0]
    assert missed == floor(len(own) * (1 - Fraction(str(coverage))))


def test_a_group_counts_once_by_its_lowest_probability() -> None:
    one = class_thresholds(known([[0.9, 0.1, 0.8, 0.7], [0.5]], [3, 3, 5, 7, 9]), 0.5)
    assert one.groups.tolist() == [3, 1]
    assert one.least[0] == 0.7  # of 0.1, 0.7 and 0.8
    copied = class_thresholds(known([[0.9, 0.1, 0.1, 0.8, 0.7], [0.5]], [3, 3, 3, 5, 7, 9]), 0.5)
    assert np.array_equal(copied.least, one.least)


def test_photographs_that_no_head_was_without_do_not_count() -> None:
    some = known([[0.2] + [0.9] * 9, [0.5]])
    some.held_out[0] = np.nan
    found = class_thresholds(some, 0.9)
    assert found.groups.tolist() == [9, 1]
    assert found.least[0] == 0.9


@given(
    st.lists(st.lists(PROBABILITIES, min_size=3, max_size=3), min_size=1, max_size=9),
    st.lists(PROBABILITIES, min_size=3, max_size=3),
)
def test_a_set_lists_what_is_inside_the_most_probable_first(
    rows: list[list[float]], least: list[float]
) -> None:
    values: Floats = np.array(rows)
    thresholds = Thresholds(0.9, np.array(least), np.full(3, 9), 9)
    inside = inside_sets(values, thresholds)
    for row, held, places in zip(values, inside, prediction_sets(values, thresholds), strict=True):
        assert sorted(places) == np.flatnonzero(held).tolist()
        assert places == sorted(places, key=lambda place: (-row[place], place))


@given(st.data(), COVERAGES, COVERAGES)
def test_sets_grow_with_the_coverage(data: st.DataObject, low: float, high: float) -> None:
    assume(low <= high)
    own = data.draw(st.lists(PROBABILITIES, min_size=1, max_size=30))
    tested = np.array([[p, 1 - p] for p in data.draw(st.lists(PROBABILITIES, min_size=1))])
    photographs = known([own, own])
    fewer = inside_sets(tested, class_thresholds(photographs, low))
    more = inside_sets(tested, class_thresholds(photographs, high))
    assert (more >= fewer).all()


def test_the_last_bits_of_a_probability_decide_nothing() -> None:
    thresholds = class_thresholds(known([[0.3] * 9, [0.6] * 9]), 0.9)
    nearly = np.array([[0.3 - 1e-15, 0.7], [0.4, 0.6 - 1e-15]])
    assert prediction_sets(nearly, thresholds) == [[1, 0], [1, 0]]


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 90, float("nan")])
def test_a_coverage_out_of_range_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match="above 0 and below 1"):
        class_thresholds(known([[0.5], [0.5]]), coverage)
