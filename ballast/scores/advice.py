"""Recommendations: what to do next, derived from a run's metrics by fixed rules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ballast.core.counts import train_counts
from ballast.scores.history import chosen_epoch
from ballast.scores.intervals import proportion
from ballast.scores.judged import confusion_counts, judged_photographs
from ballast.scores.run import Run
from ballast.scores.sentences import photographs, typeset

TRAIN_PHOTOGRAPHS = 10
# With 40 photographs the interval of a recall is at most 0.3 wide; with 10, 0.53.
TEST_PHOTOGRAPHS = 40
ACCURACY_GAP = 0.2
# A network that has not learned its training images cannot know them by heart; and one of a single
# validation photograph says nothing.
LEARNED, VAL_PHOTOGRAPHS = 0.8, 10
# Methods overcorrect if together they weight a class by more than this, relative to the largest.
EMPHASIS = 1.5
# Minimum share and number of a class's test photographs that are misclassified as one other class.
CONFUSED, CONFUSED_PHOTOGRAPHS = 0.1, 2


Worse = Mapping[str, Sequence[str]]  # classes whose recall is significantly lower, by run


class Recommendation(NamedTuple):
    """What to do, and the name of the rule behind it."""

    rule: str
    text: str


def recommendations(runs: Sequence[Run], worse: Worse) -> list[Recommendation]:
    """Derive recommendations from one run, or from several runs that are compared.

    - few_training_images: a class has fewer than 10 training photographs.
    - small_test_set: fewer than 40 photographs of a class were judged, so the interval of its
      recall can be 0.3 wide or more.
    - overfitting: at the chosen epoch, training accuracy is 0.8 or more, and exceeds both the
      validation accuracy by more than 0.2 and the upper bound of its interval, from at least ten
      validation photographs.
    - corrects_twice: two or more methods together make a class count more than 1.5 times as much
      in the loss as the class with the most photographs; see emphasis.
    - worse_class: the recall of a class is significantly lower than the reference's. What to do
      follows from the class's share of the loss: balancing has lowered it, or the reference raises
      it more.
    - costliest_confusion: the pair of classes that lowers balanced accuracy most, if it concerns at
      least a tenth of the true class's test photographs, and at least two.

    Args:
        runs: one run; or several on the same test photographs, the reference first. The rules on
            training and confusion then skip the reference.
        worse: classes whose recall is significantly lower than the reference's, by run.

    Returns:
        Recommendations in the order of the rules, then of runs and classes.
    """
    judged = runs[1:] or runs
    advice = [*_few_training_images(runs), *_small_test_set(runs[0])]
    for rule in (_overfitting, _corrects_twice):
        advice += [found for run in judged for found in rule(run, _of(run, runs))]
    advice += _worse_class(runs, worse)
    advice += [found for run in judged for found in _costliest_confusion(run, _of(run, runs))]
    return [Recommendation(rule, typeset(text)) for rule, text in advice]


def emphasis(run: Run) -> dict[str, float]:
    """How much more each photograph counts in training than it would without balancing.

    A class's emphasis is its sampling ratio (from oversampling or balanced batches) times its class
    weight, both relative to the class with the most photographs. The two classes count alike in the
    loss if the emphasis equals the ratio of their numbers of photographs. Logit adjustment is left
    out: it corrects only the imbalance that the other methods leave.

    Returns:
        Emphasis by class name; 1 for the class with the most photographs.
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
                f"{name} has only {photographs(n)} for training, too few to represent the class"
                f" with any balancing. Collect at least {TRAIN_PHOTOGRAPHS} to train on.",
            )


def _small_test_set(run: Run) -> Iterator[tuple[str, str]]:
    judged = judged_photographs(run.judged)
    small = {name: n for name, n in judged.items() if n < TEST_PHOTOGRAPHS}
    if small:
        listed = ", ".join(f"{name} {n}" for name, n in small.items())
        more = (
            "Collect more photographs."
            if run.cross_validated
            else "Add test photographs, or cross-validate to test every photograph."
        )
        yield (
            "small_test_set",
            f"Too few photographs were judged ({listed}): with fewer than {TEST_PHOTOGRAPHS} per"
            f" class, the interval of a recall can be 30 points wide or more. {more}",
        )


def _overfitting(run: Run, where: str) -> Iterator[tuple[str, str]]:
    if "val_accuracy" not in run.history:
        return
    epoch = chosen_epoch(run.history, run.min_epochs) - 1
    train, val = (run.history[key][epoch] for key in ("accuracy", "val_accuracy"))
    validated = sum(subsets["val"] for subsets in run.counts.values())
    highest = proportion(round(val * validated), validated).high
    assert highest is not None
    learned = validated >= VAL_PHOTOGRAPHS and train >= LEARNED
    if learned and train - val > ACCURACY_GAP and train > highest:
        yield (
            "overfitting",
            f"Overfitting{where}: accuracy is {train:.0%} on the training images and {val:.0%} on"
            " the validation photographs. Add photographs, or strengthen the augmentation (augment"
            " in params.yaml).",
        )


def _corrects_twice(run: Run, where: str) -> Iterator[tuple[str, str]]:
    methods, n_by_class = _methods(run), train_counts(run.counts)
    most = max(n_by_class.values())
    excess = {name: factor * n_by_class[name] / most for name, factor in emphasis(run).items()}
    name = max(excess, key=lambda name: excess[name])
    if len(methods) > 1 and excess[name] > EMPHASIS:
        yield (
            "corrects_twice",
            f"Double correction{where}: with {' and '.join(methods)}, {name} counts"
            f" {excess[name]:.1f} times as much as the largest class. Use only one of these"
            " methods, or lower weight_power.",
        )


def _worse_class(runs: Sequence[Run], worse: Worse) -> Iterator[tuple[str, str]]:
    for run in runs[1:]:
        for name in worse.get(run.name, ()):
            before, after = (run_.metrics.recall[name].value for run_ in (runs[0], run))
            yield (
                "worse_class",
                f"{run.name} has a significantly lower recall for {name} than {runs[0].name}:"
                f" {after:.0%} against {before:.0%}. {_remedy(runs[0], run, name)}",
            )


def _remedy(reference: Run, this: Run, name: str) -> str:
    """What to do about a class that `this` recognises less often than the reference."""
    n_by_class = train_counts(this.counts)
    unbalanced = n_by_class[name] / sum(n_by_class.values())
    before, after = (loss_share(run, name) for run in (reference, this))
    if after < min(unbalanced, before):
        used = _methods(this)
        if len(used) > 1:
            less = f"use only one of {' and '.join(used)}"
        elif _strategy(this)["class_weights"] is not None:
            less = "lower weight_power"
        else:
            less = "use class_weights: balanced with a weight_power below 1 instead"
        return f"Balance less: {less}; or add photographs of {name}."
    if after < before:
        return f"Balance as {reference.name} does, or add photographs of {name}."
    return f"Add photographs of {name}."


def loss_share(run: Run, name: str) -> float:
    """The share of a class in the training loss; 1 / k if all k classes count alike."""
    n_by_class = train_counts(run.counts)
    weighted = {class_: n_by_class[class_] * factor for class_, factor in emphasis(run).items()}
    return weighted[name] / sum(weighted.values())


def _costliest_confusion(run: Run, where: str) -> Iterator[tuple[str, str]]:
    trainings, names = len(run.judged.predicted), run.judged.classes
    counts = confusion_counts(run.judged)
    tested = counts.sum(axis=1) // trainings
    np.fill_diagonal(counts, 0)
    # Classes count equally in balanced accuracy, so a pair costs its share of the true class.
    shares = counts / np.maximum(tested, 1)[:, None]
    true, guess = np.unravel_index(shares.argmax(), shares.shape)
    n, of = counts[true, guess] / trainings, int(tested[true])
    if n >= CONFUSED_PHOTOGRAPHS and n / of >= CONFUSED:
        on_average = " on average" if trainings > 1 else ""
        yield (
            "costliest_confusion",
            f"Costliest confusion{where}: {names[true]} misclassified as {names[guess]}, {n:.3g} of"
            f" {photographs(of)}{on_average}. Check the labels of those photographs, or add"
            " training photographs that show the difference.",
        )


def _methods(run: Run) -> list[str]:
    """The methods that the strategy of a run uses, besides logit adjustment."""
    row = _strategy(run)
    used = {
        "oversampling": row["oversample"],
        "balanced batches": row["balanced_batches"],
        "class weights": row["class_weights"] is not None,
    }
    return [name for name, is_used in used.items() if is_used]


def _strategy(run: Run) -> dict[str, Any]:
    """Params of the strategy in use."""
    row = f"strategies.{run.params['strategy']}."
    return {
        key.removeprefix(row): value for key, value in run.params.items() if key.startswith(row)
    }


def _of(run: Run, runs: Sequence[Run]) -> str:
    return f" in {run.name}" if len(runs) > 1 else ""
