"""A spot that only the photographs of one class have is found, wherever it is; others are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ballast.insight.marks import CELLS, LEAST, cell_colours, marks, place_of

SIZE = 64


def photographs(count: int, seed: int) -> NDArray[np.uint8]:
    """Pictures of large patches in any colours."""
    patches = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return patches.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)


def found(by_class: dict[str, NDArray[np.uint8]]) -> list[tuple[str, str]]:
    cells = {name: cell_colours(pixels) for name, pixels in by_class.items()}
    return [(one.class_, one.place) for one in marks(cells)]


@pytest.mark.parametrize(
    ("rows", "columns", "place"),
    [
        (slice(0, 8), slice(0, 8), "top left"),
        (slice(-9, None), slice(-9, None), "bottom right"),
        (slice(0, 8), slice(None), "top"),
        (slice(20, 40), slice(-8, None), "right"),
        (slice(28, 36), slice(28, 36), "middle"),
    ],
)
def test_a_spot_of_one_class_is_named(rows: slice, columns: slice, place: str) -> None:
    classes = {name: photographs(n, n) for name, n in {"dog": 3, "human": 12, "snake": 35}.items()}
    for name, pixels in classes.items():
        marked = pixels.copy()
        # As JPEG leaves it: not quite the same colour everywhere.
        noise = np.random.default_rng(1).integers(-3, 4, marked[:, rows, columns].shape)
        marked[:, rows, columns] = np.array([200, 30, 90]) + noise
        assert found(classes | {name: marked}) == [(name, place)]


def test_a_frame_is_a_border() -> None:
    framed = photographs(12, 1)
    framed[:, :4] = framed[:, -4:] = framed[:, :, :4] = framed[:, :, -4:] = 250
    assert found({"a": framed, "b": photographs(12, 2)}) == [("a", "border")]


def test_a_spot_that_other_classes_have_as_well_is_none() -> None:
    first, second = photographs(12, 1), photographs(12, 2)
    first[:, :8, :8] = second[:, :8, :8] = 255
    assert found({"a": first, "b": second}) == []
    second[3, :8, :8] = 240  # all others differ, but one of them too little
    second[[*range(3), *range(4, 12)], :8, :8] = 0
    assert found({"a": first, "b": second}) == []


def test_a_spot_that_one_photograph_of_the_class_lacks_is_none() -> None:
    first = photographs(12, 1)
    first[1:, :8, :8] = 255
    first[0, :8, :8] = 0
    assert found({"a": first, "b": photographs(12, 2)}) == []


@given(st.integers(LEAST, 20), st.integers(0, 99))
def test_photographs_without_a_mark_have_none(count: int, seed: int) -> None:
    assert found({"a": photographs(count + 9, seed), "b": photographs(count + 9, seed + 100)}) == []


def test_nothing_is_said_of_a_class_of_two_or_without_others() -> None:
    alike = np.zeros((LEAST - 1, SIZE, SIZE, 3), np.uint8)
    assert found({"a": alike, "b": photographs(9, 1)}) == []
    assert found({"a": photographs(9, 1)}) == []


@given(st.lists(st.tuples(*[st.integers(0, CELLS - 1)] * 2), min_size=1, unique=True))
def test_every_place_has_a_name(cells: list[tuple[int, int]]) -> None:
    assert place_of(sorted(cells))
