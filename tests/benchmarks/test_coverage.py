"""The simulation is of what it says, and the methods meet its requirements where it is quick."""

import numpy as np
import pytest

from benchmarks.coverage import (
    LEAST_COVERAGE,
    MOST_SIGNIFICANT,
    Cell,
    cells,
    drawn_arms,
    drawn_layout,
    measured,
    nothing_differs,
    truth,
)

PLAIN = Cell("40 each", "mixed", True, 1, 0.0, 1, 0.0, True)


def test_every_setting_is_simulated() -> None:
    found = [*cells()]
    assert len(found) == len(set(found))
    assert {(cell.group, cell.correlation) for cell in found} >= {(1, 0), (4, 0.3), (8, 0.8)}
    assert {(cell.trainings, cell.noise) for cell in found} >= {(1, 0), (5, 0.3), (5, 0.45)}


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
