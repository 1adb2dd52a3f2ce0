"""Differences of two runs: coverage of their intervals, and the sample size for significance."""

import numpy as np
import pytest
from confusion import CLASSES, predictions
from numpy.typing import NDArray
from scipy.stats import binom

from ballast.comparison.paired import difference_intervals, draw_pair, photographs_that_would_tell
from ballast.scores.intervals import metric_intervals, unpacked
from ballast.scores.predictions import Predictions
from ballast.scores.significance import mcnemar


def test_the_order_of_photographs_does_not_matter() -> None:
    first = predictions([[5, 2, 0], [0, 4, 3], [1, 0, 6]])
    second = predictions([[3, 0, 4], [2, 5, 0], [0, 2, 5]])
    back = Predictions(CLASSES, second.paths[::-1], second.true[::-1], second.probabilities[::-1])
    drawn, again = (
        draw_pair(first, other, np.random.default_rng(0), 50) for other in (second, back)
    )
    for one, other in zip([*drawn[0], *drawn[1]], [*again[0], *again[1]], strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("seen", [(2, 4, 20), (1, 3, 20), (1, 5, 40), (0, 3, 40)])
def test_so_many_photographs_would_tell(seen: tuple[int, int, int]) -> None:
    only_reference, only_this, photographs = seen
    needed = photographs_that_would_tell(*seen)
    assert needed is not None
    differing = np.arange(needed + 1)
    chances = binom.pmf(differing, needed, (only_reference + only_this) / photographs)
    rejected = only_this / (only_reference + only_this)
    power = sum(
        chance * binom.pmf([k for k in range(n + 1) if mcnemar(n - k, k) < 0.05], n, rejected).sum()
        for n, chance in zip(differing.tolist(), chances, strict=True)
        if chance > 1e-3
    )
    assert 0.7 < power < 0.88, "Connor's formula is of the approximate test, this is the exact one"


def test_more_photographs_than_there_are_would_tell() -> None:
    assert photographs_that_would_tell(0, 5, 5) == 6
    assert photographs_that_would_tell(0, 5, 100) == 155
    assert photographs_that_would_tell(3, 3, 40) is None


@pytest.mark.long
@pytest.mark.parametrize("photos", [[40, 40, 40], [60, 20, 80]])
def test_the_differences_hold_the_truth(photos: list[int]) -> None:
    before = np.array([[0.45, 0.1, 0.45], [0.05, 0.85, 0.1], [0.1, 0.1, 0.8]])
    after = np.array([[0.75, 0.05, 0.2], [0.05, 0.85, 0.1], [0.15, 0.15, 0.7]])
    known = figures_of(after, photos) - figures_of(before, photos)
    held: list[NDArray[np.bool_]] = []
    for seed in range(1000):
        generator = np.random.default_rng(seed)
        drawn = correlated(before, after, photos, generator)
        first, second = (metric_intervals(of, seed, draws=1) for of in drawn)
        found = difference_intervals(first, second, draw_pair(*drawn, generator, 1000))
        bounds = np.array([[i.low, i.high] for *_, i in unpacked(found)], dtype=float).T
        held.append((bounds[0] <= known) & (known <= bounds[1]))
    shares = np.mean(held, axis=0)
    assert shares.min() >= 0.92
    assert 0.93 <= shares[:3].min() <= shares[:3].max() <= 0.98


def figures_of(shares: NDArray[np.float64], photos: list[int]) -> NDArray[np.float64]:
    counts = shares * np.array(photos)[:, None]
    right, predicted = counts.diagonal(), counts.sum(axis=0)
    recall, f1 = shares.diagonal(), 2 * right / (predicted + photos)
    overall = [right.sum() / counts.sum(), recall.mean(), f1.mean(), recall.min()]
    return np.array([*overall, *recall, *(right / predicted), *f1])


def correlated(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    photos: list[int],
    generator: np.random.Generator,
) -> tuple[Predictions, Predictions]:
    """Predictions that agree on what is easy: half of the photographs share one random number."""
    guesses: list[list[int]] = [[], []]
    for class_, n in enumerate(photos):
        shared = generator.random(n) < 0.5
        numbers = generator.random((2, n))
        numbers[1, shared] = numbers[0, shared]
        for run, shares in enumerate((before, after)):
            order = np.argsort(np.arange(3) != class_, kind="stable")  # the right one first
            edges = shares[class_][order].cumsum()[:2]
            guesses[run] += order[np.searchsorted(edges, numbers[run])].tolist()
    true = [CLASSES[class_] for class_, n in enumerate(photos) for _ in range(n)]
    paths = [f"{i}.png" for i in range(len(true))]
    first, second = (Predictions(CLASSES, paths, true, np.eye(3)[g]) for g in guesses)
    return first, second
