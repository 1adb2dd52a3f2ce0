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
        "balanced has a significantly higher recall than baseline, 75 % against 10 %"
        " (McNemar's test, Holm-corrected p = 8.9e-08)."
    )
    assert found.photographs_that_would_tell["dog"] is None
    assert found.verdicts["human"].startswith("No significant difference")


def test_luck_with_few_images_is_called_that(run_of: RunOf) -> None:
    # The one dog is recognised by luck: recall 0 against 1.
    before = run_of("baseline", predictions([[0, 0, 1], [0, 5, 0], [0, 1, 6]]))
    after = run_of("balanced", predictions([[1, 0, 0], [0, 5, 0], [0, 1, 6]]))
    found = compare([before, after], seed=1).differences["balanced"]
    assert found.metrics.recall["dog"].value == 1
    says = "No significant difference between balanced and baseline (5 % level"
    overall, dog, human = (
        text.replace("\N{NO-BREAK SPACE}", " ")
        for text in (found.verdict, found.verdicts["dog"], found.verdicts["human"])
    )
    assert overall.startswith(
        f"{says}, corrected for the runs compared) on 13 test photographs: balanced accuracy"
    )
    assert dog == (
        f"{says}, Holm-corrected) on 1 test photographs; detecting the observed difference takes"
        " about 6."
    )
    assert human == f"{says}, Holm-corrected) on 5 test photographs; both recalls are equal."
    assert found.photographs_that_would_tell == {"dog": 6, "human": None, "snake": None}


def test_accuracy_against_balanced_accuracy_is_said(run_of: RunOf) -> None:
    before = run_of("baseline", predictions([[1, 0, 19], [0, 0, 0], [0, 0, 400]]))
    after = run_of("balanced", predictions([[20, 0, 0], [0, 0, 0], [60, 0, 340]]))
    found = compare([before, after], seed=1).differences["balanced"]
    assert found.verdict.startswith("balanced is significantly better than baseline")
    assert "but its accuracy is significantly lower" in found.verdict
    assert found.verdicts["human"] == "No test photographs."
    assert "has a significantly lower recall" in found.verdicts["snake"]
    assert found.metrics.recall["human"] == UNDEFINED
