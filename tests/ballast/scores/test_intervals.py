"""Intervals have their nominal coverage, and agree with scipy and statsmodels."""

from collections.abc import Callable
from pathlib import Path

import confusion
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta
from statsmodels.stats.proportion import proportion_confint

from ballast.core.files import read_json, write_json
from ballast.scores.intervals import (
    CLASS_METRICS,
    PRIOR,
    UNDEFINED,
    Interval,
    draw_arm,
    interval_text,
    metric_intervals,
    proportion,
    unpacked,
    worst_recall,
)
from ballast.scores.metrics import compute_metrics
from ballast.scores.predictions import Predictions

# By true and predicted class: the shares of test photographs in the long run.
GOOD = np.array([[0.75, 0.02, 0.23], [0.01, 0.94, 0.05], [0.05, 0.05, 0.9]])
ALIKE = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
BASELINE = np.array([[0.1, 0.02, 0.88], [0.01, 0.95, 0.04], [0.01, 0.04, 0.95]])
BOOTSTRAPPED = ("balanced_accuracy", "macro_f1", "worst_class_recall", "f1")


def predictions(matrix: NDArray[np.int64]) -> Predictions:
    """Any predictions with these counts by true and predicted class."""
    return confusion.predictions(matrix.tolist(), [f"class{i}" for i in range(len(matrix))])


def stratified(
    shares: NDArray[np.float64], photos: list[int], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw so many test photographs of each class."""
    rows = [generator.multinomial(n, row) for n, row in zip(photos, shares, strict=True)]
    return np.array(rows)


def at_random(
    shares: NDArray[np.float64], photos: list[int], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw as many test photographs of classes in these proportions; at least one of each."""
    while True:
        drawn = generator.multinomial(sum(photos), np.array(photos) / sum(photos))
        if drawn.all():
            return stratified(shares, drawn.tolist(), generator)


def truth(shares: NDArray[np.float64], photos: list[int]) -> dict[tuple[str, str], float]:
    """The metrics in the long run, of classes in the proportions of `photos`."""
    counts = shares * np.array(photos)[:, None]
    recall = shares.diagonal()
    precision = counts.diagonal() / counts.sum(axis=0)
    f1 = 2 * counts.diagonal() / (counts.sum(axis=0) + counts.sum(axis=1))
    return {
        ("accuracy", ""): counts.diagonal().sum() / counts.sum(),
        ("balanced_accuracy", ""): recall.mean(),
        ("macro_f1", ""): f1.mean(),
        ("worst_class_recall", ""): recall.min(),
        **{
            (name, f"class{i}"): value
            for name, values in (("recall", recall), ("precision", precision), ("f1", f1))
            for i, value in enumerate(values)
        },
    }


def coverage(
    draw: Callable[..., NDArray[np.int64]],
    shares: NDArray[np.float64],
    photos: list[int],
    draws: int,
) -> dict[tuple[str, str], float]:
    """How often, of 1,000 times, the intervals hold the truth."""
    known = truth(shares, photos)
    held = dict.fromkeys(known, 0)
    for seed in range(1000):
        drawn = draw(shares, photos, np.random.default_rng(seed))
        for name, class_, interval in unpacked(metric_intervals(predictions(drawn), seed, draws)):
            assert interval.low is not None
            assert interval.high is not None
            held[name, class_] += interval.low <= known[name, class_] <= interval.high
    return {key: count / 1000 for key, count in held.items()}


def only(found: dict[tuple[str, str], float], *names: str) -> dict[tuple[str, str], float]:
    return {key: share for key, share in found.items() if key[0] in names}


def outside(found: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    return {key: share for key, share in found.items() if not 0.93 <= share <= 0.97}


def test_they_hold_the_truth_in_95_of_100_test_sets() -> None:
    found = coverage(stratified, GOOD, [40, 40, 40], draws=1000)
    assert outside(only(found, *BOOTSTRAPPED, "recall")) == {}
    assert min(found.values()) >= 0.93, "Wilson's are at least as wide as need be"


def test_wilsons_do_so_in_random_samples() -> None:
    found = coverage(at_random, GOOD, [40, 40, 40], draws=1)
    assert outside(only(found, "accuracy", "precision", "recall")) == {}


@pytest.mark.long
@pytest.mark.parametrize("photos", [[40, 40, 40], [200, 200, 200], [60, 20, 80]])
@pytest.mark.parametrize("shares", [GOOD, ALIKE, BASELINE], ids=["good", "alike", "baseline"])
def test_they_do_so_whatever_the_truth(shares: NDArray[np.float64], photos: list[int]) -> None:
    found = coverage(stratified, shares, photos, draws=1000)
    assert min(found.values()) >= 0.91
    found = only(found, *BOOTSTRAPPED, "recall")
    assert {key: share for key, share in found.items() if not 0.91 <= share <= 0.99} == {}


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_the_values_are_those_of_metrics_json(seed: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    judged = predictions(generator.integers(0, 4, (k, k)) + np.eye(k, k, -1, int))
    metrics = compute_metrics(judged)
    for name, class_, interval in unpacked(metric_intervals(judged, seed, draws=10)):
        value = metrics[name][class_] if class_ else metrics[name]
        assert interval.value == (value if value is None else pytest.approx(value, abs=1e-12))
        if value is not None:
            assert interval.low is not None
            assert interval.high is not None
            assert 0 <= interval.low <= value + 1e-12
            assert value - 1e-12 <= interval.high <= 1


@given(st.integers(1, 300), st.data())
def test_proportions_are_statsmodels(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = proportion_confint(successes, trials, method="wilson")
    assert proportion(successes, trials) == pytest.approx(
        (successes / trials, low, high), abs=1e-12
    )


def test_of_a_class_never_predicted_nothing_is_known_of_the_precision() -> None:
    found = metric_intervals(predictions(np.array([[3, 0], [2, 0]])), 0, draws=10)
    assert found.precision["class1"] == (0, 0, 1)


def test_a_class_without_test_photographs_has_no_figures() -> None:
    found = metric_intervals(predictions(np.array([[3, 1, 0], [2, 5, 0], [0, 0, 0]])), 0, draws=10)
    assert {of["class2"] for of in (found.recall, found.precision, found.f1)} == {UNDEFINED}


def test_the_bootstrap_of_one_class_is_a_beta_distribution() -> None:
    # Of one tested class the balanced accuracy is its recall.
    found = metric_intervals(predictions(np.array([[9, 3], [0, 0]])), 0).balanced_accuracy
    exact = beta.ppf([0.025, 0.975], 9 + PRIOR, 3 + PRIOR)
    assert (found.low, found.high) == pytest.approx(exact, abs=0.01)


def test_ten_of_ten_are_not_taken_for_certainty() -> None:
    found = metric_intervals(predictions(np.diag([10, 10, 10])), 0).balanced_accuracy
    assert found.value == found.high == 1
    assert found.low is not None
    assert 0.85 < found.low < 0.97


def test_the_worst_recall_lies_between_the_lowest_bounds() -> None:
    right, photos = [30, 38, 39], [40, 40, 40]
    alone = proportion(30, 40)
    assert worst_recall(right, photos) == alone, "the other classes are clearly better"
    alike = worst_recall([30, 30, 30], photos)
    assert alike.high is not None
    assert alone.high is not None
    assert alike.high > alone.high, "any of three may be the worst"
    assert alike.low == alone.low


def test_a_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    judged = predictions(np.array([[9, 3], [2, 7]]))
    first, again, other = (metric_intervals(judged, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.macro_f1 != other.macro_f1
    assert first.recall == other.recall


def test_many_classes_get_fewer_draws() -> None:
    many = draw_arm(np.eye(100, dtype=np.int64), np.random.default_rng(0), draws=10_000)
    assert many.right.shape == (2000, 100)


def test_an_interval_is_written_with_its_bounds_in_brackets() -> None:
    assert interval_text(Interval(0.75, 0.6, 0.86)) == "0.750 (0.600 to 0.860)"
    assert interval_text(Interval(0.75, 0.6, 0.86), digits=2) == "0.75 (0.60 to 0.86)"
    difference = Interval(0.25, -0.05, 0.5)
    assert interval_text(difference, sign="+") == "+0.250 (-0.050 to +0.500)"


def test_a_figure_that_is_not_defined_is_a_dash() -> None:
    assert interval_text(UNDEFINED) == "-"
    assert interval_text(UNDEFINED, digits=2, sign="+") == "-"


def test_figures_come_metric_by_metric_and_class_by_class() -> None:
    found = metric_intervals(predictions(np.array([[3, 1], [2, 5]])), 0, draws=10)
    overall = ["accuracy", "balanced_accuracy", "macro_f1", "worst_class_recall"]
    assert [(name, class_) for name, class_, _ in unpacked(found)] == [
        *((name, "") for name in overall),
        *((name, class_) for name in CLASS_METRICS for class_ in ("class0", "class1")),
    ]
    assert [interval for *_, interval in unpacked(found)][:2] == [*found[:2]]


def test_they_are_written_as_mappings(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"recall": {"dog": Interval(0.5, 0.1, 0.9)}, "n": 3})
    assert read_json(tmp_path / "a.json") == {
        "recall": {"dog": {"value": 0.5, "low": 0.1, "high": 0.9}},
        "n": 3,
    }
