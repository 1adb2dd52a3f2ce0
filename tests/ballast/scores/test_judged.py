"""The trainings of a strategy are put together by photograph."""

import numpy as np
import pytest

from ballast.scores.judged import confusion_counts, judged_by, recall_by_training
from ballast.scores.predictions import Predictions

CLASSES = ["dog", "snake"]


def predictions(guesses: dict[str, int], true: list[str]) -> Predictions:
    return Predictions(CLASSES, [*guesses], true, np.eye(2)[[*guesses.values()]])


ONE = predictions({"b": 0, "a": 1, "c": 1}, ["dog", "snake", "dog"])
OTHER = predictions({"a": 1, "c": 0, "b": 1}, ["snake", "dog", "dog"])


def test_the_order_of_photographs_does_not_matter() -> None:
    found = judged_by([ONE, OTHER])
    assert found.classes == CLASSES
    assert found.true.tolist() == [1, 0, 0]
    assert found.predicted.tolist() == [[1, 0, 1], [1, 1, 0]]


def test_photographs_without_groups_are_independent() -> None:
    assert len(set(judged_by([ONE]).groups.tolist())) == 3
    grouped = judged_by([ONE], {"a": "film", "b": "film", "c": "alone"}).groups.tolist()
    assert grouped[0] == grouped[1] != grouped[2]


def test_trainings_of_other_photographs_are_refused() -> None:
    other = predictions({"a": 1, "c": 0, "d": 1}, ["snake", "dog", "dog"])
    with pytest.raises(ValueError, match="different photographs"):
        judged_by([ONE, other])


def test_recalls_are_of_each_training_and_of_judged_classes_alone() -> None:
    assert recall_by_training(judged_by([ONE, OTHER])) == [
        {"dog": 0.5, "snake": 1.0},
        {"dog": 0.5, "snake": 1.0},
    ]
    dogs = predictions({"b": 0, "c": 1}, ["dog", "dog"])
    assert recall_by_training(judged_by([dogs])) == [{"dog": 0.5}]


def test_confusions_are_counted_in_all_trainings() -> None:
    both = judged_by([ONE, OTHER])
    assert confusion_counts(both).tolist() == [[2, 2], [0, 2]]
    assert confusion_counts(judged_by([ONE])).tolist() == [[1, 1], [0, 1]]
