"""Recommendations: what to do next, derived from a run's metrics by fixed rules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ballast.core.counts import train_counts
from ballast.core.params import EXACT_BACKBONE
from ballast.core.paths import LABEL_ISSUES
from ballast.scores.explanations import (
    Explanations,
    LabelIssue,
    Mark,
    Shortcut,
)
from ballast.scores.history import chosen_epoch
from ballast.scores.intervals import proportion
from ballast.scores.judged import confusion_counts, judged_photographs
from ballast.scores.run import Run
from ballast.scores.sentences import listed, photographs, typeset
from ballast.scores.shares import percent

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

LOGIT_ADJUSTMENT = "logit adjustment"
# Commands to run next; RUN after the photographs have changed.
RUN, COMPARE, CROSS_VALIDATE = "make", "make compare", "make cross-validate"
COMPARED_BY_DEFAULT = ("baseline", "balanced")  # STRATEGIES of the Makefile
NOTHING = Explanations()

Worse = Mapping[str, Sequence[str]]  # classes whose recall is significantly lower, by run


class Recommendation(NamedTuple):
    """What to do and why, and the name of the rule behind it."""

    rule: str
    text: str
    action: str  # the command to run next, or the param to set in params.yaml


def recommendations(
    runs: Sequence[Run],
    worse: Worse,
    *,
    compared: bool = True,
    explained: Explanations = NOTHING,
) -> list[Recommendation]:
    """Derive recommendations from one run, or from several runs that are compared.

    - not_compared: there is no other strategy to tell whether balancing helped.
    - shortcut: a place in the photographs decides a class by itself.
    - mark: a spot has one colour in all photographs of a class, and in no others.
    - few_training_images: a class has fewer than 10 training photographs.
    - doubtful_labels: models that had not seen a photograph take it for another class.
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
    - largest_confusion: the pair of classes that lowers balanced accuracy most, of those that
      concern at least a tenth of the true class's test photographs, and at least two.
    - held_back: cross-validation judged the strategy, but the saved model did not train on all
      photographs.

    Args:
        runs: one run; or several on the same test photographs, the reference first. The rules on
            training and confusion then skip the reference.
        worse: classes whose recall is significantly lower than the reference's, by run.
        compared: whether another strategy judged the same photographs.
        explained: what the stage explain found of a single run.

    Returns:
        Recommendations in the order of the rules, then of runs and classes.
    """
    judged = runs[1:] or runs
    advice = [] if compared else [_not_compared(runs[0])]
    advice += [*_shortcuts(explained.shortcuts), *_marks(explained.marks)]
    advice += [*_few_training_images(runs), *_doubtful_labels(explained.label_issues)]
    advice += _small_test_set(runs[0])
    for rule in (_overfitting, _corrects_twice):
        advice += [one for run in judged for one in rule(run, _of(run, runs))]
    advice += _worse_class(runs, worse)
    advice += [one for run in judged for one in _largest_confusion(run, _of(run, runs))]
    advice += _held_back(runs[0]) if len(runs) == 1 else ()
    return [advised._replace(text=typeset(advised.text)) for advised in advice]


def then(action: str) -> str:
    """What to put before an action: a run comes after the change of photographs."""
    return "then " if action == RUN else ""


def action_text(action: str) -> str:
    """An action as people read it on a terminal."""
    return f"{then(action)}{action}"


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


def _not_compared(run: Run) -> Recommendation:
    plain, balanced = COMPARED_BY_DEFAULT
    reference = run.params.get("cross_validation.reference", plain)
    other = next(name for name in (run.params["strategy"], balanced, plain) if name != reference)
    usual = (reference, other) == COMPARED_BY_DEFAULT
    return Recommendation(
        "not_compared",
        "Did balancing help? To find out, train without it and with it, and compare the two.",
        COMPARE if usual else f'{COMPARE} STRATEGIES="{reference} {other}"',
    )


def _shortcuts(found: Sequence[Shortcut]) -> Iterator[Recommendation]:
    for shortcut in found:
        yield Recommendation(
            "shortcut",
            f"{shortcut.share:.0%} of the evidence for {shortcut.class_} lies in the"
            f" {shortcut.place} of the photographs: pasted into {photographs(shortcut.pasted)} of"
            f" other classes, that part turned {shortcut.turned} of them into {shortcut.class_}. If"
            " there is something that only the photographs of one class have, such as a time stamp"
            " or a frame, cut it off; otherwise the model fails where it is missing.",
            RUN,
        )


def _marks(found: Sequence[Mark]) -> Iterator[Recommendation]:
    for mark in found:
        yield Recommendation(
            "mark",
            f"All {mark.photographs} photographs of {mark.class_} that were looked at have a spot"
            f" of one colour ({mark.colour}) {where(mark.place)}, and no others do: a mark"
            " that tells the class without its subject. Cut that part off, or cover it, in the"
            " photographs of all classes; otherwise the model may fail where the mark is missing.",
            RUN,
        )


def where(place: str) -> str:
    """A place as in "at the top left"."""
    return f"{'in' if place == 'middle' else 'at'} the {place}"


def _doubtful_labels(issues: Sequence[LabelIssue]) -> Iterator[Recommendation]:
    if issues:
        named = listed([f"{one.path} (rather {one.suggested})" for one in issues])
        which = "Check the label" if len(issues) == 1 else f"Check {len(issues)} labels"
        yield Recommendation(
            "doubtful_labels",
            f"{which}: models that had not seen the photograph take it for another class: {named}."
            f" {LABEL_ISSUES.as_posix()} lists all. Some will be right; correct the others.",
            RUN,
        )


def _few_training_images(runs: Sequence[Run]) -> Iterator[Recommendation]:
    fewest: dict[str, int] = {}
    for run in runs:
        for name, n in train_counts(run.counts).items():
            fewest[name] = min(n, fewest.get(name, n))
    few = {name: n for name, n in fewest.items() if n < TRAIN_PHOTOGRAPHS}
    if not few:
        return
    who = f"{len(few)} classes have too few photographs for training ({_listed(few)})"
    if len(few) == 1:
        name, n = next(iter(few.items()))
        who = f"{name} has only {photographs(n)} for training, too few"
    yield Recommendation(
        "few_training_images",
        f"{who} to represent {'the' if len(few) == 1 else 'a'} class with any balancing. Collect at"
        f" least {TRAIN_PHOTOGRAPHS} to train on.",
        RUN,
    )


def _small_test_set(run: Run) -> Iterator[Recommendation]:
    judged = judged_photographs(run.judged)
    small = {name: n for name, n in judged.items() if n < TEST_PHOTOGRAPHS}
    if small:
        more = "Collect more photographs."
        if not run.cross_validated:
            more = "Add test photographs, or cross-validate to test every photograph."
        yield Recommendation(
            "small_test_set",
            f"Too few photographs were judged ({_listed(small)}): with fewer than"
            f" {TEST_PHOTOGRAPHS} per class, the interval of a recall can be 30 points wide or"
            f" more. {more}",
            RUN if run.cross_validated else CROSS_VALIDATE,
        )


def _overfitting(run: Run, in_run: str) -> Iterator[Recommendation]:
    if "val_accuracy" not in run.history:
        return
    epoch = chosen_epoch(run.history, run.min_epochs) - 1
    train, val = (run.history[key][epoch] for key in ("accuracy", "val_accuracy"))
    validated = sum(subsets["val"] for subsets in run.counts.values())
    highest = proportion(round(val * validated), validated).high
    assert highest is not None
    learned = validated >= VAL_PHOTOGRAPHS and train >= LEARNED
    if learned and train - val > ACCURACY_GAP and train > highest:
        tuned = run.params.get("train.fine_tune_epochs")
        yield Recommendation(
            "overfitting",
            f"Overfitting{in_run}: accuracy is {percent(train)}% on the training images and"
            f" {percent(val)}% on the validation photographs. Add photographs, strengthen the"
            " augmentation, or train no more than a head on the features of a frozen backbone.",
            "train.fine_tune_epochs: 0" if tuned else f"train.backbone: {EXACT_BACKBONE}",
        )


def _corrects_twice(run: Run, in_run: str) -> Iterator[Recommendation]:
    methods, n_by_class = _methods(run), train_counts(run.counts)
    most = max(n_by_class.values())
    excess = {name: factor * n_by_class[name] / most for name, factor in emphasis(run).items()}
    name = max(excess, key=lambda name: excess[name])
    if len(methods) > 1 and excess[name] > EMPHASIS:
        yield Recommendation(
            "corrects_twice",
            f"Double correction{in_run}: with {' and '.join(methods)}, {name} counts"
            f" {excess[name]:.1f} times as much as the largest class. Use only one of these"
            " methods, or lower weight_power.",
            _one_method(run),
        )


def _worse_class(runs: Sequence[Run], worse: Worse) -> Iterator[Recommendation]:
    for run in runs[1:]:
        for name in worse.get(run.name, ()):
            before, after = (run_.metrics.recall[name].value for run_ in (runs[0], run))
            remedy, action = _remedy(runs[0], run, name)
            yield Recommendation(
                "worse_class",
                f"{run.name} has a significantly lower recall for {name} than {runs[0].name}:"
                f" {percent(after)}% against {percent(before)}%. {remedy}",
                action,
            )


def _remedy(reference: Run, this: Run, name: str) -> tuple[str, str]:
    """What to do about a class that `this` recognises less often than the reference; the action."""
    n_by_class = train_counts(this.counts)
    unbalanced = n_by_class[name] / sum(n_by_class.values())
    before, after = (loss_share(run, name) for run in (reference, this))
    if after < min(unbalanced, before):
        used, row, strategy = _methods(this), _row(this), _strategy(this)
        if len(used) > 1:
            less, action = f"use only one of {' and '.join(used)}", _one_method(this)
        elif strategy["class_weights"] is not None:
            less = "lower weight_power"
            action = f"{row}.weight_power: {strategy.get('weight_power', 1) / 2:g}"
        else:
            less = "use class_weights: balanced with a weight_power below 1 instead"
            method = "oversample" if strategy["oversample"] else "balanced_batches"
            action = (
                f"{row}.{method}: false, {row}.class_weights: balanced, {row}.weight_power: 0.5"
            )
        return f"Balance less: {less}; or add photographs of {name}.", action
    if after < before:
        return (
            f"Balance as {reference.name} does, or add photographs of {name}.",
            f"strategy: {reference.params['strategy']}",
        )
    return f"Add photographs of {name}.", RUN


def _one_method(run: Run) -> str:
    """The param that leaves a strategy of several methods with one method less."""
    if _strategy(run)["class_weights"] is not None:
        return f"{_row(run)}.class_weights: null"
    return f"{_row(run)}.balanced_batches: false"


def loss_share(run: Run, name: str) -> float:
    """The share of a class in the training loss; 1 / k if all k classes count alike."""
    n_by_class = train_counts(run.counts)
    weighted = {class_: n_by_class[class_] * factor for class_, factor in emphasis(run).items()}
    return weighted[name] / sum(weighted.values())


def _largest_confusion(run: Run, in_run: str) -> Iterator[Recommendation]:
    trainings, names = len(run.judged.predicted), run.judged.classes
    counts = confusion_counts(run.judged)
    tested = counts.sum(axis=1) // trainings
    np.fill_diagonal(counts, 0)
    # Classes count equally in balanced accuracy, so a pair costs its share of the true class.
    shares = counts / trainings / np.maximum(tested, 1)[:, None]
    enough = (counts >= CONFUSED_PHOTOGRAPHS * trainings) & (shares >= CONFUSED)
    if not enough.any():
        return
    true, guess = np.unravel_index(np.where(enough, shares, 0).argmax(), shares.shape)
    on_average = " on average" if trainings > 1 else ""
    yield Recommendation(
        "largest_confusion",
        f"Largest confusion{in_run}, as a share of its class: {names[true]} misclassified as"
        f" {names[guess]}, {counts[true, guess] / trainings:.3g} of"
        f" {photographs(int(tested[true]))}{on_average}."
        " Check the labels of those photographs, or add training photographs that show the"
        " difference.",
        RUN,
    )


def _held_back(run: Run) -> Iterator[Recommendation]:
    tested = sum(subsets["test"] for subsets in run.counts.values())
    if run.cross_validated and tested:
        yield Recommendation(
            "held_back",
            f"The saved model has not trained on {photographs(tested)}, its test set. As"
            " cross-validation tells how good models like it are, it may train on all; then it"
            " knows every photograph of yours, so try it on new ones.",
            "split.fold: null",
        )


def balancing_methods(params: Mapping[str, Any], strategy: str) -> list[str]:
    """The methods by which a strategy balances the classes; none for the baseline.

    Args:
        params: with dotted keys.
        strategy: the strategy's name.
    """
    row = _strategy_params(params, strategy)
    used = {
        "oversampling": row["oversample"],
        "balanced batches": row["balanced_batches"],
        "class weights": row["class_weights"] is not None,
        LOGIT_ADJUSTMENT: row.get("logit_adjustment"),
    }
    return [name for name, is_used in used.items() if is_used]


def _methods(run: Run) -> list[str]:
    """The methods that the strategy of a run uses, besides logit adjustment."""
    used = balancing_methods(run.params, run.params["strategy"])
    return [name for name in used if name != LOGIT_ADJUSTMENT]


def _strategy(run: Run) -> dict[str, Any]:
    """Params of the strategy in use."""
    return _strategy_params(run.params, run.params["strategy"])


def _strategy_params(params: Mapping[str, Any], strategy: str) -> dict[str, Any]:
    row = f"strategies.{strategy}."
    return {key.removeprefix(row): value for key, value in params.items() if key.startswith(row)}


def _row(run: Run) -> str:
    """The key of the strategy in use."""
    return f"strategies.{run.params['strategy']}"


def _listed(n_by_class: Mapping[str, int]) -> str:
    """Classes with their numbers, those with the fewest first."""
    ordered = sorted(n_by_class.items(), key=lambda item: item[1])
    return listed([f"{name} {n}" for name, n in ordered])


def _of(run: Run, runs: Sequence[Run]) -> str:
    return f" in {run.name}" if len(runs) > 1 else ""
