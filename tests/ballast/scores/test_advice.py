"""Each rule of the advice: when it applies, and when it does not."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import yaml

from ballast.balance.class_weights import class_weights
from ballast.core.counts import Counts
from ballast.scores.advice import (
    Worse,
    balancing_methods,
    emphasis,
    loss_share,
    recommendations,
)
from ballast.scores.estimates import strategy_intervals
from ballast.scores.explanations import (
    Explanations,
    LabelIssue,
    Shortcut,
)
from ballast.scores.judged import judged_by
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run

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
        predictions = Predictions(
            classes,
            [f"{i}.png" for i in range(len(true))],
            [classes[place] for place in true],
            np.eye(2)[guesses],
        )
        run: Run = make_run(name, [*classes, "untested"])
        return run._replace(
            judged=judged_by([predictions]),
            metrics=strategy_intervals(judged_by([predictions])),
            predictions=[predictions],
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
        )

    return make


def said(*runs: Run, worse: Worse | None = None) -> dict[str, str]:
    return {advice.rule: advice.text for advice in recommendations(runs, worse or {})}


def action(*runs: Run, worse: Worse | None = None) -> dict[str, str]:
    return {advice.rule: advice.action for advice in recommendations(runs, worse or {})}


def test_nothing_is_said_of_a_run_where_nothing_is_to_be_said(run_of: RunOf) -> None:
    assert said(run_of()) == {}


def test_under_10_training_photographs_are_few(run_of: RunOf) -> None:
    assert "few_training_images" not in said(run_of(train=(10, 100)))
    found = said(run_of(train=(9, 100)))["few_training_images"]
    assert found.startswith("cat has only 9 photographs for training")
    assert "cat has only 1 photograph for" in said(run_of(train=(1, 100)))["few_training_images"]


def test_several_classes_of_few_photographs_are_one_sentence(run_of: RunOf) -> None:
    run = run_of(train=(3, 100))
    counts: Counts = {f"c{n}": {"train": n, "val": 0, "test": 0} for n in range(9, 2, -1)}
    run = run._replace(
        counts={**run.counts, **counts},
        made={**run.made, **dict.fromkeys(counts, 300)},
        weights={**run.weights, **dict.fromkeys(counts, 1.0)},
    )
    found = said(run)["few_training_images"]
    assert found.startswith(
        "8 classes have too few photographs for training (cat 3, c3 3, c4 4, c5 5, c6 6 and 3"
        " others) to represent a class with any balancing."
    )


@pytest.mark.parametrize(
    ("strategy", "command"),
    [
        ("balanced", "make compare"),
        ("baseline", "make compare"),
        ("gentle", 'make compare STRATEGIES="baseline gentle"'),
    ],
)
def test_the_comparison_is_with_the_strategy_in_use(
    run_of: RunOf, strategy: str, command: str
) -> None:
    run = run_of()
    params = {**run.params, "cross_validation.reference": "baseline", "strategy": strategy}
    params |= {f"strategies.{strategy}.{key}": value for key, value in PLAIN.items()}
    (first, *_) = recommendations([run._replace(params=params)], {}, compared=False)
    assert first.action == command


def test_a_run_that_was_not_compared_asks_whether_balancing_helped(run_of: RunOf) -> None:
    first = recommendations([run_of(train=(9, 100))], {}, compared=False)[0]
    assert first.text.startswith("Did balancing help?")


def test_each_recommendation_has_the_command_or_the_param_that_does_it(run_of: RunOf) -> None:
    assert action(run_of(train=(9, 100)))["few_training_images"] == "make"
    few = run_of(test=(39, 40), recognised=(39, 40))
    assert action(few)["small_test_set"] == "make cross-validate"
    assert action(few._replace(cross_validated=True))["small_test_set"] == "make"
    overfitted = run_of(history=history(0.9, 0.5))
    assert action(overfitted)["overfitting"] == "train.backbone: efficientnet_lite0"
    tuned = overfitted._replace(params={**overfitted.params, "train.fine_tune_epochs": 5})
    assert action(tuned)["overfitting"] == "train.fine_tune_epochs: 0"
    twice = PLAIN | {"oversample": True, "class_weights": "balanced"}
    found = action(run_of(made=(300, 300), strategy=twice))["corrects_twice"]
    assert found == "strategies.s.class_weights: null"
    assert action(run_of(recognised=(30, 40)))["largest_confusion"] == "make"


def test_how_a_strategy_balances() -> None:
    row = PLAIN | {"oversample": True, "logit_adjustment": 1.0}
    params = {f"strategies.s.{key}": value for key, value in row.items()}
    assert balancing_methods(params, "s") == ["oversampling", "logit adjustment"]
    plain = {f"strategies.s.{key}": value for key, value in PLAIN.items()}
    assert balancing_methods(plain, "s") == []


def test_of_several_runs_few_photographs_are_said_once(run_of: RunOf) -> None:
    runs = [run_of(name, train=(9, 100)) for name in "abc"]
    found = recommendations(runs, {})
    assert [advice.rule for advice in found] == ["few_training_images"]


def test_under_40_judged_photographs_are_too_few(run_of: RunOf) -> None:
    assert "small_test_set" not in said(run_of(test=(40, 40)))
    few = run_of(test=(39, 40), recognised=(39, 40))
    found = said(few)["small_test_set"]
    assert found.startswith(
        "Too few photographs were judged (cat 39): with fewer than 40 per class"
    )
    assert found.endswith("Add test photographs, or cross-validate to test every photograph.")
    found = said(few._replace(cross_validated=True))["small_test_set"]
    assert found.endswith("30 points wide or more. Collect more photographs.")


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
    few = run_of(history=history(0.9, 0.0))
    few = few._replace(counts={name: of | {"val": 1} for name, of in few.counts.items()})
    assert "overfitting" not in said(few), "two validation photographs may be any"
    assert "overfitting" not in said(run_of(history=history(0.7, 0.3))), "it has not learned them"
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


def test_a_class_that_got_worse(run_of: RunOf) -> None:
    runs = run_of("before"), run_of("after", recognised=(40, 31))
    assert "worse_class" not in said(*runs), "significance is for others to find"
    assert "worse_class" not in said(*runs, worse={"after": [], "before": ["dog"]})
    found = said(*runs, worse={"after": ["dog"]})["worse_class"]
    assert found.replace("\N{NO-BREAK SPACE}", " ") == (
        "after has a significantly lower recall for dog than before: 78 % against 100 %. Add"
        " photographs of dog."
    )


@pytest.mark.parametrize("balanced_by", [{"oversample": True}, {"balanced_batches": True}])
def test_balancing_less_as_advised_raises_the_share_of_the_class(
    run_of: RunOf, balanced_by: dict[str, bool]
) -> None:
    row = PLAIN | balanced_by
    runs = [run_of("before"), run_of("after", strategy=row, made=(300, 300))]
    advised = action(*runs, worse={"after": ["dog"]})["worse_class"]
    values = {
        key.strip().removeprefix("strategies.s."): yaml.safe_load(value)
        for key, value in (param.split(": ") for param in advised.split(","))
    }
    less = run_of(strategy=row | values)
    assert loss_share(runs[1], "dog") < loss_share(less, "dog") < loss_share(runs[0], "dog")


def test_every_class_that_got_worse_is_one_recommendation(run_of: RunOf) -> None:
    runs = [run_of(name) for name in ("before", "after", "later")]
    found = recommendations(runs, {"after": ["cat", "dog"], "later": ["dog"]})
    assert [advice.text.partition(" than")[0] for advice in found] == [
        "after has a significantly lower recall for cat",
        "after has a significantly lower recall for dog",
        "later has a significantly lower recall for dog",
    ]


def test_the_share_of_a_class_in_the_loss(run_of: RunOf) -> None:
    assert loss_share(run_of(), "cat") == pytest.approx(10 / 110)
    assert loss_share(run_of(strategy=WEIGHTED), "cat") == pytest.approx(1 / 2)


WEIGHTED = PLAIN | {"class_weights": "balanced"}
OVERSAMPLED = PLAIN | {"oversample": True}


@pytest.mark.parametrize(
    ("reference", "this", "class_", "remedy", "param"),
    [
        (
            PLAIN,
            WEIGHTED,
            "dog",
            "Balance less: lower weight_power; or add photographs of dog.",
            "strategies.s.weight_power: 0.5",
        ),
        (
            PLAIN,
            OVERSAMPLED,
            "dog",
            "Balance less: use class_weights: balanced with a weight_power below 1 instead; or",
            "strategies.s.oversample: false, strategies.s.class_weights: balanced,"
            " strategies.s.weight_power: 0.5",
        ),
        (
            PLAIN,
            OVERSAMPLED | WEIGHTED | {"oversample": True},
            "dog",
            "Balance less: use only one of oversampling and class weights; or add photographs of",
            "strategies.s.class_weights: null",
        ),
        (
            WEIGHTED,
            PLAIN,
            "cat",
            "Balance as before does, or add photographs of cat.",
            "strategy: s",
        ),
        (PLAIN, WEIGHTED, "cat", "Add photographs of cat.", "make"),
        (WEIGHTED, PLAIN, "dog", "Add photographs of dog.", "make"),
    ],
)
def test_the_remedy_is_one_that_this_strategy_has(
    run_of: RunOf,
    reference: dict[str, Any],
    this: dict[str, Any],
    class_: str,
    remedy: str,
    param: str,
) -> None:
    runs = [
        run_of(name, strategy=row, made=(300, 300) if row["oversample"] else (30, 300))
        for name, row in (("before", reference), ("after", this))
    ]
    found = said(*runs, worse={"after": [class_]})["worse_class"]
    assert f"\N{NO-BREAK SPACE}%. {remedy}" in found
    assert action(*runs, worse={"after": [class_]})["worse_class"] == param


def test_the_confusion_that_costs_most(run_of: RunOf) -> None:
    assert "largest_confusion" not in said(run_of(recognised=(37, 37))), "3 of 40 are few"
    rare = said(run_of(test=(40, 400), recognised=(30, 350)))["largest_confusion"]
    assert rare.startswith(
        "Largest confusion, as a share of its class: cat misclassified as dog, 10 of 40"
    ), "a quarter, not an eighth"
    one_of_four = run_of(test=(4, 40), recognised=(3, 40))
    assert "largest_confusion" not in said(one_of_four), "one photograph may be any"


def test_a_confusion_of_a_single_photograph_hides_no_other(run_of: RunOf) -> None:
    found = said(run_of(test=(2, 40), recognised=(1, 30)))["largest_confusion"]
    assert found.startswith(
        "Largest confusion, as a share of its class: dog misclassified as cat, 10 of 40"
    ), "1 of 2 cats is a larger share, but may be any"


def test_with_cross_validation_the_saved_model_may_train_on_all(run_of: RunOf) -> None:
    run = run_of()
    assert "held_back" not in said(run), "its test set is all that judges it"
    judged = run._replace(cross_validated=True)
    assert "has not trained on 80 photographs" in said(judged)["held_back"]
    assert action(judged)["held_back"] == "split.fold: null"
    all_train = {name: {**of, "test": 0} for name, of in run.counts.items()}
    assert "held_back" not in said(judged._replace(counts=all_train))


def test_the_others_are_judged_not_the_reference(run_of: RunOf) -> None:
    bad, good = run_of("bad", recognised=(20, 40)), run_of("good")
    assert "largest_confusion" not in said(bad, good)
    found = said(good, bad)["largest_confusion"]
    assert found.startswith("Largest confusion in bad, as a share of its class: cat")


def explained(run: Run, found: Explanations) -> dict[str, str]:
    return {of.rule: of.text for of in recommendations([run], {}, explained=found)}


def test_a_place_that_decides_a_class_is_told(run_of: RunOf) -> None:
    found = Explanations(shortcuts=[Shortcut("cat", "top left", 0.95, 11, 12)])
    text = explained(run_of(), found)["shortcut"].replace("\N{NO-BREAK SPACE}", " ")
    assert text.startswith("95 % of the evidence for cat lies in the top left of the photographs")
    assert "12 photographs of other classes, that part turned 11 of them into cat" in text


def test_labels_to_check_are_named(run_of: RunOf) -> None:
    issues = [LabelIssue(f"cat/{i}.jpg", "cat", "dog", 0.1) for i in range(7)]
    text = explained(run_of(), Explanations(label_issues=issues))["doubtful_labels"]
    assert text.startswith("Check 7 labels: ")
    assert "cat/4.jpg (rather dog) and 2 others. outputs/label_issues.csv" in text
    one = explained(run_of(), Explanations(label_issues=issues[:1]))["doubtful_labels"]
    assert one.startswith("Check the label: ")
    assert "doubtful_labels" not in explained(run_of(), Explanations())
