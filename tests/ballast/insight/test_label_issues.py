"""Labels are doubted by what heads predict that have not seen the photograph."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ballast.insight.label_issues import label_issues
from ballast.scores.explanations import LabelIssue
from ballast.scores.predictions import Predictions

CLASSES = ["ant", "bee", "wasp"]
# Five bees and three ants that are predicted as what they are, and a bee that looks like an ant.
TRUE = ["bee"] * 6 + ["ant"] * 3
SURE = [[0.05, 0.9, 0.05]] * 5 + [[0.95, 0.03, 0.02]] + [[0.8, 0.1, 0.1]] * 3


def predictions(rows: list[list[float]], true: list[str]) -> Predictions:
    return Predictions(CLASSES, names(len(rows)), true, np.array(rows))


def names(n: int) -> list[str]:
    return [f"{place:02d}.jpg" for place in range(n)]


def alone(n: int) -> dict[str, str]:
    return {name: name for name in names(n)}


def test_a_wrong_label_is_found_with_what_it_should_be() -> None:
    (issue,) = label_issues([predictions(SURE, TRUE)], alone(9))
    assert issue == LabelIssue("05.jpg", given="bee", suggested="ant", score=0.04)


def test_honest_labels_are_not_doubted() -> None:
    honest = predictions(SURE[:5] + SURE[6:], TRUE[1:])
    assert label_issues([honest], alone(8)) == []


def test_a_rare_class_with_poor_probabilities_is_not_doubted_as_a_whole() -> None:
    # The heads take all three ants for bees, but less surely than they do bees.
    rows = [[0.03, 0.95, 0.02]] * 30 + [[0.3, 0.65, 0.05]] * 3
    assert label_issues([predictions(rows, ["bee"] * 30 + ["ant"] * 3)], alone(33)) == []


def test_a_label_that_one_training_confirms_is_not_doubted() -> None:
    doubtful = predictions(SURE, TRUE)
    confirming = predictions([*SURE[:5], [0.45, 0.5, 0.05], *SURE[6:]], TRUE)
    assert label_issues([doubtful, doubtful], alone(9))
    assert label_issues([doubtful, doubtful, confirming], alone(9)) == []


def test_a_class_that_is_never_judged_is_never_suggested() -> None:
    rows = [*SURE, [0.0, 0.1, 0.9]]
    assert [
        issue.path for issue in label_issues([predictions(rows, [*TRUE, "bee"])], alone(10))
    ] == ["05.jpg"]


def test_the_most_doubtful_label_comes_first_and_ties_go_by_path() -> None:
    rows = [*SURE, [0.99, 0.0, 0.01], [0.95, 0.03, 0.02]]
    found = label_issues([predictions(rows, [*TRUE, "bee", "bee"])], alone(11))
    assert [(issue.path, issue.score) for issue in found] == [
        ("09.jpg", 0.005),
        ("05.jpg", 0.04),
        ("10.jpg", 0.04),
    ]


def test_a_film_of_many_frames_counts_once_in_the_level_of_its_class() -> None:
    # Three frames of ants are surely ants. Alone, they would raise the level of the ants to 0.82,
    # which the bee in question does not reach.
    rows = [[0.0, 1.0, 0.0]] * 4 + [[0.7, 0.3, 0.0]] + [[0.99, 0.01, 0.0]] * 3 + [[0.3, 0.7, 0.0]]
    found = predictions(rows, ["bee"] * 5 + ["ant"] * 4)
    film = {**alone(9), **dict.fromkeys(["05.jpg", "06.jpg", "07.jpg"], "film")}
    assert label_issues([found], alone(9)) == []
    assert [issue.path for issue in label_issues([found], film)] == ["04.jpg"]


def test_trainings_of_other_photographs_are_refused() -> None:
    with pytest.raises(ValueError, match="different photographs"):
        label_issues([predictions(SURE, TRUE), predictions(SURE[1:], TRUE[1:])], alone(9))


@st.composite
def trainings(draw: st.DrawFn) -> list[Predictions]:
    n, s = draw(st.integers(3, 20)), draw(st.integers(1, 3))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    true = [CLASSES[place] for place in generator.integers(0, 3, n)]
    return [predictions(generator.dirichlet([0.5] * 3, n).tolist(), true) for _ in range(s)]


@given(trainings())
@settings(deadline=None)
def test_the_order_of_photographs_and_trainings_does_not_matter(
    found: list[Predictions],
) -> None:
    order = np.random.default_rng(0).permutation(len(found[0].paths))
    shuffled = [
        Predictions(
            of.classes,
            [of.paths[place] for place in order],
            [of.true[place] for place in order],
            of.probabilities[order],
        )
        for of in reversed(found)
    ]
    groups = alone(len(order))
    assert label_issues(shuffled, groups) == label_issues(found, groups)


@given(trainings())
@settings(deadline=None)
def test_no_label_is_doubted_that_a_training_predicts(found: list[Predictions]) -> None:
    for issue in label_issues(found, alone(len(found[0].paths))):
        place = found[0].paths.index(issue.path)
        assert issue.given == found[0].true[place] != issue.suggested
        assert all(of.predicted[place] != issue.given for of in found)
        assert 0 <= issue.score <= 1
