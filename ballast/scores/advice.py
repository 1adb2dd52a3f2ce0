"""What to do next, in plain words, drawn from the figures by stated rules."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ballast.core.counts import train_counts
from ballast.scores.history import chosen_epoch
from ballast.scores.run import Run
from ballast.scores.sentences import photographs, typeset
from ballast.scores.significance import SIGNIFICANCE, Outcome

TRAIN_PHOTOGRAPHS = 10
# With 40 the interval of a recall is at most 0.3 wide; with 10, 0.53.
TEST_PHOTOGRAPHS = 40
ACCURACY_GAP = 0.2
# Prongs that together make a class count by half more than the largest one correct twice.
EMPHASIS = 1.5
# Of a class's test photographs, and how many at least, that are taken for one other class.
CONFUSED, CONFUSED_PHOTOGRAPHS = 0.1, 2


# Of McNemar's tests, by run and class.
Outcomes = Mapping[str, Mapping[str, Outcome]]


class Recommendation(NamedTuple):
    """What to do, and the rule that says so."""

    rule: str
    text: str


def recommendations(runs: Sequence[Run], outcomes: Outcomes) -> list[Recommendation]:
    """Draw recommendations from one run, or from several that are compared.

    - few_training_images: a class has under 10 training photographs.
    - small_test_set: a class has under 40 test photographs, so that the interval of its recall
      can be 0.3 wide and more.
    - overfitting: at the chosen epoch the training accuracy is more than 0.2 above validation's.
    - corrects_twice: two prongs or more make a class count more than 1.5 times as much in the loss
      as the class with most photographs; see emphasis.
    - worse_class: a class is recognised less often than by the reference, and chance alone would
      not have it so (McNemar's exact test, corrected for the number of classes and runs).
    - costliest_confusion: of all pairs of classes, the one that takes most from the balanced
      accuracy, if it takes a tenth of the class's test photographs, and two or more.

    Args:
        runs: one; or several of the same photographs, the reference first, of which the rules on
            training and confusion judge the others alone.
        outcomes: of McNemar's tests of each class, by run; none for one run.

    Returns:
        In the order of the rules, then of runs and classes.
    """
    judged = runs[1:] or runs
    advice = [*_few_training_images(runs), *_small_test_set(runs[0])]
    for rule in (_overfitting, _corrects_twice):
        advice += [found for run in judged for found in rule(run, _of(run, runs))]
    advice += _worse_class(runs, outcomes)
    advice += [found for run in judged for found in _costliest_confusion(run, _of(run, runs))]
    return [Recommendation(rule, typeset(text)) for rule, text in advice]


def emphasis(run: Run) -> dict[str, float]:
    """How much more a photograph counts in training than without balancing.

    The ratio by which a class's photographs are shown more often, through oversampling or
    balanced batches, times its weight; both are relative to those of the class with most
    photographs. The class counts like that one where its emphasis is the ratio of their
    photographs. (Logit adjustment makes up for what the others leave, and is left out.)

    Returns:
        By class name; 1 for the class with most photographs.
    """
    n_by_class = train_counts(run.counts)
    balanced_batches = _strategy(run)["balanced_batches"]
    largest = max(n_by_class, key=lambda name: n_by_class[name])
    shown = {
        name: 1.0 if balanced_batches else run.made[name] / run.made[largest] for name in n_by_class
    }
    return {
        name: shown[name] * n_by_class[largest] / n * run.weights[name] / run.weights[largest]
        for name, n in n_by_class.items()
    }


def _few_training_images(runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    fewest: dict[str, int] = {}
    for run in runs:
        for name, n in train_counts(run.counts).items():
            fewest[name] = min(n, fewest.get(name, n))
    for name, n in fewest.items():
        if n < TRAIN_PHOTOGRAPHS:
            yield (
                "few_training_images",
                f"{name} has {photographs(n)} to train on: too few to show what the class looks"
                f" like, however it is balanced. Add photographs, to {TRAIN_PHOTOGRAPHS} at least.",
            )


def _small_test_set(run: Run) -> Iterator[tuple[str, str]]:
    small = {
        name: subsets["test"]
        for name, subsets in run.counts.items()
        if subsets["test"] < TEST_PHOTOGRAPHS
    }
    if small:
        listed = ", ".join(f"{name} {n}" for name, n in small.items())
        yield (
            "small_test_set",
            f"Too few photographs to test on ({listed}): with fewer than {TEST_PHOTOGRAPHS} a"
            " class, the interval of its recall can be 30 points wide and more. Add test"
            " photographs, or cross-validate, so that every photograph is tested.",
        )


def _overfitting(run: Run, where: str) -> Iterator[tuple[str, str]]:
    if "val_accuracy" not in run.history:
        return
    epoch = chosen_epoch(run.history, run.min_epochs) - 1
    train, val = (run.history[key][epoch] for key in ("accuracy", "val_accuracy"))
    if train - val > ACCURACY_GAP:
        yield (
            "overfitting",
            f"{where}the accuracy is {train:.0%} on the training images and {val:.0%} on the"
            " validation photographs: the network knows the training photographs by heart. Add"
            " photographs, or widen the augmentation (augment in params.yaml).",
        )


def _corrects_twice(run: Run, where: str) -> Iterator[tuple[str, str]]:
    row, n_by_class = _strategy(run), train_counts(run.counts)
    prongs = [
        name
        for name, used in (
            ("oversampling", row["oversample"]),
            ("balanced batches", row["balanced_batches"]),
            ("class weights", row["class_weights"] is not None),
        )
        if used
    ]
    most = max(n_by_class.values())
    excess = {name: factor * n_by_class[name] / most for name, factor in emphasis(run).items()}
    name = max(excess, key=lambda name: excess[name])
    if len(prongs) > 1 and excess[name] > EMPHASIS:
        yield (
            "corrects_twice",
            f"{where}{' and '.join(prongs)} correct twice: {name} counts {excess[name]:.1f} times"
            " as much as the largest class. Leave one of them out, or lower weight_power.",
        )


def _worse_class(runs: Sequence[Run], outcomes: Outcomes) -> Iterator[tuple[str, str]]:
    for run in runs[1:]:
        for name, outcome in outcomes[run.name].items():
            fewer = outcome.only_this_right < outcome.only_reference_right
            if fewer and outcome.p_value_holm < SIGNIFICANCE:
                before, after = (run_.metrics.recall[name].value for run_ in (runs[0], run))
                yield (
                    "worse_class",
                    f"{run.name} recognises {name} less often than {runs[0].name}: {after:.0%} of"
                    f" its test photographs, not {before:.0%}. Balance less (weight_power, or one"
                    f" prong only), or add photographs of {name}.",
                )


def _costliest_confusion(run: Run, where: str) -> Iterator[tuple[str, str]]:
    predictions = run.predictions
    tested = Counter(predictions.true)
    wrong = Counter(
        (true, guess)
        for true, guess in zip(predictions.true, predictions.predicted, strict=True)
        if true != guess
    )
    if not wrong:
        return
    # In balanced accuracy every class is as much, so a pair costs its share of the true class.
    pair = min(wrong, key=lambda pair: (-wrong[pair] / tested[pair[0]], pair))
    n, of = wrong[pair], tested[pair[0]]
    if n >= CONFUSED_PHOTOGRAPHS and n / of >= CONFUSED:
        yield (
            "costliest_confusion",
            f"{where}{pair[0]} taken for {pair[1]} costs most: {n} of {photographs(of)}. Look at"
            " those photographs for a wrong label, or add training photographs that show the"
            " difference.",
        )


def _strategy(run: Run) -> dict[str, Any]:
    """The row of strategies in use."""
    row = f"strategies.{run.params['strategy']}."
    return {
        key.removeprefix(row): value for key, value in run.params.items() if key.startswith(row)
    }


def _of(run: Run, runs: Sequence[Run]) -> str:
    return f"In {run.name}, " if len(runs) > 1 else ""
