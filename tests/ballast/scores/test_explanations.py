"""What the stage explain found is written, read and judged without loss."""

from pathlib import Path

import pytest

from ballast.core import paths
from ballast.core.errors import UserError
from ballast.scores.explanations import (
    Curve,
    CurvePoint,
    Evidence,
    Explanations,
    LabelIssue,
    Mark,
    Neighbour,
    Shortcut,
    read_explanations,
    write_explanations,
)

POINTS = [CurvePoint(1, 1.5, 0.25, 0.0, 0.75), CurvePoint(2, 3.0, 0.5, 0.125, 1.0)]
CURVE = Curve("dog", 3, POINTS, 0.25, -0.5, 0.75)
FOUND = Explanations(
    label_issues=[LabelIssue("=a/1.jpg", "a", "b", 0.125)],
    neighbours=[Neighbour("a/1.jpg", "a", 'b/"2".jpg', "b", 0.25)],
    curves=[CURVE],
    shortcuts=[Shortcut("a", "top left", 0.95, 11, 12)],
    marks=[Mark("b", "border", "#f9c812", 0.25, 12)],
    evidence=[Evidence("a/1.jpg", "a", "b", [[0, 255], [7, 8]])],
)


@pytest.mark.parametrize("found", [FOUND, Explanations([], [], [], [], [], [])])
def test_what_was_found_is_the_same_after_reading(tmp_path: Path, found: Explanations) -> None:
    write_explanations(tmp_path, found)
    assert read_explanations(tmp_path) == found


@pytest.mark.parametrize(
    "path", [paths.LABEL_ISSUES, paths.NEAREST, paths.LEARNING_CURVES, paths.EVIDENCE]
)
def test_an_edited_file_is_named(tmp_path: Path, path: Path) -> None:
    write_explanations(tmp_path, FOUND)
    (tmp_path / path).write_text("[1]")
    with pytest.raises(UserError, match=f"{path.name}: edited or damaged"):
        read_explanations(tmp_path)
