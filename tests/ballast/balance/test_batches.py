"""Balanced epochs: each batch is balanced within one image, and every image is used."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ballast.balance.batches import balanced_epoch, shuffled_epoch

counts_of_classes = st.lists(st.integers(1, 30), min_size=2, max_size=6)


def labels_of(counts: list[int]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(counts)), counts)


@given(counts=counts_of_classes, batch_size=st.integers(1, 50), seed=st.integers(0, 2**32 - 1))
def test_every_batch_is_balanced_within_one_image(
    counts: list[int], batch_size: int, seed: int
) -> None:
    labels = labels_of(counts)
    shown = labels[balanced_epoch(labels, seed, 0)]
    for start in range(0, len(shown), batch_size):
        found = np.bincount(shown[start : start + batch_size], minlength=len(counts))
        assert found.max() - found.min() <= 1


@given(counts=counts_of_classes, seed=st.integers(0, 2**32 - 1))
def test_an_epoch_is_exactly_balanced_and_shows_the_largest_class_once(
    counts: list[int], seed: int
) -> None:
    labels = labels_of(counts)
    order = balanced_epoch(labels, seed, 0)
    assert np.bincount(labels[order]).tolist() == [max(counts)] * len(counts)
    times = Counter(order.tolist())
    for class_, count in enumerate(counts):
        of_class = [times[int(i)] for i in np.flatnonzero(labels == class_)]
        assert max(of_class) - min(of_class) <= 1
        if count == max(counts):
            assert of_class == [1] * count


@given(counts=counts_of_classes, seed=st.integers(0, 2**32 - 1))
def test_a_shuffled_epoch_shows_every_image_once(counts: list[int], seed: int) -> None:
    labels = labels_of(counts)
    assert sorted(shuffled_epoch(labels, seed, 0)) == list(range(len(labels)))


def test_epochs_differ_and_repeat() -> None:
    labels = labels_of([10, 3, 7])
    for order in (balanced_epoch, shuffled_epoch):
        assert order(labels, 1, 0).tolist() == order(labels, 1, 0).tolist()
        assert order(labels, 1, 0).tolist() != order(labels, 1, 1).tolist()
        assert order(labels, 1, 0).tolist() != order(labels, 2, 0).tolist()
