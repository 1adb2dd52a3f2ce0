"""The model card says what was measured, with its bounds, whatever classes are called."""

import numpy as np
import pytest

from ballast.report.model_card import interval, model_card, plain
from ballast.scores.intervals import as_json, metric_intervals
from ballast.scores.predictions import Predictions


@pytest.fixture(scope="module")
def card() -> str:
    classes = ["dog | <b>", "snake"]
    probabilities = np.array([[0.9, 0.1]] * 30 + [[0.2, 0.8]] * 30 + [[0.9, 0.1]] * 5)
    true = [classes[0]] * 30 + [classes[1]] * 35
    paths = [f"{number}.jpg" for number in range(65)]
    predictions = Predictions(classes, paths, true, probabilities)
    counts = {
        classes[0]: {"train": 2, "val": 1, "test": 30},
        classes[1]: {"train": 30, "val": 5, "test": 35},
    }
    intervals = as_json(metric_intervals(predictions, 1))
    return model_card(classes, counts, intervals, "All good.", {"seed": 1}, {"code": "ab12"})


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


def test_a_class_of_few_test_photographs_is_a_limit() -> None:
    figures = as_json(
        metric_intervals(Predictions(["a", "b"], ["1", "2"], ["a", "b"], np.eye(2)), 1)
    )
    counts = {"a": {"train": 9, "val": 1, "test": 1}, "b": {"train": 9, "val": 1, "test": 30}}
    card = model_card(["a", "b"], counts, figures, "", {}, {})
    assert "- a: only 1 test photographs" in card
    assert "- b: only" not in card


def test_a_figure_that_is_not_defined_is_a_dash() -> None:
    assert interval({"value": None, "low": None, "high": None}) == "-"
