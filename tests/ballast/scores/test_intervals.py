"""Intervals are statsmodels' for a proportion, and are written in one way."""

from pathlib import Path

import pytest
from confusion import predictions
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from ballast.core.files import read_json, write_json
from ballast.scores.estimates import strategy_intervals
from ballast.scores.intervals import (
    CLASS_METRICS,
    UNDEFINED,
    Interval,
    interval_text,
    proportion,
    unpacked,
)
from ballast.scores.judged import judged_by


@given(st.integers(1, 300), st.data())
def test_proportions_are_statsmodels(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = proportion_confint(successes, trials, method="wilson")
    assert proportion(successes, trials) == pytest.approx(
        (successes / trials, low, high), abs=1e-12
    )


def test_of_nothing_nothing_is_known() -> None:
    assert proportion(0, 0) == (0, 0, 1)


def test_an_interval_is_written_with_its_bounds_in_brackets() -> None:
    assert interval_text(Interval(0.75, 0.6, 0.86)) == "0.750 (0.600 to 0.860)"
    assert interval_text(Interval(0.75, 0.6, 0.86), digits=2) == "0.75 (0.60 to 0.86)"
    difference = Interval(0.25, -0.05, 0.5)
    assert interval_text(difference, sign="+") == "+0.250 (-0.050 to +0.500)"


def test_a_figure_that_is_not_defined_is_a_dash() -> None:
    assert interval_text(UNDEFINED) == "-"
    assert interval_text(UNDEFINED, digits=2, sign="+") == "-"


def test_figures_come_metric_by_metric_and_class_by_class() -> None:
    found = strategy_intervals(judged_by([predictions([[3, 1], [2, 5]], ["cat", "dog"])]))
    overall = ["accuracy", "balanced_accuracy", "macro_f1", "worst_class_recall"]
    assert [(name, class_) for name, class_, _ in unpacked(found)] == [
        *((name, "") for name in overall),
        *((name, class_) for name in CLASS_METRICS for class_ in ("cat", "dog")),
    ]
    assert [interval for *_, interval in unpacked(found)][:2] == [*found[:2]]


def test_they_are_written_as_mappings(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"recall": {"dog": Interval(0.5, 0.1, 0.9)}, "n": 3})
    assert read_json(tmp_path / "a.json") == {
        "recall": {"dog": {"value": 0.5, "low": 0.1, "high": 0.9}},
        "n": 3,
    }
