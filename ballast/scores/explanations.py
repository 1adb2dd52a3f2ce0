"""What the stage explain found, as it writes it and as pages and programs read it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ballast.core import paths
from ballast.core.files import intact, read_csv, read_json, write_csv, write_json


class LabelIssue(NamedTuple):
    """A photograph whose label is to be doubted."""

    path: str
    given: str  # its class
    suggested: str  # the class that it looks like
    score: float  # 0 to 1: 0 if surely not the given class, 0.5 if as probable as another


class Neighbour(NamedTuple):
    """A known photograph that is near to a judged one in feature space."""

    path: str  # the judged photograph
    class_: str  # its class
    nearest: str  # path of the known one
    nearest_class: str
    distance: float  # 1 - cosine of the features, 0 to 2


class CurvePoint(NamedTuple):
    """Recall of a class after training on some of its groups and on the other classes."""

    groups: int  # of the class, in training
    photographs: float  # in these groups, the mean over draws and folds
    recall: float
    low: float  # 95 % interval, for the photographs, their groups and the draws
    high: float


class Curve(NamedTuple):
    """The learning curve of a class."""

    class_: str
    draws: int  # times that every photograph was judged at each point
    points: list[CurvePoint]  # two or more, the fewest groups first
    gain: float  # of recall, from the last point but one to the last; a group counts once
    low: float  # 95 % interval of the gain
    high: float


class Shortcut(NamedTuple):
    """A place that decides a class."""

    class_: str
    place: str  # a name of places()
    share: float  # of the evidence for the class that comes along with the place; mean, 2 decimals
    turned: int  # photographs of other classes that become this class when the place is pasted in
    pasted: int  # photographs that it was pasted into


class Mark(NamedTuple):
    """A spot of one colour in all photographs of a class, and in no others."""

    class_: str
    place: str  # such as "top left"
    colour: str  # as in CSS, such as "#f9c812"
    share: float  # of the photograph's area, 0 to 1
    photographs: int  # of the class that were looked at


class Evidence(NamedTuple):
    """Where in a photograph a head found what speaks for a class."""

    path: str
    class_: str  # the photograph's own
    predicted: str  # the class that the map is of
    strengths: list[list[int]]  # of the cells, row by row, 0 to 255 as from `strengths`


class Explanations(NamedTuple):
    """All of it; empty where nothing can be said, as of a network without a linear head."""

    label_issues: Sequence[LabelIssue] = ()
    neighbours: Sequence[Neighbour] = ()
    curves: Sequence[Curve] = ()
    shortcuts: Sequence[Shortcut] = ()
    marks: Sequence[Mark] = ()
    evidence: Sequence[Evidence] = ()


NEAREST_COLUMNS = ("path", "class", "nearest", "nearest_class", "distance")


def write_explanations(folder: Path, found: Explanations) -> None:
    """Write outputs/label_issues.csv, nearest.csv, learning_curves.json and evidence.json.

    Args:
        folder: folder that contains outputs/.
        found: results.
    """
    write_csv(folder / paths.LABEL_ISSUES, LabelIssue._fields, found.label_issues)
    rows = [(*one[:4], f"{one.distance:.6f}") for one in found.neighbours]
    write_csv(folder / paths.NEAREST, NEAREST_COLUMNS, rows)
    write_json(folder / paths.LEARNING_CURVES, list(found.curves))
    evidence = {
        "shortcuts": list(found.shortcuts),
        "marks": list(found.marks),
        "photographs": list(found.evidence),
    }
    write_json(folder / paths.EVIDENCE, evidence)


def read_explanations(folder: Path) -> Explanations:
    """Read what write_explanations wrote.

    Raises:
        UserError: if a file is missing, edited or damaged.
    """
    with intact(folder / paths.LABEL_ISSUES):
        issues = [
            LabelIssue(row["path"], row["given"], row["suggested"], float(row["score"]))
            for row in read_csv(folder / paths.LABEL_ISSUES, LabelIssue._fields)
        ]
    with intact(folder / paths.NEAREST):
        neighbours = [
            Neighbour(
                row["path"],
                row["class"],
                row["nearest"],
                row["nearest_class"],
                float(row["distance"]),
            )
            for row in read_csv(folder / paths.NEAREST, NEAREST_COLUMNS)
        ]
    with intact(folder / paths.LEARNING_CURVES):
        curves = [
            Curve(**{**one, "points": [CurvePoint(**point) for point in one["points"]]})
            for one in read_json(folder / paths.LEARNING_CURVES)
        ]
    with intact(folder / paths.EVIDENCE):
        evidence = read_json(folder / paths.EVIDENCE)
        shortcuts = [Shortcut(**one) for one in evidence["shortcuts"]]
        marks = [Mark(**one) for one in evidence["marks"]]
        shown = [Evidence(**one) for one in evidence["photographs"]]
    return Explanations(issues, neighbours, curves, shortcuts, marks, shown)
