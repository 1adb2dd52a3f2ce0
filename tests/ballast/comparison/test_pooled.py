"""Folds are pooled over the photographs, and strategies by those that all of them judged."""

import numpy as np
import pytest

from ballast.comparison.pooled import pool, shared
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


def test_folds_of_other_classes_are_refused() -> None:
    other = predictions({"b": True})._replace(classes=["dog", "human", "cat"])
    with pytest.raises(ValueError, match="differ in their classes"):
        pool([predictions({"a": True}), other])


def test_photographs_that_one_run_has_not_judged_are_left_out() -> None:
    found = shared(
        {
            "one": {1: predictions({"a": True, "b": False, "c": True})},
            "other": {1: predictions({"b": True, "c": True})},
        }
    )
    assert [of[1].paths for of in found.values()] == [["b", "c"], ["b", "c"]]
    assert found["one"][1].predicted == ["human", "dog"]
