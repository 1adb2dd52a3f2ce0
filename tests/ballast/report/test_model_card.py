"""The model card gives the metrics with their intervals, whatever classes are called."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from ballast.core.counts import Counts
from ballast.core.params import Params
from ballast.report.model_card import model_card, plain, training_settings
from ballast.scores.estimates import strategy_intervals
from ballast.scores.judged import judged_by
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run

RunOf = Callable[[Predictions, Counts], Run]


@pytest.fixture(scope="module")
def run_of(make_run: Callable[..., Run]) -> RunOf:
    """Make a run with given predictions and counts."""

    def make(predictions: Predictions, counts: Counts) -> Run:
        run: Run = make_run("mine", predictions.classes)
        of_model = judged_by([predictions])
        return run._replace(
            judged=of_model,
            metrics=strategy_intervals(of_model),
            predictions=[predictions],
            counts=counts,
        )

    return make


@pytest.fixture(scope="module")
def card(run_of: RunOf) -> str:
    classes = ["dog | <b>", "snake"]
    probabilities = np.array([[0.9, 0.1]] * 30 + [[0.2, 0.8]] * 30 + [[0.9, 0.1]] * 5)
    true = [classes[0]] * 30 + [classes[1]] * 35
    paths = [f"{number}.jpg" for number in range(65)]
    predictions = Predictions(classes, paths, true, probabilities)
    counts = {
        classes[0]: {"train": 2, "val": 1, "test": 30},
        classes[1]: {"train": 30, "val": 5, "test": 35},
    }
    verdicts = ["All good.", "100 % <b>."]
    return model_card(run_of(predictions, counts), verdicts, {"seed": 1}, {"code": "ab12"})


def test_a_class_has_its_counts_and_its_figures_with_bounds(card: str) -> None:
    row = next(line for line in card.splitlines() if line.startswith("| snake"))
    assert row.startswith("| snake | 30 | 5 | 35 | 0.86 (0.70 to 0.95) | 1.00 (0.88 to 1.00) |")


def test_every_verdict_is_a_paragraph(card: str) -> None:
    assert "\n\nAll good\\.\n\n100 % \\<b\\>\\.\n\n## Classes" in card


def test_a_name_is_text_and_no_markdown(card: str) -> None:
    assert r"| dog \| \<b\> | 2 | 1 | 30 |" in card
    assert plain("88\N{NO-BREAK SPACE}%") == "88 %"
    assert plain("a\n# b_c") == r"a\\n\# b\_c"


def test_settings_and_fingerprints_are_listed(card: str) -> None:
    assert "| seed | 1 |" in card
    assert "| code | `ab12` |" in card


def test_it_names_the_network_and_how_it_was_trained(card: str) -> None:
    assert "Its network, cnn, was trained by gradient descent." in card
    assert (
        "\n| class | train | val | test | recall | precision |\n|---|---|---|---|---|---|\n" in card
    )


def test_of_a_head_it_names_the_backbone_and_has_no_column_of_validation(
    make_run: Callable[..., Run], with_head: Callable[[Run], Run]
) -> None:
    run = with_head(make_run("mine", ["a", "b"]))
    card = model_card(run, ["So."], {}, {})
    assert r"Its backbone, efficientnet\_lite0, is pretrained and frozen. A linear head" in card
    assert "\n| class | train | test | recall | precision |\n|---|---|---|---|---|\n" in card
    assert "\n| a | 1 | 4 | " in card


def test_settings_of_a_head_are_those_that_shape_it(shipped: Params) -> None:
    settings = training_settings(shipped)
    assert settings["train.backbone"] == "efficientnet_lite0"
    assert "train.epochs" not in settings
    network = replace(shipped, train=replace(shipped.train, backbone="cnn"))
    assert training_settings(network)["train.epochs"] == 100


def test_a_class_of_few_judged_photographs_is_a_limit(run_of: RunOf) -> None:
    true = ["a", "b", "b", *["c"] * 30]
    paths = [str(number) for number in range(33)]
    predictions = Predictions(["a", "b", "c"], paths, true, np.eye(3)[[0, 1, 1, *[2] * 30]])
    counts = {name: {"train": 9, "val": 1, "test": true.count(name)} for name in "abc"}
    card = model_card(run_of(predictions, counts), [], {}, {})
    assert "- a: only 1 photograph was judged, so its metrics are very uncertain." in card
    assert "- b: only 2 photographs were judged" in card
    assert "- c: only" not in card


def words(card: str) -> str:
    """The text of a card, its lines joined."""
    return " ".join(card.split())


def test_of_a_single_model_the_figures_are_its_own(make_run: Callable[..., Run]) -> None:
    card = words(model_card(make_run("mine", ["a", "b"]), [], {}, {}))
    assert "metrics on the test photographs." in card
    assert "| metric | on the test photographs |" in card
    assert "like those judged, and describe this trained model only." in card
    assert "These figures are" not in card


def test_figures_of_several_models_are_said_to_be_means(make_run: Callable[..., Run]) -> None:
    run: Run = make_run("mine", ["a", "b"])
    run = run._replace(judged=judged_by([*run.predictions] * 3))
    card = words(model_card(run, [], {}, {}))
    assert (
        "These figures are the mean of 3 models that were trained alike, with different seeds; this"
        " model is one of them."
    ) in card
    assert "this trained model only" not in card


@pytest.mark.parametrize(
    ("trainings", "said"), [(1, "one cross-validation"), (2, "2 cross-validations")]
)
@pytest.mark.parametrize("tested", [0, 4])
def test_figures_of_a_cross_validation_are_not_those_of_the_model(
    make_run: Callable[..., Run], trainings: int, said: str, tested: int
) -> None:
    run: Run = make_run("mine", ["a", "b"])
    counts = {name: {**of, "test": tested} for name, of in run.counts.items()}
    judgements = judged_by([*run.predictions] * trainings)
    run = run._replace(judged=judgements, cross_validated=True, counts=counts)
    card = words(model_card(run, [], {}, {}))
    trained_on = (
        "all photographs but those in test."
        if tested
        else "all photographs, so none is left to test it on."
    )
    assert (
        f"These figures are those of {said} of the strategy: models like this one, none of which"
        f" had seen the photographs that it judged. This model itself was trained on {trained_on}"
    ) in card
    assert "| metric | on all photographs, cross-validated |" in card
    assert "this trained model only" not in card
