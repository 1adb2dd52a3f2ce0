"""Metrics agree with scikit-learn, and are undefined for classes without test photographs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    recall_score,
    roc_auc_score,
)

from ballast.scores.metrics import CALIBRATION_BINS, compute_metrics, mean_metrics, reliability
from ballast.scores.predictions import Predictions


def predictions(
    classes: list[str], true: list[str], probabilities: list[list[float]]
) -> Predictions:
    return Predictions(
        classes, [f"{i}.png" for i in range(len(true))], true, np.array(probabilities)
    )


def test_a_case_done_by_hand() -> None:
    metrics = compute_metrics(
        predictions(
            ["cat", "dog"],
            ["cat", "cat", "cat", "dog"],
            [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]],
        )
    )
    assert metrics["accuracy"] == 0.75
    assert metrics["recall"] == {"cat": pytest.approx(2 / 3), "dog": 1.0}
    assert metrics["precision"] == {"cat": 1.0, "dog": 0.5}
    assert metrics["f1"] == {"cat": pytest.approx(0.8), "dog": pytest.approx(2 / 3)}
    assert metrics["balanced_accuracy"] == pytest.approx(5 / 6)
    assert metrics["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert metrics["worst_class_recall"] == pytest.approx(2 / 3)
    assert metrics["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean())


def test_one_class_for_everything_is_caught() -> None:
    metrics = compute_metrics(predictions(["cat", "dog"], ["cat"] * 9 + ["dog"], [[0.9, 0.1]] * 10))
    assert metrics["accuracy"] == 0.9
    assert metrics["worst_class_recall"] == 0.0
    assert metrics["precision"]["dog"] == 0.0


def test_a_class_without_test_photographs_has_no_figures() -> None:
    metrics = compute_metrics(
        predictions(["cat", "dog", "emu"], ["cat", "dog"], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    )
    assert metrics["recall"] == {"cat": 1.0, "dog": 1.0, "emu": None}
    assert metrics["balanced_accuracy"] == metrics["macro_f1"] == 1.0


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(5, 60))
def test_they_are_scikit_learns(seed: int, k: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    classes = [f"class{i}" for i in range(k)]
    true = classes + [classes[i] for i in generator.integers(0, k, n)]
    probabilities = generator.dirichlet(np.ones(k), len(true))
    judged = Predictions(classes, true, true, probabilities)
    metrics, guessed = compute_metrics(judged), judged.predicted
    assert metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(true, guessed))
    assert metrics["macro_f1"] == pytest.approx(f1_score(true, guessed, average="macro"))
    assert metrics["log_loss"] == pytest.approx(log_loss(true, probabilities, labels=classes))
    recalls = recall_score(true, guessed, labels=classes, average=None)
    assert list(metrics["recall"].values()) == pytest.approx(recalls.tolist())
    assert metrics["worst_class_recall"] == pytest.approx(min(recalls))
    for name, column in zip(classes, probabilities.T, strict=True):
        is_it = [label == name for label in true]
        assert metrics["roc_auc"][name] == pytest.approx(roc_auc_score(is_it, column))
        assert metrics["average_precision"][name] == pytest.approx(
            average_precision_score(is_it, column)
        )


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 60))
def test_reliability_is_scikit_learns_calibration_curve(seed: int, k: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    classes = [f"class{i}" for i in range(k)]
    true = [classes[i] for i in generator.integers(0, k, n)]
    judged = Predictions(classes, true, true, generator.dirichlet(np.ones(k), n))
    right = np.array(true) == np.array(judged.predicted)
    confidence = judged.probabilities.max(axis=1)
    bins = reliability([judged])
    accuracies, confidences = calibration_curve(right, confidence, n_bins=CALIBRATION_BINS)
    assert [b.accuracy for b in bins] == pytest.approx(accuracies.tolist())
    assert [b.confidence for b in bins] == pytest.approx(confidences.tolist())
    assert sum(b.photographs for b in bins) == n
    assert all((b.bin - 1) / 15 <= b.confidence <= b.bin / 15 + 1e-9 for b in bins)


def test_calibration_error_done_by_hand() -> None:
    # Sure of 0.9, right in 1 of 2; sure of 0.62, right in 2 of 2.
    judged = predictions(
        ["cat", "dog"],
        ["cat", "dog", "cat", "cat"],
        [[0.9, 0.1], [0.9, 0.1], [0.62, 0.38], [0.62, 0.38]],
    )
    found = compute_metrics(judged)["calibration_error"]
    assert found == pytest.approx((0.4 + 0.38) / 2)


def test_one_class_against_no_rest_has_no_curve() -> None:
    metrics = compute_metrics(predictions(["cat", "dog"], ["cat"] * 3, [[0.9, 0.1]] * 3))
    assert metrics["roc_auc"] == metrics["average_precision"] == {"cat": None, "dog": None}


def test_means_are_those_of_the_trainings() -> None:
    one = predictions_of([0.9, 0.6, 0.2])
    other = predictions_of([0.4, 0.7, 0.8])
    both = mean_metrics([one, other])
    first, second = compute_metrics(one), compute_metrics(other)
    assert mean_metrics([one]) == first
    for name in ("accuracy", "log_loss", "calibration_error"):
        assert both[name] == pytest.approx((first[name] + second[name]) / 2)
    assert both["recall"]["a"] == pytest.approx((first["recall"]["a"] + second["recall"]["a"]) / 2)
    assert both["recall"]["c"] is None
    assert sum(bin_.photographs for bin_ in reliability([one, other])) == 3


def predictions_of(sureness: list[float]) -> Predictions:
    """Of three photographs, two of a, one of b: the probability of a."""
    columns = np.array([[of, 1 - of, 0] for of in sureness])
    return Predictions(["a", "b", "c"], ["1", "2", "3"], ["a", "a", "b"], columns)
