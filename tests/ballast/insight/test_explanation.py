"""What is explained, by which heads, and with which neighbours."""

from pathlib import Path

import numpy as np
import pytest

from ballast.core.manifest import Row
from ballast.core.store import ContentStore
from ballast.dataset.folds import Trial
from ballast.insight.explanation import (
    CLASSES,
    RIGHT,
    Seen,
    evidence,
    heads_of,
    neighbours,
    shown_photographs,
    with_training_photographs,
)
from ballast.model.judging_heads import JudgingHead
from ballast.model.training_photographs import TrainingPhotographs
from ballast.scores.predictions import Predictions


def row(path: str, group: str | None = None) -> Row:
    return Row(path, path[0], "train", group or path, f"{hash(path):064x}"[-64:], 9, 9)


def head(value: float) -> JudgingHead:
    return JudgingHead(np.full((2, 2), value), np.zeros(2))


def test_each_photograph_is_explained_by_the_head_that_judged_it() -> None:
    rows = [row("a1"), row("a2"), row("b1"), row("b2")]
    trials = [Trial(rows[2:], rows[:2]), Trial(rows[:2], rows[2:])]
    found = heads_of(trials, [head(1), head(2)], head(3), ["b2", "c1"])
    assert {path: one.weights[0, 0] for path, one in found.items()} == {
        "a1": 1, "a2": 1, "b1": 2, "b2": 2, "c1": 3,
    }  # fmt: skip
    with pytest.raises(ValueError, match="shorter"):
        heads_of(trials, [head(1)], head(3), [])


def predictions(sure: dict[str, float]) -> Predictions:
    """Predictions for photographs whose name begins with their class, a or b."""
    of_a = [p if path[0] == "a" else 1 - p for path, p in sure.items()]
    return Predictions(
        ["a", "b"], [*sure], [path[0] for path in sure], np.array([[p, 1 - p] for p in of_a])
    )


def test_right_answers_are_typical_ones_that_every_model_gave() -> None:
    first = {"a1": 0.6, "a2": 0.7, "a3": 0.8, "a4": 0.9, "b1": 0.9, "b2": 0.2}
    second = dict(first, a3=0.4)
    mistakes, right = shown_photographs([predictions(first), predictions(second)], {})
    assert mistakes == [Seen("b2", "b", "a"), Seen("a3", "a", "b")]
    assert right == [Seen("a1", "a", "a"), Seen("a2", "a", "a"), Seen("b1", "b", "b")]
    assert shown_photographs([predictions(first)], {})[1][:RIGHT] == [
        Seen("a2", "a", "a"),
        Seen("a3", "a", "a"),
    ]


def test_right_answers_are_of_the_rarest_classes() -> None:
    names = [f"c{number:02}" for number in range(CLASSES + 1)]
    true = [name for name in names for _ in range(2 if name == "c00" else 1)]
    guesses = np.eye(len(names))[[names.index(name) for name in true]]
    paths = [f"{number}.jpg" for number in range(len(true))]
    _, right = shown_photographs([Predictions(names, paths, true, guesses)], {})
    assert sorted({one.class_ for one in right}) == names[1:]


def test_neighbours_are_known_photographs_of_other_groups(tmp_path: Path) -> None:
    store = ContentStore(tmp_path, 1)
    rows = [row("a1", "burst"), row("a2", "burst"), row("b1"), row("b2"), row("b3")]
    features = np.array([[9, 0], [9, 1], [9, 2], [0, 9], [9, 3]], np.float32)
    found = neighbours(rows, features, ["a1"], lambda one: one.path != "b2", store)
    assert [(one.nearest, one.nearest_class) for one in found] == [("b1", "b"), ("b3", "b")]
    assert found[0].distance == pytest.approx(1 - 9 / 85**0.5, abs=1e-6)
    assert neighbours(rows, features, [], lambda _: True, store) == []
    assert neighbours(rows, features, ["a1"], lambda _: False, store) == []


def test_evidence_is_for_the_predicted_class_on_one_scale() -> None:
    maps = np.zeros((2, 2, 2, 2), np.uint8)
    maps[:, 0, 1, 0] = 100, 50  # speaks for the first class
    maps[:, 1, 1, 1] = 10, 5
    weights = np.array([[1.0, 0.0], [0.0, 1.0]])
    heads = dict.fromkeys(("a1", "a2"), JudgingHead(weights, np.zeros(2)))
    seen = [Seen("a1", "a", "a"), Seen("a2", "a", "b")]
    for_a, for_b = evidence(seen, maps, heads, ["a", "b"])
    assert for_a[:3] == seen[0]
    assert np.argwhere(np.array(for_a.strengths)).tolist() == [[0, 1]]
    assert np.argwhere(np.array(for_b.strengths)).tolist() == [[1, 1]]


def test_held_out_training_photographs_are_doubted_as_test_photographs_are() -> None:
    held_out = np.array([[0.25, 0.75], [np.nan, np.nan], [1.0, 0.0]])
    kept = TrainingPhotographs(np.zeros((3, 2)), np.array([0, 1, 1]), np.arange(3), held_out)
    whole = with_training_photographs(predictions({"a1": 0.9}), kept, ["a2", "b2", "b3"])
    assert (whole.paths, whole.true) == (["a1", "a2", "b3"], ["a", "a", "b"])
    assert whole.probabilities.tolist() == [[0.9, pytest.approx(0.1)], [0.25, 0.75], [1.0, 0.0]]
