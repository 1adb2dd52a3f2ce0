"""Verdicts on two runs claim what the figures support, and no more."""

from collections.abc import Callable

from confusion import predictions

from ballast.comparison.runs import compare
from ballast.scores.intervals import UNDEFINED
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run

RunOf = Callable[[str, Predictions], Run]


def test_a_class_that_is_recognised_more_often_is_named(run_of: RunOf) -> None:
    before = run_of("baseline", predictions([[4, 0, 36], [0, 40, 0], [0, 2, 38]]))
    after = run_of("balanced", predictions([[30, 0, 10], [0, 39, 1], [0, 3, 37]]))
    found = compare([before, after], seed=1).differences["balanced"]
    assert found.verdicts["dog"].replace("\N{NO-BREAK SPACE}", " ") == (
        "balanced recognises it more often than baseline, 75 % against 10 %"
        " (McNemar's p = 8.9e-08)."
    )
    assert found.photographs_that_would_tell["dog"] is None
    assert found.verdicts["human"].startswith("No difference")


def test_luck_with_few_images_is_called_that(run_of: RunOf) -> None:
    # The one dog is recognised by luck: recall 0 against 1.
    before = run_of("baseline", predictions([[0, 0, 1], [0, 5, 0], [0, 1, 6]]))
    after = run_of("balanced", predictions([[1, 0, 0], [0, 5, 0], [0, 1, 6]]))
    found = compare([before, after], seed=1).differences["balanced"]
    assert found.metrics.recall["dog"].value == 1
    says = "No difference between balanced and baseline can be told apart from chance"
    assert found.verdict.startswith(f"{says} with this many images, 13: balanced accuracy")
    assert found.verdicts["dog"].startswith(f"{says} with this many images, 1; about 6 test")
    assert found.verdicts["human"] == f"{says} with this many images, 5, and none was seen."
    assert found.photographs_that_would_tell == {"dog": 6, "human": None, "snake": None}


def test_accuracy_against_balanced_accuracy_is_said(run_of: RunOf) -> None:
    before = run_of("baseline", predictions([[1, 0, 19], [0, 0, 0], [0, 0, 400]]))
    after = run_of("balanced", predictions([[20, 0, 0], [0, 0, 0], [60, 0, 340]]))
    found = compare([before, after], seed=1).differences["balanced"]
    assert found.verdict.startswith("balanced is better than baseline")
    assert "but its accuracy is lower" in found.verdict
    assert found.verdicts["human"] == "No photograph to test on."
    assert "less often" in found.verdicts["snake"]
    assert found.metrics.recall["human"] == UNDEFINED
