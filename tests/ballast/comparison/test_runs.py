"""A comparison holds what was judged, the figures of each run, and one method's differences."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from confusion import predictions
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)
from statsmodels.stats.contingency_tables import mcnemar

from ballast.comparison.contrasts import (
    Decision,
    contrasts,
    discordances,
    photographs_needed,
    select,
)
from ballast.comparison.optimism import optimism
from ballast.comparison.runs import answer, compare, headlines, worse_classes
from ballast.core.files import read_json, write_json
from ballast.scores.intervals import Interval, MetricIntervals, unpacked
from ballast.scores.predictions import Predictions, read_predictions, write_predictions
from ballast.scores.run import Arm, Run

RunOf = Callable[..., Run]

# By true and predicted class: dog, human, snake.
BASELINE = [[4, 0, 36], [0, 40, 0], [0, 2, 38]]
BALANCED = [[30, 0, 10], [0, 39, 1], [0, 3, 37]]
IN_PAIRS = {f"{i}.png": str(i // 2) for i in range(120)}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictions]:
    """Predictions of handwritten digits by two real classifiers, read from predictions.csv."""
    data = load_digits(n_class=5)
    classes = [f"digit {n}" for n in range(5)]
    found = {}
    for name, train in (("few", slice(0, 12)), ("more", slice(0, 150))):
        model = LogisticRegression(max_iter=200).fit(data.data[train] / 16, data.target[train])
        tested = slice(500, 750)
        path = tmp_path_factory.mktemp(name) / "predictions.csv"
        probabilities = model.predict_proba(data.data[tested] / 16)
        true = [classes[label] for label in data.target[tested]]
        paths = [f"{i}.png" for i in range(len(true))]
        write_predictions(path, Predictions(classes, paths, true, probabilities))
        found[name] = read_predictions(path)
    return found


@pytest.fixture(scope="module")
def pair(run_of: RunOf) -> list[Run]:
    """Two strategies, cross-validated twice, of photographs in groups of two."""
    return [
        run_of(name, *[predictions(of)] * 2, groups=IN_PAIRS, cross_validated=True)
        for name, of in (("baseline", BASELINE), ("balanced", BALANCED))
    ]


def interval_of(metrics: MetricIntervals, metric: str, class_: str) -> Interval:
    return {(name, of): interval for name, of, interval in unpacked(metrics)}[metric, class_]


def scikit_learns(of: Predictions) -> dict[tuple[str, str], float]:
    """All metrics by name and class."""
    true, guessed, classes = of.true, of.predicted, of.classes
    by_class: Mapping[str, list[float]] = {
        "recall": recall_score(true, guessed, labels=classes, average=None).tolist(),
        "precision": precision_score(true, guessed, labels=classes, average=None).tolist(),
        "f1": f1_score(true, guessed, labels=classes, average=None).tolist(),
    }
    return {
        ("accuracy", ""): accuracy_score(true, guessed),
        ("balanced_accuracy", ""): balanced_accuracy_score(true, guessed),
        ("macro_f1", ""): f1_score(true, guessed, average="macro"),
        ("worst_class_recall", ""): min(by_class["recall"]),
        **{
            (metric, class_): value
            for metric, scores in by_class.items()
            for class_, value in zip(classes, scores, strict=True)
        },
    }


def test_the_figures_are_scikit_learns(digits: dict[str, Predictions], run_of: RunOf) -> None:
    found = compare([run_of(name, of) for name, of in digits.items()], seed=1)
    few, more = (scikit_learns(of) for of in digits.values())
    shown = {
        "few": (few, found.revisions["few"].metrics),
        "more": (more, found.revisions["more"].metrics),
        "difference": (
            {key: more[key] - few[key] for key in more},
            found.differences["more"].metrics,
        ),
    }
    for values, metrics in shown.values():
        for (metric, class_), value in values.items():
            interval = interval_of(metrics, metric, class_)
            assert interval.value == pytest.approx(value, abs=1e-9)
            assert interval.low is not None
            assert interval.high is not None
            assert interval.low - 1e-9 <= value <= interval.high + 1e-9


def test_the_p_values_are_mcnemars(digits: dict[str, Predictions], run_of: RunOf) -> None:
    found = compare([run_of(name, of) for name, of in digits.items()], seed=1).differences["more"]
    first, second = (np.array(of.true) == np.array(of.predicted) for of in digits.values())
    for name, recall in {"": found.accuracy, **found.recall}.items():
        chosen = np.array([name in ("", true) for true in digits["few"].true])
        only_first, only_second = np.sum(chosen & first & ~second), np.sum(chosen & ~first & second)
        assert recall
        assert recall.discordant == pytest.approx(only_first + only_second)
        if only_first + only_second:
            table = [[0, only_first], [only_second, 0]]
            expected = mcnemar(table, exact=False, correction=False).pvalue
            assert recall.p_value == pytest.approx(expected, abs=1e-9)


def test_the_words_are_those_of_the_figures(digits: dict[str, Predictions], run_of: RunOf) -> None:
    better = compare([run_of(name, digits[name]) for name in ("few", "more")], seed=1)
    worse = compare([run_of(name, digits[name]) for name in ("more", "few")], seed=1)
    said = better.differences["more"]
    assert said.balanced_accuracy.decision is Decision.SIGNIFICANT
    assert said.verdict.startswith("This model of more is significantly better than this model of")
    assert worse.differences["few"].verdict.startswith(
        "This model of few is significantly worse than this model of more: balanced accuracy"
    )


def test_it_says_what_was_judged_and_by_how_many_trainings(pair: list[Run]) -> None:
    found = compare(pair, seed=1)
    assert found.reference == "baseline"
    assert found.cross_validated
    assert found.photographs == {"dog": 40, "human": 40, "snake": 40}
    assert found.independent_groups == 60
    assert [*found.revisions] == ["baseline", "balanced"]
    for run in pair:
        stored = found.revisions[run.name]
        assert stored.trainings == 2
        assert stored.metrics == run.metrics
        assert stored.train_photographs == {"dog": 20, "human": 20, "snake": 20}
    assert found.different_params["strategy"] == {"baseline": "baseline", "balanced": "balanced"}


def test_differences_are_those_of_contrasts(pair: list[Run]) -> None:
    expected = contrasts(pair[0].judged, pair[1].judged)
    found = compare(pair, seed=1).differences["balanced"]
    assert found[:4] == (
        expected.metrics,
        expected.accuracy,
        expected.balanced_accuracy,
        expected.recall,
    )
    first, second = (run.judged for run in pair)
    recalls = discordances(first.predicted, second.predicted, first.true, first.groups)["recall"]
    needed = [photographs_needed(select(recalls, place), looked_at=3) for place in range(3)]
    assert [*found.photographs_needed.values()] == needed


def test_several_runs_are_corrected_for(run_of: RunOf) -> None:
    before = run_of("a", predictions([[20, 0, 20], [0, 20, 0], [0, 0, 20]]))
    after = predictions([[28, 0, 12], [0, 20, 0], [0, 0, 20]])
    alone = compare([before, run_of("b", after)], seed=1).differences["b"]
    many = compare([before, *(run_of(name, after) for name in "bcde")], seed=1).differences["b"]
    overall = alone.balanced_accuracy, many.balanced_accuracy
    assert overall[0].interval == overall[1].interval == overall[0].corrected
    assert overall[1].p_value_corrected == pytest.approx(4 * overall[0].p_value_corrected)
    dog = alone.recall["dog"], many.recall["dog"]
    assert dog[0]
    assert dog[1]
    assert dog[0].p_value_corrected == pytest.approx(3 * dog[0].p_value), "three classes"
    assert dog[1].p_value_corrected == pytest.approx(12 * dog[1].p_value), "of four runs"
    assert (dog[0].decision, dog[1].decision) == (Decision.SIGNIFICANT, Decision.HINT)
    needed = alone.photographs_needed["dog"], many.photographs_needed["dog"]
    assert needed[0]
    assert needed[1]
    assert needed[0].ten_points < needed[1].ten_points


def test_the_excess_of_the_best_is_that_of_all_runs(pair: list[Run]) -> None:
    found = compare(pair, seed=1)
    assert found.best_is_too_high_by == optimism([run.judged for run in pair], seed=1)
    assert 0 <= found.best_is_too_high_by < 0.05


def test_worse_classes_are_significantly_worse(pair: list[Run], run_of: RunOf) -> None:
    first, second = (run.judged for run in pair)
    assert worse_classes(contrasts(second, first)) == ["dog"]
    assert worse_classes(contrasts(first, second)) == []
    hint = run_of("hint", predictions([[25, 0, 15], [0, 20, 0], [0, 0, 20]])).judged
    fewer = run_of("fewer", predictions([[20, 0, 20], [0, 20, 0], [0, 0, 20]])).judged
    assert worse_classes(contrasts(hint, fewer)) == [], "a hint is no reason to act"


def test_a_class_that_got_worse_is_a_recommendation(pair: list[Run]) -> None:
    rules = [advice.rule for advice in compare(pair[::-1], seed=1).recommendations]
    assert "worse_class" in rules
    assert "worse_class" not in [advice.rule for advice in compare(pair, seed=1).recommendations]


def test_of_a_class_without_photographs_nothing_is_stored(run_of: RunOf) -> None:
    runs = [run_of(name, predictions([[9, 0, 1], [0, 0, 0], [0, 0, 9]])) for name in ("a", "b")]
    found = compare(runs, seed=1)
    assert found.photographs == {"dog": 10, "human": 0, "snake": 9}
    stored = found.differences["b"]
    assert stored.recall["human"] is None
    assert stored.photographs_needed["human"] is None
    assert stored.metrics.recall["human"] == (None, None, None)


def test_an_answer_without_a_reference_is_the_run_alone(pair: list[Run]) -> None:
    found = answer(pair[1], None, {})
    assert found.cross_validated
    assert found.trainings == 2
    assert found.photographs == {"dog": 40, "human": 40, "snake": 40}
    assert found.independent_groups == 60
    assert found.metrics == pair[1].metrics
    assert found.verdict.startswith("On average over 2 cross-validations, 88")
    assert (found.reference, found.reference_metrics, found.difference) == (None, None, None)
    assert found.recommendations[0].rule == "not_compared"
    assert found.recommendations[0].action == "make compare"


def test_an_answer_has_what_was_left_out_and_trained_on(pair: list[Run]) -> None:
    found = answer(pair[1], None, {"not an image": 2})
    assert found.left_out == {"not an image": 2}
    assert found.train_photographs == {name: of["train"] for name, of in pair[1].counts.items()}


def test_an_answer_with_a_reference_says_what_balancing_changed(pair: list[Run]) -> None:
    baseline, balanced = pair
    reference = Arm(*baseline[:4])
    found = answer(balanced, reference, {})
    assert found.verdict == answer(balanced, None, {}).verdict
    assert found.reference == "baseline"
    assert found.reference_metrics == baseline.metrics
    assert "not_compared" not in [advice.rule for advice in found.recommendations]
    assert found.difference == compare(pair, seed=1).differences["balanced"]


def test_headlines_are_the_overall_values_and_what_balancing_changed(pair: list[Run]) -> None:
    baseline, balanced = pair
    found = answer(balanced, Arm(*baseline[:4]), {})
    assert found.difference
    overall = ["accuracy", "balanced_accuracy", "macro_f1", "worst_class_recall"]
    values = headlines(found)
    assert values == {
        **{name: getattr(found.metrics, name).value for name in overall},
        "difference": {name: getattr(found.difference.metrics, name).value for name in overall},
    }
    assert headlines(answer(balanced, None, {})) == {name: values[name] for name in overall}


def test_one_model_of_a_test_set_has_its_headlines_in_metrics_json(pair: list[Run]) -> None:
    run = pair[1]._replace(cross_validated=False)
    one = run._replace(judged=run.judged._replace(predicted=run.judged.predicted[:1]))
    assert headlines(answer(run, None, {})) != {}
    assert headlines(answer(one, None, {})) == {}


def test_an_answer_is_written_with_its_decisions(pair: list[Run], tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    write_json(path, answer(pair[1], Arm(*pair[0][:4]), {}))
    found = read_json(path)
    assert found["difference"]["recall"]["dog"]["decision"] == "significant"
    assert found["difference"]["recall"]["human"]["decision"] == "none"
    assert found["difference"]["balanced_accuracy"]["interval"]["value"] == pytest.approx(0.2)
    assert found["difference"]["photographs_needed"]["human"]["ten_points"] == 207
