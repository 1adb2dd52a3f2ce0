"""What is said of runs: significant, a hint or no difference, as the intervals in it have it."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from confusion import predictions
from hypothesis import given
from hypothesis import strategies as st

from ballast.comparison.contrasts import Decision, excludes_zero
from ballast.comparison.runs import Difference, compare, difference
from ballast.comparison.verdicts import (
    points_range,
    run_verdict,
    saved_model_text,
    too_high_text,
)
from ballast.scores.estimates import strategy_intervals
from ballast.scores.intervals import Interval
from ballast.scores.judged import judged_by
from ballast.scores.predictions import Predictions
from ballast.scores.run import Arm, Run

RunOf = Callable[..., Run]

# By true and predicted class: dog, human, snake.
BASELINE = [[4, 0, 36], [0, 40, 0], [0, 2, 38]]
BALANCED = [[30, 0, 10], [0, 39, 1], [0, 3, 37]]
IN_PAIRS = {f"{i}.png": str(i // 2) for i in range(120)}


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def found(reference: Run, *others: Run) -> Difference:
    """How the first of the others differs from the reference, in words with plain spaces."""
    of = compare([reference, *others], seed=1).differences[others[0].name]
    verdicts = {name: plain(text) for name, text in of.verdicts.items()}
    return of._replace(verdict=plain(of.verdict), verdicts=verdicts)


def pair(
    run_of: RunOf, before: list[list[int]], after: list[list[int]], trainings: int = 1
) -> tuple[Run, Run]:
    return (
        run_of("baseline", *[predictions(before)] * trainings),
        run_of("balanced", *[predictions(after)] * trainings),
    )


def test_a_clear_difference_is_significant(run_of: RunOf) -> None:
    said = found(*pair(run_of, BASELINE, BALANCED, trainings=2))
    assert said.verdict == (
        "balanced is significantly better than baseline: balanced accuracy 88 % against 68 % on the"
        " 120 test photographs (difference +20 points, 95 % interval +13 to +29; p < 0.0001)."
    )
    assert said.verdicts == {
        "dog": (
            "balanced has a significantly higher recall than baseline: 75 % against 10 %"
            " (difference +65 points, 95 % interval +50 to +78; p < 0.0001, corrected for the 3"
            " compared)."
        ),
        "human": (
            "No significant difference between balanced and baseline: 97.5 % against 100.0 %"
            " (difference -2.5 points, 95 % interval -13 to +6). A difference of 10 points takes"
            " about 207 independent photographs."
        ),
        "snake": (
            "No significant difference between balanced and baseline: 92.5 % against 95.0 %"
            " (difference -2.5 points, 95 % interval -13 to +6). A difference of 10 points takes"
            " about 207 independent photographs."
        ),
    }


def test_in_the_other_order_it_is_the_other_way_round(run_of: RunOf) -> None:
    said = found(*pair(run_of, BASELINE, BALANCED, trainings=2)[::-1])
    assert said.verdict == (
        "baseline is significantly worse than balanced: balanced accuracy 68 % against 88 % on the"
        " 120 test photographs (difference -20 points, 95 % interval -29 to -13; p < 0.0001)."
    )
    assert said.verdicts["dog"] == (
        "baseline has a significantly lower recall than balanced: 10 % against 75 % (difference"
        " -65 points, 95 % interval -78 to -50; p < 0.0001, corrected for the 3 compared)."
    )
    assert "(difference +2.5 points, 95 % interval -6 to +13)" in said.verdicts["snake"]


def test_of_a_single_training_the_models_are_compared_not_the_strategies(run_of: RunOf) -> None:
    said = found(*pair(run_of, BASELINE, BALANCED))
    assert said.verdict.startswith(
        "This model of balanced is significantly better than this model of baseline: balanced"
    )
    assert said.verdicts["dog"].startswith(
        "This model of balanced has a significantly higher recall than this model of baseline: 75"
    )
    assert said.verdicts["human"].startswith(
        "No significant difference between this model of balanced and this model of baseline: 97.5"
    )


def test_a_cross_validation_with_one_seed_is_no_single_model(run_of: RunOf) -> None:
    runs = [
        run_of(name, predictions(of), cross_validated=True)
        for name, of in (("baseline", BASELINE), ("balanced", BALANCED))
    ]
    assert found(*runs).verdict == (
        "This cross-validation of balanced is significantly better than this cross-validation of"
        " baseline: balanced accuracy 88 % against 68 % on all 120 photographs (difference +20"
        " points, 95 % interval +13 to +29; p < 0.0001)."
    )


def dogs(recognised: int, untested: bool = False) -> list[list[int]]:
    """Of 40 dogs, so many are recognised; so are all humans and snakes."""
    humans = 0 if untested else 20
    return [[recognised, 0, 40 - recognised], [0, humans, 0], [0, 0, 20]]


def test_five_photographs_are_a_hint(run_of: RunOf) -> None:
    said = found(*pair(run_of, dogs(20), dogs(25)))
    assert said.verdict == (
        "A hint that this model of balanced is better than this model of baseline, but not"
        " significant, as the photographs that tell them apart are worth fewer than 6 independent"
        " ones: balanced accuracy 87.5 % against 83.3 % on the 80 test photographs (difference +4.2"
        " points, 95 % interval +1 to +10)."
    )
    assert said.verdicts["dog"] == (
        "A hint that this model of balanced has a higher recall than this model of baseline, but"
        " not significant, as the photographs that tell them apart are worth fewer than 6"
        " independent ones: 63 % against 50 % (difference +13 points, 95 % interval +3 to +26). A"
        " difference of 10 points takes about 207 independent photographs."
    )
    reverse = found(*pair(run_of, dogs(25), dogs(20), trainings=2))
    assert reverse.verdict.startswith("A hint that balanced is worse than baseline, but not")
    assert reverse.verdicts["dog"].startswith("A hint that balanced has a lower recall than")


def test_of_one_photograph_nothing_is_said(run_of: RunOf) -> None:
    # The only dog is recognised by luck: recall 0 against 1.
    before, after = [[0, 0, 1], [0, 5, 0], [0, 1, 6]], [[1, 0, 0], [0, 5, 0], [0, 1, 6]]
    said = found(*pair(run_of, before, after))
    assert said.verdict == (
        "No significant difference between this model of balanced and this model of baseline:"
        " balanced accuracy 95 % against 62 % on the 13 test photographs (difference +33 points,"
        " 95 % interval -38 to +78)."
    )
    assert (
        "100 % against 0 % (difference +100 points, 95 % interval -59 to +100)"
        in (said.verdicts["dog"])
    )
    assert (
        "100 % against 100 % (difference 0 points, 95 % interval -43 to +43)"
        in (said.verdicts["human"])
    )
    assert said.photographs_needed["dog"] == (None, 207), "one photograph is no basis for a plan"


def test_a_hint_among_many_differences_names_their_number(run_of: RunOf) -> None:
    before = run_of("a", predictions(dogs(20)))
    alone, among = (
        found(before, *(run_of(name, predictions(dogs(28))) for name in names))
        for names in ("b", "bcde")
    )
    assert "+3 to +13; p = 0.0068)." in alone.verdict
    assert "+3 to +13; p = 0.027, corrected for the 4 compared)." in among.verdict
    assert "+9 to +35; p = 0.014, corrected for the 3 compared)." in alone.verdicts["dog"]
    assert among.verdicts["dog"] == (
        "A hint that this model of b has a higher recall than this model of a, but not"
        " significant, as 12 differences were looked at: 70 % against 50 % (difference +20 points,"
        " 95 % interval +9 to +35). A difference of 10 points takes about 272 independent"
        " photographs; one as large as seen, if it is really as large, about 66."
    )


def test_several_strategies_may_leave_an_overall_hint(run_of: RunOf) -> None:
    runs = [run_of(name, predictions(dogs(28))) for name in "bcdefghijkl"]
    assert found(run_of("a", predictions(dogs(20))), *runs).verdict == (
        "A hint that this model of b is better than this model of a, but not significant, as 11"
        " differences were looked at: balanced accuracy 90 % against 83 % on the 80 test"
        " photographs (difference +7 points, 95 % interval +3 to +13)."
    )


@pytest.mark.parametrize("others", ["b", "bcd"])
def test_without_photographs_of_a_class_no_run_is_better(run_of: RunOf, others: str) -> None:
    before = run_of("a", predictions(dogs(4, untested=True)))
    said = found(before, *(run_of(name, predictions(dogs(36, untested=True))) for name in others))
    assert said.verdict.startswith(
        "A hint that this model of b is better than this model of a, but not significant, as a"
        " class has no judged photographs: balanced accuracy 95 % against 55 % on the 60 test"
        " photographs (difference +40 points, 95 % interval "
    )
    assert said.verdicts["human"] == "No photographs of this class were judged."
    assert "significantly higher recall" in said.verdicts["dog"]


def test_an_accuracy_that_balanced_accuracy_hides_is_said(run_of: RunOf) -> None:
    before, after = (
        [[1, 0, 19], [0, 20, 0], [0, 0, 400]],
        [[20, 0, 0], [0, 20, 0], [60, 0, 340]],
    )
    assert found(*pair(run_of, before, after, trainings=2)).verdict == (
        "balanced is significantly better than baseline: balanced accuracy 95 % against 68 % on"
        " the 440 test photographs (difference +27 points, 95 % interval +14 to +40; p = 0.00024)."
        " balanced has a significantly lower accuracy than baseline: 86.4 % against 95.7 %"
        " (difference -9.3 points, 95 % interval -13 to -6; p < 0.0001)."
    )
    undecided = found(*pair(run_of, before, [[2, 0, 18], [0, 20, 0], [20, 0, 380]]))
    assert re.fullmatch(
        r"No significant difference between .*\. This model of balanced has a significantly lower"
        r" accuracy than this model of baseline: 91\.4 % against 95\.7 % \(.*; p < 0\.0001\)\.",
        undecided.verdict,
    )


def test_an_accuracy_that_agrees_is_not_repeated(run_of: RunOf) -> None:
    said = found(*pair(run_of, BASELINE, BALANCED))
    assert said.accuracy.decision is said.balanced_accuracy.decision
    assert " accuracy than" not in said.verdict


def test_photographs_of_a_group_count_less_and_are_said_to(run_of: RunOf) -> None:
    alone, grouped = (
        [run_of(name, predictions(of), groups=groups, cross_validated=True)
         for name, of in (("baseline", BASELINE), ("balanced", BALANCED))]
        for groups in (None, IN_PAIRS)
    )  # fmt: skip
    assert " on all 120 photographs (difference +20 points, 95 % interval +13 to +29; p < " in (
        found(*alone).verdict
    )
    assert (
        " on all 120 photographs in 60 independent groups (difference +20 points, 95 % interval"
        " +10 to +32; p = 0.00097)."
    ) in found(*grouped).verdict


def test_what_was_never_judged_is_not_among_all_photographs(run_of: RunOf) -> None:
    runs = [
        run_of(name, predictions(dogs(n, untested=True)), cross_validated=True)
        for name, n in (("a", 4), ("b", 36))
    ]
    assert " on the 60 judged photographs (" in found(*runs).verdict


def test_a_run_is_compared_with_always_predicting_the_largest_class(run_of: RunOf) -> None:
    run = run_of("balanced", predictions(BALANCED))
    run = run._replace(counts={**run.counts, "human": {"train": 21, "val": 0, "test": 40}})
    assert plain(run_verdict(run)) == (
        "88 % of the 120 test photographs are classified correctly (95 % interval 81 to 93 %),"
        " significantly more than the 33 % of always predicting human (5 % level); the weakest"
        " class is dog, with a recall of 75 % (59 to 88 %, corrected for being the weakest)."
    )


@pytest.mark.parametrize(
    ("cross_validated", "start"),
    [
        (False, "On average over 3 models trained alike, 88 % of the 120 test photographs in 60"),
        (True, "On average over 3 cross-validations, 88 % of all 120 photographs in 60"),
    ],
)
def test_figures_of_several_trainings_are_said_to_be_means(
    run_of: RunOf, cross_validated: bool, start: str
) -> None:
    trainings = [predictions(BALANCED)] * 3
    run = run_of("balanced", *trainings, groups=IN_PAIRS, cross_validated=cross_validated)
    said = plain(run_verdict(run))
    assert said.startswith(f"{start} independent groups are classified correctly (95 % interval ")


def test_a_saved_model_that_is_worse_than_the_mean_is_said_to_be_so(run_of: RunOf) -> None:
    run = run_of("mine", *[predictions(BALANCED)] * 2)
    worse = run._replace(saved_accuracy=Interval(0.5, 0.25, 0.75))
    assert plain(saved_model_text(worse)) == (
        "The saved model alone classifies 50 % of its test photographs correctly (95 % interval 25"
        " to 75 %): worse than the mean of these models, 88 %, by more than chance explains. With"
        " few photographs, models differ: do not rely on this one before other photographs have"
        " tested it."
    )
    for own in (None, Interval(0.7, 0.4, 0.9), Interval(1.0, 0.9, 1.0)):
        assert saved_model_text(run._replace(saved_accuracy=own)) == ""


@pytest.mark.parametrize(
    ("matrix", "against"),
    [
        ([[20, 0], [0, 20]], "significantly more than the 50 % of always predicting dog (5 %"),
        ([[5, 4], [0, 9]], "a hint of more than the 50 % of always predicting dog, but not"),
        ([[0, 9], [0, 9]], "not significantly different from the 50 % of always predicting dog"),
        ([[9, 0], [5, 40]], "not significantly different from the 83 % of always predicting dog"),
        ([[0, 1], [5, 40]], "a hint of less than the 98 % of always predicting dog, but not"),
        ([[0, 1], [30, 15]], "significantly less than the 98 % of always predicting dog (5 %"),
    ],
)
def test_a_run_may_be_no_better_than_one_answer(
    run_of: RunOf, matrix: list[list[int]], against: str
) -> None:
    run = run_of("mine", predictions(matrix, ["cat", "dog"]))
    assert f" %), {against}" in plain(run_verdict(run))


@pytest.mark.parametrize(
    ("right", "end"),
    [
        ([9, 9, 9], "every class has a recall of 90 %."),
        ([8, 8, 9], "the weakest classes, each with a recall of 80 % (44 to 98 %, corrected for"
                    " being the weakest), are dog, human."),
    ],
)  # fmt: skip
def test_classes_that_are_equally_weak_are_all_named(
    run_of: RunOf, right: list[int], end: str
) -> None:
    matrix = np.diag(right) + np.roll(np.diag([10 - n for n in right]), 1, axis=1)
    assert plain(run_verdict(run_of("mine", predictions(matrix.tolist())))).endswith(f"; {end}")


def test_of_many_equally_weak_classes_five_are_named(run_of: RunOf) -> None:
    right = [8] * 8 + [9]
    matrix = np.diag(right) + np.roll(np.diag([10 - n for n in right]), 1, axis=1)
    run = run_of("mine", predictions(matrix.tolist(), "abcdefghi"))
    assert plain(run_verdict(run)).endswith(", are a, b, c, d, e and 3 others.")


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((0.17, 0.11, 0.23), "+17 points, 95% interval +11 to +23"),
        ((0.05, 0.0002, 0.1), "+5 points, 95% interval +0.1 to +10"),
        ((0.05, -0.004, 0.1), "+5 points, 95% interval -0.4 to +10"),
        ((1e-17, -0.1, 0.1), "0 points, 95% interval -10 to +10"),
    ],
)
def test_points_do_not_hide_on_which_side_of_0_they_are(
    interval: tuple[float, float, float], text: str
) -> None:
    assert points_range(Interval(*interval)) == text


def test_the_best_is_partly_the_luckiest() -> None:
    assert too_high_text(0.0123).endswith("is expected to be about 1.2 points too high.")


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[Predictions], list[Predictions], dict[str, str]]:
    """Two strategies' predictions for the same few photographs, by one or more trainings."""
    classes = ["cat", "dog", "eel"]
    n, trainings = draw(st.integers(1, 40)), draw(st.integers(1, 3))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    true = generator.integers(0, draw(st.integers(1, 3)), n)

    def trained(right: float) -> Predictions:
        guesses = np.where(generator.random(n) < right, true, generator.integers(0, 3, n))
        paths = [f"{i}.png" for i in range(n)]
        return Predictions(classes, paths, [classes[of] for of in true], np.eye(3)[guesses])

    arms = [
        [trained(share) for _ in range(trainings)]
        for share in (draw(st.sampled_from([0.0, 0.2, 0.6, 1.0])) for _ in range(2))
    ]
    groups = {f"{i}.png": str(i // draw(st.sampled_from([1, 1, 4]))) for i in range(n)}
    return arms[0], arms[1], groups


DIFFERENCE = re.compile(r"\(difference (\S+) points, 95 % interval (\S+) to (\S+?)[;)]")


def kind(said: str) -> Decision:
    """Which of three a sentence is, if the difference and the interval in it agree with that."""
    figures = DIFFERENCE.search(said)
    assert figures
    value, low, high = map(float, figures.groups())
    assert low <= value <= high
    if said.startswith("No significant difference between "):
        assert low <= 0 <= high
        return Decision.NONE
    assert low > 0 or high < 0
    assert bool(re.search("better|higher", said)) == (value > 0)
    assert bool(re.search("worse|lower", said)) == (value < 0)
    if said.startswith("A hint that "):
        assert ", but not significant, as " in said
        return Decision.HINT
    assert "significantly" in said
    p_value = re.search(r"; p (?:=|<) ([^,)]+)", said)
    assert p_value
    assert float(p_value[1]) <= 0.05
    return Decision.SIGNIFICANT


@given(pairs(), st.integers(1, 4))
def test_words_and_intervals_agree(
    drawn: tuple[list[Predictions], list[Predictions], dict[str, str]], strategies: int
) -> None:
    *arms, groups = drawn
    reference, this = (
        Arm(name, of, False, strategy_intervals(of))
        for name, of in zip(("a", "b"), (judged_by(arm, groups) for arm in arms), strict=True)
    )
    said = difference(reference, this, strategies)
    texts = [(said.verdict, said.balanced_accuracy)]
    texts += [(said.verdicts[name], of) for name, of in said.recall.items() if of]
    for text, of in texts:
        # What follows is of the accuracy, or of the photographs needed.
        first, *more = re.split(r"(?<=\)\.) ", plain(text))
        assert kind(first) is of.decision
        assert of.decision is not Decision.SIGNIFICANT or excludes_zero(of.corrected)
        for sentence in more:
            if " accuracy than " in sentence:
                assert kind(sentence) is said.accuracy.decision is Decision.SIGNIFICANT
            else:
                assert sentence.startswith("A difference of 10 points takes about ")
    untested = {name for name, of in said.recall.items() if of is None}
    assert {said.verdicts[name] for name in untested} <= {
        "No photographs of this class were judged."
    }
