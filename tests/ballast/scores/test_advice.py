"""Each rule of the advice: when it applies, and when it does not."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from ballast.balance.class_weights import class_weights
from ballast.scores.advice import Outcomes, emphasis, recommendations
from ballast.scores.intervals import proportion
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run
from ballast.scores.significance import Outcome

PLAIN = {"oversample": False, "class_weights": None, "balanced_batches": False}
RunOf = Callable[..., Run]


@pytest.fixture(scope="module")
def run_of(make_run: RunOf) -> RunOf:
    """Make a run of 10 cats and 100 dogs, of which nothing is to be said but for what is given."""

    def make(
        name: str = "mine",
        *,
        train: Sequence[int] = (10, 100),
        test: Sequence[int] = (40, 40),
        made: Sequence[int] = (30, 300),
        strategy: Mapping[str, Any] = PLAIN,
        history: Mapping[str, Sequence[float]] | None = None,
        recognised: Sequence[int] = (40, 40),
    ) -> Run:
        classes = ["cat", "dog"]
        true = [place for place, n in enumerate(test) for _ in range(n)]
        guesses = [
            place if i < right else 1 - place
            for place, (n, right) in enumerate(zip(test, recognised, strict=True))
            for i in range(n)
        ]
        run: Run = make_run(name, [*classes, "untested"])
        return run._replace(
            predictions=Predictions(
                classes,
                [f"{i}.png" for i in range(len(true))],
                [classes[place] for place in true],
                np.eye(2)[guesses],
            ),
            counts={
                class_: {"train": train[place], "val": 9, "test": test[place]}
                for place, class_ in enumerate(classes)
            },
            made=dict(zip(classes, made, strict=True)),
            weights=class_weights(
                dict(zip(classes, train, strict=True)),
                strategy["class_weights"],
                strategy.get("weight_power", 1.0),
            ),
            history=history or {**run.history, "accuracy": [0.5] * 3, "val_accuracy": [0.5] * 3},
            params={"strategy": "s", **{f"strategies.s.{k}": v for k, v in strategy.items()}},
            metrics=run.metrics._replace(
                recall={
                    class_: proportion(right, n)
                    for class_, right, n in zip(classes, recognised, test, strict=True)
                }
            ),
        )

    return make


def said(*runs: Run, outcomes: Outcomes | None = None) -> dict[str, str]:
    return {advice.rule: advice.text for advice in recommendations(runs, outcomes or {})}


def test_nothing_is_said_of_a_run_where_nothing_is_to_be_said(run_of: RunOf) -> None:
    assert said(run_of()) == {}


def test_under_10_training_photographs_are_few(run_of: RunOf) -> None:
    assert "few_training_images" not in said(run_of(train=(10, 100)))
    found = said(run_of(train=(9, 100)))["few_training_images"]
    assert found.startswith("cat has only 9 photographs for training")
    assert "cat has only 1 photograph for" in said(run_of(train=(1, 100)))["few_training_images"]


def test_of_several_runs_few_photographs_are_said_once(run_of: RunOf) -> None:
    runs = [run_of(name, train=(9, 100)) for name in "abc"]
    found = recommendations(runs, {"b": {}, "c": {}})
    assert [advice.rule for advice in found] == ["few_training_images"]


def test_under_40_test_photographs_are_too_few(run_of: RunOf) -> None:
    assert "small_test_set" not in said(run_of(test=(40, 40)))
    found = said(run_of(test=(39, 40), recognised=(39, 40)))["small_test_set"]
    assert found.startswith("Too few test photographs (cat 39):")


def history(accuracy: float, val_accuracy: float) -> dict[str, list[float]]:
    """Of three epochs, of which the second is the best; the last would be worse."""
    return {
        "loss": [2, 1, 0.5],
        "val_loss": [2, 1, 3],
        "accuracy": [0.1, accuracy, 1.0],
        "val_accuracy": [0.1, val_accuracy, 0.0],
    }


def test_training_accuracy_far_above_validation_is_overfitting(run_of: RunOf) -> None:
    assert "overfitting" not in said(run_of(history=history(0.9, 0.71)))
    found = said(run_of(history=history(0.9, 0.69)))["overfitting"]
    assert "90\N{NO-BREAK SPACE}% on the training images and 69\N{NO-BREAK SPACE}% on the" in found
    without = {"loss": [2.0, 1.0], "accuracy": [0.5, 1.0]}
    assert "overfitting" not in said(run_of(history=without)), "no photographs to validate"
    solved = {"loss": [2.0, 1.0], "gradient_norm": [0.5, 1e-13]}
    assert "overfitting" not in said(run_of(history=solved)), "a head"


@pytest.mark.parametrize(
    ("strategy", "made", "expected"),
    [
        ({}, (30, 300), 1),
        ({"oversample": True}, (300, 300), 10),
        ({"balanced_batches": True}, (30, 300), 10),
        ({"class_weights": "balanced"}, (30, 300), 10),
        ({"oversample": True, "class_weights": "balanced"}, (300, 300), 100),
        ({"oversample": True, "balanced_batches": True}, (300, 300), 10),
        ({"balanced_batches": True, "class_weights": "balanced", "weight_power": 0.5}, (30, 300),
         10 * 10**0.5),
    ],
)  # fmt: skip
def test_emphasis_is_ratio_times_weight(
    run_of: RunOf, strategy: dict[str, Any], made: tuple[int, int], expected: float
) -> None:
    found = emphasis(run_of(made=made, strategy=PLAIN | strategy))
    assert found == {"cat": pytest.approx(expected), "dog": pytest.approx(1)}


def test_two_methods_that_correct_twice(run_of: RunOf) -> None:
    twice = PLAIN | {"oversample": True, "class_weights": "balanced"}
    found = said(run_of(made=(300, 300), strategy=twice))["corrects_twice"]
    assert found.startswith(
        "Double correction: with oversampling and class weights, cat counts 10.0 times"
    )
    tempered = twice | {"weight_power": 0.17}  # 10 ** 0.17 is 1.48
    assert "corrects_twice" not in said(run_of(made=(300, 300), strategy=tempered))
    harmless = PLAIN | {"oversample": True, "balanced_batches": True}
    assert "corrects_twice" not in said(run_of(made=(300, 300), strategy=harmless))
    alone = PLAIN | {"class_weights": "balanced"}
    assert "corrects_twice" not in said(run_of(strategy=alone))


@pytest.mark.parametrize(
    ("only_reference", "only_this", "p_value", "fires"),
    [(9, 0, 0.01, True), (9, 0, 0.06, False), (0, 9, 0.01, False)],
)
def test_a_class_that_got_worse(
    run_of: RunOf, only_reference: int, only_this: int, p_value: float, fires: bool
) -> None:
    outcome = Outcome(only_reference, only_this, p_value=0.001, p_value_holm=p_value)
    runs = run_of("before"), run_of("after", recognised=(40, 31))
    found = said(*runs, outcomes={"after": {"dog": outcome}})
    assert ("worse_class" in found) == fires
    if fires:
        assert found["worse_class"].startswith(
            "after has a significantly lower recall for dog than before: 78"
        )


def test_the_confusion_that_costs_most(run_of: RunOf) -> None:
    assert "costliest_confusion" not in said(run_of(recognised=(37, 37))), "3 of 40 are few"
    rare = said(run_of(test=(40, 400), recognised=(30, 350)))["costliest_confusion"]
    assert rare.startswith("Costliest confusion: cat misclassified as dog, 10 of 40"), (
        "a quarter, not an eighth"
    )
    one_of_four = run_of(test=(4, 40), recognised=(3, 40))
    assert "costliest_confusion" not in said(one_of_four), "one photograph may be any"


def test_the_others_are_judged_not_the_reference(run_of: RunOf) -> None:
    bad, good = run_of("bad", recognised=(20, 40)), run_of("good")
    assert "costliest_confusion" not in said(bad, good, outcomes={"good": {}})
    found = said(good, bad, outcomes={"bad": {}})["costliest_confusion"]
    assert found.startswith("Costliest confusion in bad: cat misclassified as dog")
