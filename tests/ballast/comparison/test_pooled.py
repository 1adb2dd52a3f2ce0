"""Metrics of pooled folds match hand calculation; their intervals have their coverage."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from ballast.comparison.pooled import Pooled, differences, pool, shared, summarise
from ballast.scores.predictions import Predictions

CLASSES = ["dog", "human", "snake"]


def predictions(right: dict[str, bool]) -> Predictions:
    """Of photographs of dogs by path: some are recognised, the others are taken for humans."""
    rows = [[1.0, 0.0, 0.0] if recognised else [0.0, 1.0, 0.0] for recognised in right.values()]
    return Predictions(CLASSES, [*right], ["dog"] * len(right), np.array(rows))


def test_folds_are_pooled_by_path() -> None:
    pooled = pool([predictions({"b": True, "d": False}), predictions({"a": False, "c": True})])
    assert pooled.paths == ["a", "b", "c", "d"]
    assert pooled.predicted == ["human", "dog", "dog", "human"]


def test_a_photograph_that_two_folds_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="share a photograph"):
        pool([predictions({"a": True}), predictions({"a": True, "b": True})])


def test_photographs_that_one_run_has_not_judged_are_left_out() -> None:
    found = shared(
        {
            "one": {1: predictions({"a": True, "b": False, "c": True})},
            "other": {1: predictions({"b": True, "c": True})},
        }
    )
    assert [of[1].paths for of in found.values()] == [["b", "c"], ["b", "c"]]
    assert found["one"][1].predicted == ["human", "dog"]


def test_means_and_deviations_are_over_the_seeds() -> None:
    right = [{"a": True, "b": True}, {"a": True, "b": False}]
    by_seed = {seed: predictions(of) for seed, of in enumerate(right)}
    recall = summarise({"one": by_seed})["one"]["recall"]
    assert recall["dog"] == pytest.approx({"mean": 0.75, "std": 0.125**0.5})
    assert recall["snake"] == {"mean": None, "std": None}
    assert summarise({"one": {0: by_seed[0]}})["one"]["recall"]["dog"]["std"] is None


def test_a_difference_is_the_mean_over_the_seeds() -> None:
    before = {seed: predictions({"a": False, "b": False, "c": True}) for seed in (1, 2)}
    after = {
        1: predictions({"a": True, "b": True, "c": True}),
        2: predictions({"a": True, "b": False, "c": True}),
    }
    found = differences({"before": before, "after": after}, seed=1)["after"]
    assert found["recall"]["dog"].value == pytest.approx(0.5)
    assert found["accuracy"].value == pytest.approx(0.5)
    assert found["recall"]["dog"].low < 0.5 < found["recall"]["dog"].high


def drawn(
    photos: Sequence[int],
    seeds: int,
    deviation: float,
    base: NDArray[np.float64],
    generator: np.random.Generator,
) -> Pooled:
    """Judge new photographs by two strategies, trained with new seeds.

    A photograph is recognised where the sum of these is above 0: the strategy's figure for its
    class, how easy it is (to both strategies, and to this one), how well this seed's training went
    for its class, and chance.
    """
    classes = np.repeat(range(3), photos)
    true = [CLASSES[class_] for class_ in classes]
    easy = generator.normal(0, 1, len(true))
    pooled: dict[str, dict[int, Predictions]] = {}
    for strategy, figures in zip(("before", "after"), base, strict=True):
        own = 0.8 * easy + 0.6 * generator.normal(0, 1, len(true))
        pooled[strategy] = {}
        for seed in range(seeds):
            training, chance = generator.normal(0, deviation, 3), generator.normal(0, 1, len(true))
            right = figures[classes] + own + training[classes] + chance > 0
            guesses = np.eye(3)[np.where(right, classes, (classes + 1) % 3)]
            paths = [str(place) for place in range(len(true))]
            pooled[strategy][seed] = Predictions(CLASSES, paths, true, guesses)
    return pooled


@pytest.mark.parametrize(
    ("seeds", "deviation", "least", "most"),
    [
        (1, 0.0, 0.92, 0.98),
        # The pigeonhole bootstrap errs to the wide side.
        (3, 0.0, 0.93, 1.0),
        (3, 0.3, 0.93, 1.0),
        (5, 0.3, 0.93, 1.0),
    ],
)
@pytest.mark.parametrize(
    "photos", [[30, 40, 60], pytest.param([10, 30, 60], marks=pytest.mark.long)]
)
def test_the_intervals_hold_the_truth(
    photos: list[int], seeds: int, deviation: float, least: float, most: float
) -> None:
    base = np.array([[-0.3, 1.2, 1.5], [0.6, 1.1, 1.3]])
    recall = norm.cdf(base / np.sqrt(1 + 1 + deviation**2))
    by_class = recall[1] - recall[0]
    known = [np.average(by_class, weights=photos), by_class.mean(), *by_class]
    held = []
    for seed in range(500):
        pooled = drawn(photos, seeds, deviation, base, np.random.default_rng(seed))
        found = differences(pooled, seed, draws=1000)["after"]
        intervals = [found["accuracy"], found["balanced_accuracy"], *found["recall"].values()]
        held.append(
            [of.low <= truth <= of.high for of, truth in zip(intervals, known, strict=True)]
        )
    shares = np.mean(held, axis=0)
    assert least <= shares.min()
    assert shares.max() <= most
