"""What to label next: photographs that the model cannot decide on, of rare classes first."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ballast.insight.suggestion import suggested, worth

ROWS = st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=12).map(
    lambda rows: np.array(rows) / np.sum(rows, axis=1, keepdims=True)
)
COUNTS = st.lists(st.integers(1, 500), min_size=3, max_size=3).map(np.array)


def test_the_worth_is_what_the_formula_says() -> None:
    found = worth(np.array([[0.6, 0.3, 0.1]]), np.array([3, 12, 36]))
    assert found.tolist() == [round(0.7 * (0.6 * 12 + 0.3 * 3 + 0.1 * 1), 6)]


def test_undecided_comes_first() -> None:
    rows = np.array([[0.98, 0.01, 0.01], [0.5, 0.48, 0.02], [0.7, 0.2, 0.1]])
    assert suggested(rows, np.array([9, 9, 9])).tolist() == [1, 2, 0]


def test_of_equally_undecided_ones_the_rare_class_comes_first() -> None:
    rows = np.array([[0.1, 0.45, 0.45], [0.45, 0.45, 0.1], [0.45, 0.1, 0.45]])
    assert suggested(rows, np.array([3, 12, 35])).tolist() == [1, 2, 0]


def test_those_of_equal_worth_keep_their_order() -> None:
    rows = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2 - 1e-16], [0.5, 0.3 + 1e-16, 0.2]])
    assert suggested(rows, np.array([3, 12, 35])).tolist() == [0, 1, 2]


def test_two_classes_are_enough() -> None:
    assert suggested(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([2, 2])).tolist() == [1, 0]


@given(ROWS, COUNTS)
def test_every_photograph_has_a_place_and_worth_falls(
    rows: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    groups: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> None:
    order = suggested(rows, groups)
    assert sorted(order) == [*range(len(rows))]
    assert (np.diff(worth(rows, groups)[order]) <= 0).all()


@given(ROWS, COUNTS, st.integers(2, 9))
def test_only_the_ratios_of_the_classes_matter(
    rows: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    groups: np.ndarray[tuple[int], np.dtype[np.int64]],
    times: int,
) -> None:
    assert np.allclose(worth(rows, groups), worth(rows, times * groups), atol=1e-5)
