"""A run's verdict claims what its figures support, and no more."""

import numpy as np
import pytest

from ballast.scores.intervals import metric_intervals
from ballast.scores.predictions import Predictions
from ballast.scores.verdict import verdict

COUNTS = {
    "dog": {"train": 2, "val": 1, "test": 0},
    "human": {"train": 20, "val": 4, "test": 0},
    "snake": {"train": 30, "val": 5, "test": 0},
}
CLASSES = list(COUNTS)


def sentence(pairs: list[tuple[str, str, int]]) -> str:
    true = [name for name, _, photos in pairs for _ in range(photos)]
    taken = [CLASSES.index(name) for _, name, photos in pairs for _ in range(photos)]
    predictions = Predictions(CLASSES, [*map(str, range(len(true)))], true, np.eye(3)[taken])
    intervals = metric_intervals(predictions, seed=1, draws=100)
    return verdict(predictions, COUNTS, intervals).replace("\N{NO-BREAK SPACE}", " ")


def test_a_run_better_than_a_constant_answer_is_said_to_be() -> None:
    right = [("dog", "dog", 30), ("dog", "snake", 10), ("human", "human", 39)]
    assert sentence([*right, ("human", "dog", 1), ("snake", "snake", 40)]) == (
        "91 % of the 120 test photographs are classified correctly (95 % interval 84 to 95 %),"
        " significantly more than the 33 % of always predicting snake (McNemar's test, 5 % level);"
        " the weakest class is dog, with a recall of 75 % (60 to 86 %)."
    )


def test_a_run_that_always_answers_the_largest_class_is_told_from_nothing() -> None:
    found = sentence([("human", "snake", 5), ("dog", "snake", 1), ("snake", "snake", 7)])
    assert "54 % of the 13 test photographs" in found
    assert "not significantly different from the 54 % of always predicting snake" in found
    assert found.endswith("the weakest classes, each with a recall of 0 %, are dog, human.")


@pytest.mark.parametrize(
    ("better", "worse", "said"),
    [
        (6, 0, "significantly more than the"),  # McNemar's exact p is 2 / 2 ** 6 = 0.031
        (5, 0, "not significantly different from the"),  # 0.063
        (0, 6, "significantly less than the"),
        (0, 5, "not significantly different from the"),
    ],
)
def test_a_difference_counts_from_where_chance_is_below_a_twentieth(
    better: int, worse: int, said: str
) -> None:
    pairs = [("dog", "dog", better), ("snake", "dog", worse), ("snake", "snake", 4)]
    assert said in sentence([*pairs, ("human", "dog", 4)])


def test_classes_that_are_all_alike_have_no_weakest() -> None:
    found = sentence([("dog", "dog", 2), ("human", "human", 2)])
    assert found.endswith("every class has a recall of 100 %.")


def test_a_class_without_test_photographs_is_not_the_weakest() -> None:
    found = sentence([("dog", "dog", 2), ("human", "human", 1), ("human", "dog", 1)])
    assert "the weakest class is human, with a recall of 50 %" in found
