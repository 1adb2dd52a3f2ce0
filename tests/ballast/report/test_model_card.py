"""The model card gives the metrics with their intervals, whatever classes are called."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from ballast.core.counts import Counts
from ballast.core.params import Params
from ballast.report.model_card import model_card, plain, training_settings
from ballast.scores.intervals import metric_intervals
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run

RunOf = Callable[[Predictions, Counts], Run]


@pytest.fixture(scope="module")
def run_of(make_run: Callable[..., Run]) -> RunOf:
    """Make a run with given predictions and counts."""

    def make(predictions: Predictions, counts: Counts) -> Run:
        run: Run = make_run("mine", predictions.classes)
        metrics = metric_intervals(predictions, 1)
        return run._replace(predictions=predictions, counts=counts, metrics=metrics)

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
    return model_card(run_of(predictions, counts), "All good.", {"seed": 1}, {"code": "ab12"})


def test_a_class_has_its_counts_and_its_figures_with_bounds(card: str) -> None:
    row = next(line for line in card.splitlines() if line.startswith("| snake"))
    assert row.startswith("| snake | 30 | 5 | 35 | 0.86 (0.7")
    assert row.endswith(" | 1.00 (0.89 to 1.00) |")


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
    card = model_card(run, "So.", {}, {})
    assert r"Its backbone, efficientnet\_lite0, is pretrained and frozen. A linear head" in card
    assert "\n| class | train | test | recall | precision |\n|---|---|---|---|---|\n" in card
    assert "\n| a | 1 | 4 | " in card


def test_settings_of_a_head_are_those_that_shape_it(shipped: Params) -> None:
    settings = training_settings(shipped)
    assert settings["train.backbone"] == "efficientnet_lite0"
    assert "train.epochs" not in settings
    network = replace(shipped, train=replace(shipped.train, backbone="cnn"))
    assert training_settings(network)["train.epochs"] == 100


def test_a_class_of_few_test_photographs_is_a_limit(run_of: RunOf) -> None:
    predictions = Predictions(["a", "b"], ["1", "2"], ["a", "b"], np.eye(2))
    counts = {"a": {"train": 9, "val": 1, "test": 1}, "b": {"train": 9, "val": 1, "test": 30}}
    card = model_card(run_of(predictions, counts), "", {}, {})
    assert "- a: only 1 test photographs" in card
    assert "- b: only" not in card
