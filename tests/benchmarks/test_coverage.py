"""The simulation is of what it says, and the methods meet its requirements where it is quick."""

from pathlib import Path

import numpy as np
import pytest

from ballast.comparison.contrasts import Decision, Discordance, contrast, difference, select
from benchmarks.coverage import (
    LEAST_COVERAGE,
    MOST_SIGNIFICANT,
    Cell,
    are_significant,
    calibration_row,
    cells,
    decision_rows,
    drawn_arms,
    drawn_layout,
    exclude_zero,
    measured,
    nothing_differs,
    power_row,
    truth,
    write_cells,
)

PLAIN = Cell("40 each", "mixed", True, 1, 0.0, 1, 0.0, True)


def test_every_setting_is_simulated() -> None:
    found = [*cells()]
    assert len(found) == len(set(found))
    assert {(cell.group, cell.correlation) for cell in found} >= {(1, 0), (4, 0.3), (8, 0.8)}
    assert {(cell.trainings, cell.noise) for cell in found} >= {(1, 0), (1, 0.3), (5, 0.3)}


def test_groups_are_of_one_class_and_as_large_as_said() -> None:
    true, groups = drawn_layout(PLAIN._replace(group=8, given=False), np.random.default_rng(0))
    sizes = np.unique(groups, return_counts=True)[1]
    assert set(sizes.tolist()) == {8}
    assert all(len(set(true[groups == group])) == 1 for group in range(groups.max() + 1))


@pytest.mark.parametrize("trainings", [1, 5])
def test_recalls_are_those_that_were_asked_for(trainings: int) -> None:
    generator = np.random.default_rng(0)
    cell = PLAIN._replace(trainings=trainings, noise=0.45, correlation=0.3, group=4)
    true, groups = drawn_layout(cell, generator)
    arms, recalls = drawn_arms(cell, true, groups, 1000, generator)
    for predicted, recall in zip(arms, recalls, strict=True):
        found = [(predicted[..., true == c] == c).mean() for c in range(3)]
        assert found == pytest.approx(recall.mean(axis=0), abs=0.015)


def test_the_truth_is_that_of_the_expected_confusion_matrix() -> None:
    # Of 10 photographs of each class, 8, 10 and 6 are right; errors go to both other classes alike.
    found = truth(np.array([0.8, 1.0, 0.6]), np.array([10, 10, 10]))
    assert found["precision"] == pytest.approx([8 / 10, 10 / 13, 6 / 7])
    assert found["f1"] == pytest.approx([16 / 20, 20 / 23, 12 / 17])
    assert found["accuracy"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    "cell",
    [
        PLAIN,
        PLAIN._replace(trainings=5, noise=0.45),
        PLAIN._replace(group=4, correlation=0.8, trainings=5, noise=0.3),
        PLAIN._replace(test="ten of 1 to 5", recalls="high"),
    ],
    ids=["plain", "noise", "groups", "tiny"],
)
def test_intervals_hold_the_truth_and_equal_strategies_are_not_told_apart(cell: Cell) -> None:
    result = measured(cell, 2000, seed=0)
    assert min(result.coverage.values()) >= LEAST_COVERAGE
    assert nothing_differs(cell)
    assert max(result.significant.values()) <= MOST_SIGNIFICANT + 0.01, "so much may be chance"
    assert result.contradictions == 0 < result.checked
    both = result.significant["balanced_accuracy"] + result.hints["balanced_accuracy: hint"]
    assert result.hints["balanced_accuracy: hint or significant"] == pytest.approx(both)
    assert result.hints["recall: hint"] <= result.hints["recall: hint or significant"] < 0.08


def test_hints_and_significant_differences_are_those_that_are_said() -> None:
    # Five are too few; one against 6, 8, 9 and 12 becomes ever clearer.
    only_this, only_reference = (
        np.array([5, 0, 6, 8, 9, 12]) / 40,
        np.array([0, 5, 1, 1, 1, 1]) / 40,
    )
    of = Discordance(only_reference, only_this, np.full(6, 40.0), np.zeros(6), 1)
    told = exclude_zero(difference(of))
    significant = are_significant(of, difference(of, 1 - 0.05 / 3))
    words = [contrast(select(of, place), 3).decision for place in range(6)]
    assert {*words} == {*Decision}
    assert [said is not Decision.NONE for said in words] == told.tolist()
    assert [said is Decision.SIGNIFICANT for said in words] == significant.tolist()


def test_the_tables_have_hints_of_equal_strategies(tmp_path: Path) -> None:
    found = {cell: measured(cell, 20, 0) for cell in (PLAIN, PLAIN._replace(equal=False))}
    (row,) = decision_rows(found)
    for name, share in found[PLAIN].hints.items():
        assert row[name] == share
    write_cells(tmp_path / "cells.csv", found)
    assert "recall: hint or significant" in (tmp_path / "cells.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("looked_at", [1, 10])
def test_with_so_many_photographs_most_differences_are_significant(looked_at: int) -> None:
    row = power_row(0.15, 0.05, looked_at, draws=500)
    assert row["as seen: photographs"] == row["10 points: photographs"]
    assert row["as seen: significant"] == pytest.approx(0.8, abs=0.07)


def test_ten_points_are_of_differences_of_ten_points() -> None:
    assert power_row(0.2, 0.0, 3, draws=10)["10 points: photographs"] is None


def test_perfectly_calibrated_models_have_the_error_that_is_shown() -> None:
    row = calibration_row(3, 40, 3, draws=100)
    assert row["error"] == pytest.approx(row["shown"], abs=0.02)
    assert row["above the highest shown"] < 0.15
