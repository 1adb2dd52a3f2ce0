"""Comparisons agree with scikit-learn and statsmodels, and do not call chance significant."""

from collections.abc import Callable

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
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from ballast.comparison.runs import compare
from ballast.scores.intervals import Interval, MetricIntervals, unpacked
from ballast.scores.predictions import Predictions, read_predictions, write_predictions
from ballast.scores.run import Run

RunOf = Callable[[str, Predictions], Run]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictions]:
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


def interval_of(metrics: MetricIntervals, metric: str, class_: str) -> Interval:
    return {(name, of): interval for name, of, interval in unpacked(metrics)}[metric, class_]


def test_it_agrees_with_scikit_learn_and_statsmodels(
    judged: dict[str, Predictions], run_of: RunOf
) -> None:
    found = compare([run_of(name, of) for name, of in judged.items()], seed=1, draws=100)
    values: dict[str, dict[tuple[str, str], float]] = {}
    for name, of in judged.items():
        true, guessed, classes = of.true, of.predicted, of.classes
        by_class = {
            "recall": recall_score(true, guessed, labels=classes, average=None),
            "precision": precision_score(true, guessed, labels=classes, average=None),
            "f1": f1_score(true, guessed, labels=classes, average=None),
        }
        values[name] = {
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
        metrics = found.revisions[name].metrics
        for (metric, class_), value in values[name].items():
            shown = interval_of(metrics, metric, class_)
            assert shown.value == pytest.approx(value, abs=1e-9)
        right = [t == g for t, g in zip(true, guessed, strict=True)]
        wilson = {("accuracy", ""): (sum(right), len(right))}
        for class_ in classes:
            hits = sum(r for r, t in zip(right, true, strict=True) if t == class_)
            wilson["recall", class_] = (hits, true.count(class_))
            wilson["precision", class_] = (hits, guessed.count(class_))
        for (metric, class_), counts in wilson.items():
            shown = interval_of(metrics, metric, class_)
            bounds = proportion_confint(*counts, method="wilson")
            assert (shown.low, shown.high) == pytest.approx(bounds, abs=1e-9)

    difference = found.differences["more"]
    for (metric, class_), value in values["more"].items():
        shown = interval_of(difference.metrics, metric, class_)
        assert shown.value == pytest.approx(value - values["few"][metric, class_], abs=1e-9)
        assert shown.value is not None
        assert shown.low is not None
        assert shown.high is not None
        assert shown.low <= shown.value <= shown.high

    first, second = (
        np.array(of.true) == np.array(of.predicted) for of in (judged["few"], judged["more"])
    )
    p_values = []
    for group in ("", *judged["few"].classes):
        chosen = np.array([group in ("", name) for name in judged["few"].true])
        table = [
            [np.sum(chosen & first & second), np.sum(chosen & first & ~second)],
            [np.sum(chosen & ~first & second), np.sum(chosen & ~first & ~second)],
        ]
        exact = statsmodels_mcnemar(table, exact=True)
        test = difference.mcnemar_by_class[group] if group else difference.mcnemar
        assert test.only_reference_right == table[0][1]
        assert test.only_this_right == table[1][0]
        assert test.p_value == pytest.approx(exact.pvalue, abs=1e-9)
        p_values.append(exact.pvalue)
    corrected = multipletests(p_values[1:], method="holm")[1]
    holm = [test.p_value_holm for test in difference.mcnemar_by_class.values()]
    assert holm == pytest.approx(corrected.tolist(), abs=1e-9)


def test_a_clear_difference_is_told(judged: dict[str, Predictions], run_of: RunOf) -> None:
    found = compare([run_of(name, of) for name, of in judged.items()], seed=1)
    difference = found.differences["more"]
    assert difference.verdict.startswith("more is better than few: balanced accuracy ")
    assert difference.metrics.balanced_accuracy.low is not None
    assert difference.metrics.balanced_accuracy.low > 0


def test_a_worse_run_is_called_worse(judged: dict[str, Predictions], run_of: RunOf) -> None:
    found = compare([run_of(name, judged[name]) for name in ("more", "few")], seed=1)
    assert found.differences["few"].verdict.startswith("few is worse than more")


def test_several_runs_are_corrected_for(run_of: RunOf) -> None:
    before = run_of("a", predictions([[20, 0, 20], [0, 20, 0], [0, 0, 20]]))
    after = predictions([[26, 0, 14], [0, 20, 0], [0, 0, 20]])
    alone = compare([before, run_of("b", after)], seed=1).differences["b"]
    many = compare([before, *(run_of(name, after) for name in "bcde")], seed=1).differences["b"]
    assert alone.mcnemar.p_value == many.mcnemar.p_value == pytest.approx(2 * 0.5**6)
    assert alone.mcnemar.p_value_holm == pytest.approx(2 * 0.5**6)
    assert many.mcnemar.p_value_holm == pytest.approx(4 * 2 * 0.5**6)
    assert "98.8\N{NO-BREAK SPACE}% interval" in many.verdict
