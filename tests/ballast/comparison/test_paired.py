"""Comparisons agree with scikit-learn and statsmodels, and take nothing for more than luck."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom
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

from ballast.comparison.paired import difference_intervals, draw_pair, photographs_that_would_tell
from ballast.comparison.runs import compare
from ballast.scores.significance import discordant, holm, mcnemar
from ballast.scores.intervals import as_json, metric_intervals, unpacked
from ballast.scores.predictions import Predictions, read_predictions, write_predictions
from ballast.scores.run import Run

MakeRun = Callable[[str, Predictions], Run]
CLASSES = ["dog", "human", "snake"]


@pytest.fixture(scope="module")
def run_of(make_run: Callable[..., Run]) -> MakeRun:
    """Make a run with given predictions."""

    def make(name: str, predictions: Predictions) -> Run:
        counts = {
            class_: {"train": 20, "val": 5, "test": predictions.true.count(class_)}
            for class_ in predictions.classes
        }
        metrics = as_json(metric_intervals(predictions, seed=1, draws=1000))
        made = dict.fromkeys(predictions.classes, 60)
        run: Run = make_run(name, CLASSES)
        row = f"strategies.{name}"
        prongs = {f"{row}.class_weights": "none", f"{row}.balanced_batches": False}
        return run._replace(
            predictions=predictions,
            metrics=metrics,
            counts=counts,
            made=made,
            weights=dict.fromkeys(predictions.classes, 1.0),
            params={**run.params, **prongs},
        )

    return make


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


def predictions(matrix: Sequence[Sequence[int]]) -> Predictions:
    """Predictions with these counts by true and predicted class."""
    cells = [cell for cell, count in np.ndenumerate(np.array(matrix)) for _ in range(count)]
    return Predictions(
        CLASSES,
        [f"{i}.png" for i in range(len(cells))],
        [CLASSES[true] for true, _ in cells],
        np.eye(3)[[guess for _, guess in cells]],
    )


def test_it_agrees_with_scikit_learn_and_statsmodels(
    judged: dict[str, Predictions], run_of: MakeRun
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
        metrics = found["revisions"][name]["metrics"]
        for (metric, class_), value in values[name].items():
            shown = metrics[metric][class_] if class_ else metrics[metric]
            assert shown["value"] == pytest.approx(value, abs=1e-9)
        right = [t == g for t, g in zip(true, guessed, strict=True)]
        wilson = {("accuracy", ""): (sum(right), len(right))}
        for class_ in classes:
            hits = sum(r for r, t in zip(right, true, strict=True) if t == class_)
            wilson["recall", class_] = (hits, true.count(class_))
            wilson["precision", class_] = (hits, guessed.count(class_))
        for (metric, class_), counts in wilson.items():
            shown = metrics[metric][class_] if class_ else metrics[metric]
            bounds = proportion_confint(*counts, method="wilson")
            assert (shown["low"], shown["high"]) == pytest.approx(bounds, abs=1e-9)

    difference = found["differences"]["more"]
    for (metric, class_), value in values["more"].items():
        shown = difference["metrics"][metric]
        shown = shown[class_] if class_ else shown
        assert shown["value"] == pytest.approx(value - values["few"][metric, class_], abs=1e-9)
        assert shown["low"] <= shown["value"] <= shown["high"]

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
        test = difference["mcnemar_by_class"][group] if group else difference["mcnemar"]
        assert test["only_reference_right"] == table[0][1]
        assert test["only_this_right"] == table[1][0]
        assert test["p_value"] == pytest.approx(exact.pvalue, abs=1e-9)
        p_values.append(exact.pvalue)
    corrected = multipletests(p_values[1:], method="holm")[1]
    shown = [test["p_value_holm"] for test in difference["mcnemar_by_class"].values()]
    assert shown == pytest.approx(corrected.tolist(), abs=1e-9)


def test_a_clear_difference_is_told(judged: dict[str, Predictions], run_of: MakeRun) -> None:
    found = compare([run_of(name, of) for name, of in judged.items()], seed=1)
    difference = found["differences"]["more"]
    assert difference["verdict"].startswith("more is better than few: balanced accuracy ")
    assert difference["metrics"]["balanced_accuracy"]["low"] > 0


def test_a_class_that_is_recognised_more_often_is_named(run_of: MakeRun) -> None:
    before = run_of("baseline", predictions([[4, 0, 36], [0, 40, 0], [0, 2, 38]]))
    after = run_of("balanced", predictions([[30, 0, 10], [0, 39, 1], [0, 3, 37]]))
    found = compare([before, after], seed=1)["differences"]["balanced"]
    assert found["verdicts"]["dog"].replace("\N{NO-BREAK SPACE}", " ") == (
        "balanced recognises it more often than baseline, 75 % against 10 %"
        " (McNemar's p = 8.9e-08)."
    )
    assert found["photographs_that_would_tell"]["dog"] is None
    assert found["verdicts"]["human"].startswith("No difference")


def test_a_worse_run_is_called_worse(judged: dict[str, Predictions], run_of: MakeRun) -> None:
    found = compare([run_of(name, judged[name]) for name in ("more", "few")], seed=1)
    assert found["differences"]["few"]["verdict"].startswith("few is worse than more")


def test_luck_with_few_images_is_called_that(run_of: MakeRun) -> None:
    # The one dog is recognised by luck: recall 0 against 1.
    before = run_of("baseline", predictions([[0, 0, 1], [0, 5, 0], [0, 1, 6]]))
    after = run_of("balanced", predictions([[1, 0, 0], [0, 5, 0], [0, 1, 6]]))
    found = compare([before, after], seed=1)["differences"]["balanced"]
    assert found["metrics"]["recall"]["dog"]["value"] == 1
    says = "No difference between balanced and baseline can be told apart from chance"
    assert found["verdict"].startswith(f"{says} with this many images, 13: balanced accuracy")
    assert found["verdicts"]["dog"].startswith(f"{says} with this many images, 1; about 6 test")
    assert found["verdicts"]["human"] == f"{says} with this many images, 5, and none was seen."
    assert found["photographs_that_would_tell"] == {"dog": 6, "human": None, "snake": None}


def test_accuracy_against_balanced_accuracy_is_said(run_of: MakeRun) -> None:
    before = run_of("baseline", predictions([[1, 0, 19], [0, 0, 0], [0, 0, 400]]))
    after = run_of("balanced", predictions([[20, 0, 0], [0, 0, 0], [60, 0, 340]]))
    found = compare([before, after], seed=1)["differences"]["balanced"]
    assert found["verdict"].startswith("balanced is better than baseline")
    assert "but its accuracy is lower" in found["verdict"]
    assert found["verdicts"]["human"] == "No photograph to test on."
    assert "less often" in found["verdicts"]["snake"]
    assert found["metrics"]["recall"]["human"] == {"value": None, "low": None, "high": None}


def test_the_order_of_photographs_does_not_matter() -> None:
    first = predictions([[5, 2, 0], [0, 4, 3], [1, 0, 6]])
    second = predictions([[3, 0, 4], [2, 5, 0], [0, 2, 5]])
    back = Predictions(CLASSES, second.paths[::-1], second.true[::-1], second.probabilities[::-1])
    assert discordant(first, back, None) == discordant(first, second, None)
    drawn, again = (
        draw_pair(first, other, np.random.default_rng(0), 50) for other in (second, back)
    )
    for one, other in zip([*drawn[0], *drawn[1]], [*again[0], *again[1]], strict=True):
        assert np.array_equal(one, other)


def test_p_values_done_by_hand() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(0, 5) == pytest.approx(2 * 0.5**5)
    assert mcnemar(1, 5) == pytest.approx(2 * 7 * 0.5**6)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_several_runs_are_corrected_for(run_of: MakeRun) -> None:
    before = run_of("a", predictions([[20, 0, 20], [0, 20, 0], [0, 0, 20]]))
    after = predictions([[26, 0, 14], [0, 20, 0], [0, 0, 20]])
    alone = compare([before, run_of("b", after)], seed=1)["differences"]["b"]
    many = compare([before, *(run_of(name, after) for name in "bcde")], seed=1)["differences"]["b"]
    assert alone["mcnemar"]["p_value"] == many["mcnemar"]["p_value"] == pytest.approx(2 * 0.5**6)
    assert alone["mcnemar"]["p_value_holm"] == pytest.approx(2 * 0.5**6)
    assert many["mcnemar"]["p_value_holm"] == pytest.approx(4 * 2 * 0.5**6)
    assert "98.8\N{NO-BREAK SPACE}% interval" in many["verdict"]


@pytest.mark.parametrize("seen", [(2, 4, 20), (1, 3, 20), (1, 5, 40), (0, 3, 40)])
def test_so_many_photographs_would_tell(seen: tuple[int, int, int]) -> None:
    only_reference, only_this, photographs = seen
    needed = photographs_that_would_tell(*seen)
    assert needed is not None
    differing = np.arange(needed + 1)
    chances = binom.pmf(differing, needed, (only_reference + only_this) / photographs)
    rejected = only_this / (only_reference + only_this)
    power = sum(
        chance * binom.pmf([k for k in range(n + 1) if mcnemar(n - k, k) < 0.05], n, rejected).sum()
        for n, chance in zip(differing.tolist(), chances, strict=True)
        if chance > 1e-3
    )
    assert 0.7 < power < 0.88, "Connor's formula is of the approximate test, this is the exact one"


def test_more_photographs_than_there_are_would_tell() -> None:
    assert photographs_that_would_tell(0, 5, 5) == 6
    assert photographs_that_would_tell(0, 5, 100) == 155
    assert photographs_that_would_tell(3, 3, 40) is None


@pytest.mark.long
@pytest.mark.parametrize("photos", [[40, 40, 40], [60, 20, 80]])
def test_the_differences_hold_the_truth(photos: list[int]) -> None:
    before = np.array([[0.45, 0.1, 0.45], [0.05, 0.85, 0.1], [0.1, 0.1, 0.8]])
    after = np.array([[0.75, 0.05, 0.2], [0.05, 0.85, 0.1], [0.15, 0.15, 0.7]])
    known = figures_of(after, photos) - figures_of(before, photos)
    held: list[NDArray[np.bool_]] = []
    for seed in range(1000):
        generator = np.random.default_rng(seed)
        drawn = correlated(before, after, photos, generator)
        first, second = (as_json(metric_intervals(of, seed, draws=1)) for of in drawn)
        found = difference_intervals(first, second, draw_pair(*drawn, generator, 1000))
        bounds = np.array([[i.low, i.high] for *_, i in unpacked(found)], dtype=float).T
        held.append((bounds[0] <= known) & (known <= bounds[1]))
    shares = np.mean(held, axis=0)
    assert shares.min() >= 0.92
    assert 0.93 <= shares[:3].min() <= shares[:3].max() <= 0.98


def figures_of(shares: NDArray[np.float64], photos: list[int]) -> NDArray[np.float64]:
    counts = shares * np.array(photos)[:, None]
    right, predicted = counts.diagonal(), counts.sum(axis=0)
    recall, f1 = shares.diagonal(), 2 * right / (predicted + photos)
    overall = [right.sum() / counts.sum(), recall.mean(), f1.mean(), recall.min()]
    return np.array([*overall, *recall, *(right / predicted), *f1])


def correlated(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    photos: list[int],
    generator: np.random.Generator,
) -> tuple[Predictions, Predictions]:
    """Predictions that agree on what is easy: half of the photographs share one random number."""
    guesses: list[list[int]] = [[], []]
    for class_, n in enumerate(photos):
        shared = generator.random(n) < 0.5
        numbers = generator.random((2, n))
        numbers[1, shared] = numbers[0, shared]
        for run, shares in enumerate((before, after)):
            order = np.argsort(np.arange(3) != class_, kind="stable")  # the right one first
            edges = shares[class_][order].cumsum()[:2]
            guesses[run] += order[np.searchsorted(edges, numbers[run])].tolist()
    true = [CLASSES[class_] for class_, n in enumerate(photos) for _ in range(n)]
    paths = [f"{i}.png" for i in range(len(true))]
    first, second = (Predictions(CLASSES, paths, true, np.eye(3)[g]) for g in guesses)
    return first, second
