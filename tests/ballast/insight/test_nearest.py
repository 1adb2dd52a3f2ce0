"""The nearest known photographs: by cosine, exact, ties by place, without those of the group."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ballast.insight import nearest as module
from ballast.insight.nearest import BLOCK, nearest, nearest_distance


def whole_features(seed: int, n: int, d: int = 8, most: int = 65535) -> NDArray[np.uint16]:
    """Features as the exact backbone makes them; some are all 0, as those of a black image."""
    random = np.random.default_rng(seed)
    features = random.integers(0, most, (n, d), dtype=np.uint16, endpoint=True)
    features[random.random(n) < 0.1] = 0
    return features


def test_the_nearest_has_the_smallest_angle_whatever_its_length() -> None:
    known = np.array([[0, 9, 0], [300, 1, 0], [1, 1, 0], [0, 0, 5]])
    found = nearest(np.array([[2, 0, 0], [7, 7, 0]]), known, 3)
    assert found.places.tolist() == [[1, 2, 0], [2, 1, 0]]
    half = 1 - np.sqrt(0.5)
    assert found.distances[0] == pytest.approx([1 - 300 / np.hypot(300, 1), half, 1], abs=1e-6)
    assert found.distances[1, 0] == 0


def test_of_equally_near_ones_the_first_comes_first() -> None:
    known = np.array([[0, 1], [2, 0], [1, 0], [3, 0]])
    assert nearest(np.array([[1, 0]]), known, 4).places.tolist() == [[1, 2, 3, 0]]


def test_those_of_the_same_group_come_last_at_an_infinite_distance() -> None:
    known, groups = np.array([[1, 0], [1, 1], [0, 1]]), np.array([4, 4, 2])
    found = nearest(known[:1], known, 3, groups[:1], groups)
    assert found.places.tolist() == [[2, 0, 1]]
    assert found.distances.tolist() == [[1, np.inf, np.inf]]


def test_also_where_known_ones_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN", 2)
    test_those_of_the_same_group_come_last_at_an_infinite_distance()
    test_of_equally_near_ones_the_first_comes_first()


def test_more_than_there_are_gives_all() -> None:
    assert nearest(np.array([[1, 0]]), np.array([[1, 0], [0, 1]]), 9).places.shape == (1, 2)
    assert nearest(np.empty((0, 2)), np.array([[1, 0]]), 1).places.shape == (0, 1)
    assert nearest_distance(np.empty((0, 2)), np.array([[1, 0]])).shape == (0,)


def test_black_images_are_at_the_distance_1_from_all() -> None:
    assert nearest_distance(np.zeros((1, 2)), np.array([[1, 0], [0, 0]])).tolist() == [1]


@given(st.integers(0, 2**32 - 1), st.integers(1, 2 * BLOCK + 1), st.integers(1, 40))
def test_blocks_and_the_order_of_summation_change_no_bit(seed: int, m: int, n: int) -> None:
    features, known = whole_features(seed, m), whole_features(seed + 1, n)
    found = nearest(features, known, 3)
    parts = [nearest(part, known, 3) for part in (features[: m // 3], features[m // 3 :])]
    assert np.array_equal(found.places, np.concatenate([part.places for part in parts]))
    mirrored = nearest(features[:, ::-1], known[:, ::-1], 3)
    assert np.array_equal(found.places, mirrored.places)
    assert np.array_equal(found.distances, mirrored.distances)
    assert np.array_equal(nearest_distance(features, known), found.distances[:, 0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KNOWN", 7)
        blocks = nearest(features, known, 3)
        assert np.array_equal(nearest_distance(features, known), found.distances[:, 0])
    assert np.array_equal(found.places, blocks.places)
    assert np.array_equal(found.distances, blocks.distances)


@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 8))
def test_distances_ascend_from_0_to_1_and_no_place_comes_twice(
    seed: int, n: int, count: int
) -> None:
    known = whole_features(seed, n)
    found = nearest(known, known, count)
    assert ((found.distances >= 0) & (found.distances <= 1)).all()
    assert (np.diff(found.distances) >= 0).all()
    assert all(len({*places}) == len(places) for places in found.places.tolist())
