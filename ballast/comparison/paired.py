"""Whether one run is better than another, on the same test photographs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest, norm

from ballast.comparison.checks import different_params
from ballast.scores.advice import recommendations
from ballast.scores.intervals import (
    CLASS_METRICS,
    CONFIDENCE,
    DRAWS,
    LARGEST,
    PRIOR,
    UNDEFINED,
    Drawn,
    Interval,
    as_json,
    central,
    draw_counts,
    figures,
)
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run

CHANCE = 0.05  # a difference that chance alone makes more often than so is none
POWER = 0.8  # with which a difference is to be found
# Of fewer photographs that only one of two runs recognises, no outcome has a p value below CHANCE.
FEWEST_DISCORDANT = 6


class Outcome(NamedTuple):
    """Photographs that only one of two runs recognised, and how likely chance alone is as uneven.

    McNemar's exact test (1947): the binomial test that both kinds are as likely.
    """

    only_reference_right: int
    only_this_right: int
    p_value: float
    p_value_holm: float  # for all p values of its kind in one comparison (Holm 1979)


def compare(runs: Sequence[Run], seed: int, draws: int = DRAWS) -> dict[str, Any]:
    """Compare runs with the first of them.

    The intervals of the differences are bootstrapped as those of metric_intervals are, from the
    photographs of a class that both runs judged alike or not (see draw_pair); each holds for
    itself. A verdict on a class goes by McNemar's test of its recall, its p value corrected for
    all classes and runs; the one overall by the interval of the balanced accuracy, with a
    confidence of 1 - 0.05 / (runs compared with the reference), and by McNemar's test on all
    photographs, corrected for the runs.

    Args:
        runs: two or more, of the same test photographs, the reference first.
        seed: of the draws.
        draws: of the bootstrap.

    Returns:
        reference, test_photographs, revisions, different_params, differences, recommendations;
        docs/comparing.md has the shape.
    """
    reference, *others = runs
    classes = reference.predictions.classes
    overall = _tested({run.name: (reference, run, None) for run in others})
    by_class = _tested(
        {(run.name, name): (reference, run, name) for run in others for name in classes}
    )
    differences = {
        run.name: _difference(
            reference,
            run,
            overall[run.name],
            {name: by_class[run.name, name] for name in classes},
            1 - CHANCE / len(others),
            np.random.default_rng(seed),
            draws,
        )
        for run in others
    }
    return {
        "reference": reference.name,
        "test_photographs": {name: reference.predictions.true.count(name) for name in classes},
        "revisions": {
            run.name: {
                "params": dict(run.params),
                "train_photographs": {name: counts["train"] for name, counts in run.counts.items()},
                "metrics": run.metrics,
            }
            for run in runs
        },
        "different_params": different_params({run.name: run.params for run in runs}),
        "differences": differences,
        "recommendations": [advice._asdict() for advice in recommendations(runs, differences)],
    }


def discordant(reference: Predictions, this: Predictions, class_: str | None) -> tuple[int, int]:
    """Photographs that only the reference recognised, and that only the other did.

    Args:
        reference: of the same photographs, in any order.
        this: to compare with it.
        class_: of these photographs alone; None for all.
    """
    guesses = dict(zip(this.paths, this.predicted, strict=True))
    counts = [0, 0]
    for path, true, guess in zip(reference.paths, reference.true, reference.predicted, strict=True):
        if class_ in (None, true) and (guess == true) != (guesses[path] == true):
            counts[guesses[path] == true] += 1
    return counts[0], counts[1]


def mcnemar(only_reference: int, only_this: int) -> float:
    """P value of McNemar's exact test, two-sided; 1 where no photograph is judged differently."""
    both = only_reference + only_this
    return float(binomtest(only_this, both).pvalue) if both else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for their number (Holm 1979).

    Those below 0.05 then hold one false claim or more in at most 5 % of cases.
    """
    corrected, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def photographs_that_would_tell(
    only_reference: int, only_this: int, photographs: int
) -> int | None:
    """How many test photographs would show a difference like the one that was seen.

    For McNemar's test, two-sided at 5 %, to find it in 80 % of cases (Connor 1987, Biometrics 43,
    207-211, eq. 3): (z(0.975) √s + z(0.8) √(s - d²))² / d², where s is the share of photographs
    that only one run recognised, and d the difference of the two recalls. At least as many as give
    6 such photographs, which the exact test needs, and more than there are.

    Args:
        only_reference: photographs that only the reference recognised.
        only_this: photographs that only the other recognised.
        photographs: of the class, 1 or more.

    Returns:
        None where no difference was seen.
    """
    share = (only_reference + only_this) / photographs
    difference = (only_this - only_reference) / photographs
    if not difference:
        return None
    z_chance, z_power = norm.isf(CHANCE / 2), norm.isf(1 - POWER)
    root = z_chance * math.sqrt(share) + z_power * math.sqrt(max(share - difference**2, 0))
    least = max(photographs + 1, math.ceil(FEWEST_DISCORDANT / share))
    return max(math.ceil(float(root) ** 2 / difference**2), least)


def draw_pair(
    reference: Predictions, this: Predictions, generator: np.random.Generator, draws: int
) -> tuple[Drawn, Drawn]:
    """Draw the test photographs of two runs together.

    What is drawn is how many photographs of a class fall on each pair of predictions. The prior
    adds a third of a photograph that only the reference recognised, and a third that only the
    other did, so that each run alone has the prior of metric_intervals. At 40 photographs a class
    the intervals of all differences held the truth in 0.90 to 1.00 of cases, those of the plain
    bootstrap in 0.49 to 1.00: where two runs agree on every photograph it gives no width.

    Args:
        reference: of the same photographs, in any order.
        this: to compare with it.
        generator: of the draws.
        draws: how many, at most.
    """
    classes, k = reference.classes, len(reference.classes)
    index = {name: place for place, name in enumerate(classes)}
    true = np.array([index[name] for name in reference.true])
    guesses = dict(zip(this.paths, this.predicted, strict=True))
    pairs = np.array(
        [
            (index[guess], index[guesses[path]])
            for path, guess in zip(reference.paths, reference.predicted, strict=True)
        ]
    )
    draws = int(min(draws, LARGEST // (2 * k**2)))
    tested, photos = np.unique(true, return_counts=True)
    right, predicted = np.zeros((2, draws, k)), np.zeros((2, draws, k))
    for class_ in tested:
        counts, prior = np.zeros((k, k), np.int64), np.zeros((k, k))
        np.add.at(counts, tuple(pairs[true == class_].T), 1)
        prior[class_, :] = prior[:, class_] = PRIOR / max(k - 1, 1)
        prior[class_, class_] = 0
        cells = np.nonzero(counts + prior)
        drawn = draw_counts(counts[cells], prior[cells], generator, draws)
        for run, guess in enumerate(cells):
            by_guess = drawn @ np.eye(k)[guess]
            right[run, :, class_] = by_guess[:, class_]
            predicted[run] += by_guess
    first, second = (
        Drawn(photos.astype(float), right[run][:, tested], predicted[run][:, tested])
        for run in range(2)
    )
    return first, second


def difference_intervals(
    reference: Mapping[str, Any],
    this: Mapping[str, Any],
    drawn: tuple[Drawn, Drawn],
    confidence: float = CONFIDENCE,
) -> dict[str, Any]:
    """Intervals of the differences of all metrics, in the shape of metric_intervals.

    Args:
        reference: metrics of a run, each {"value", "low", "high"}.
        this: those of the run to compare with it.
        drawn: as draw_pair returns it.
        confidence: of each interval.
    """
    first, second = map(figures, drawn)
    tested = [name for name, recall in reference["recall"].items() if recall["value"] is not None]

    def interval(name: str, class_: str | None = None) -> Interval:
        before, after, draws = reference[name], this[name], second[name] - first[name]
        if class_ is not None:
            if class_ not in tested:
                return UNDEFINED
            before, after = before[class_], after[class_]
            draws = draws[:, tested.index(class_)]
        return central(after["value"] - before["value"], draws, confidence)

    return {
        name: {class_: interval(name, class_) for class_ in reference["recall"]}
        if name in CLASS_METRICS
        else interval(name)
        for name in reference
    }


def _difference(
    reference: Run,
    this: Run,
    overall: Outcome,
    by_class: Mapping[str, Outcome],
    confidence: float,
    generator: np.random.Generator,
    draws: int,
) -> dict[str, Any]:
    """What compare says of one run."""
    drawn = draw_pair(reference.predictions, this.predictions, generator, draws)
    photographs = {name: reference.predictions.true.count(name) for name in by_class}
    would_tell = {
        name: photographs_that_would_tell(*outcome[:2], photographs[name])
        if photographs[name] and outcome.p_value_holm >= CHANCE
        else None
        for name, outcome in by_class.items()
    }
    metrics = reference.metrics, this.metrics
    strict = difference_intervals(*metrics, drawn, confidence)["balanced_accuracy"]
    return {
        "metrics": as_json(difference_intervals(*metrics, drawn)),
        "mcnemar": overall._asdict(),
        "mcnemar_by_class": {name: outcome._asdict() for name, outcome in by_class.items()},
        "verdict": overall_verdict(reference, this, strict, confidence, overall),
        "verdicts": {
            name: class_verdict(reference, this, name, photographs[name], outcome, would_tell[name])
            for name, outcome in by_class.items()
        },
        "photographs_that_would_tell": would_tell,
    }


def overall_verdict(
    reference: Run, this: Run, balanced: Interval, confidence: float, outcome: Outcome
) -> str:
    """Say in one sentence which run is better, or that nobody can tell.

    Args:
        reference: the run compared with.
        this: the other.
        balanced: the difference of their balanced accuracies.
        confidence: of that interval.
        outcome: McNemar's test on all photographs.
    """
    assert balanced.value is not None
    assert balanced.low is not None
    assert balanced.high is not None
    accuracy = _both(reference, this, "accuracy")
    range_ = (
        f"difference {100 * balanced.value:+.0f} points, {100 * confidence:.3g} % interval"
        f" {100 * balanced.low:+.0f} to {100 * balanced.high:+.0f}"
    )
    balanced_told = balanced.low > 0 or balanced.high < 0
    accuracy_told = outcome.p_value_holm < CHANCE
    up = outcome.only_this_right > outcome.only_reference_right
    if balanced_told:
        sentence = (
            f"{this.name} is {'better' if balanced.value > 0 else 'worse'} than {reference.name}:"
            f" balanced accuracy {_both(reference, this, 'balanced_accuracy')} ({range_})"
        )
        if accuracy_told and up != (balanced.value > 0):
            sentence += f", but its accuracy is {'higher' if up else 'lower'}, {accuracy}"
    elif accuracy_told:
        sentence = (
            f"{this.name} recognises {'more' if up else 'fewer'} of the test photographs than"
            f" {reference.name}, {accuracy} (McNemar's p = {outcome.p_value_holm:.2g}), but no"
            f" difference in balanced accuracy can be told apart from chance ({range_})"
        )
    else:
        sentence = (
            f"No difference between {this.name} and {reference.name} can be told apart from chance"
            f" with this many images, {len(this.predictions.true)}: balanced accuracy"
            f" {_both(reference, this, 'balanced_accuracy')} ({range_})"
        )
    return _typeset(f"{sentence}.")


def class_verdict(
    reference: Run, this: Run, class_: str, photographs: int, outcome: Outcome, enough: int | None
) -> str:
    """Say in one sentence which run recognises a class better, or that nobody can tell.

    Args:
        reference: the run compared with.
        this: the other.
        class_: its name.
        photographs: to test on, of this class.
        outcome: McNemar's test on them.
        enough: photographs that would tell, where that is known.
    """
    if not photographs:
        return "No photograph to test on."
    if outcome.p_value_holm < CHANCE:
        better = outcome.only_this_right > outcome.only_reference_right
        return _typeset(
            f"{this.name} recognises it {'more' if better else 'less'} often than"
            f" {reference.name}, {_both(reference, this, 'recall', class_)}"
            f" (McNemar's p = {outcome.p_value_holm:.2g})."
        )
    seen = (
        f"; about {enough} test photographs of it would tell" if enough else ", and none was seen"
    )
    return (
        f"No difference between {this.name} and {reference.name} can be told apart from chance with"
        f" this many images, {photographs}{seen}."
    )


def _tested(pairs: Mapping[Any, tuple[Run, Run, str | None]]) -> dict[Any, Outcome]:
    counts = {
        key: discordant(reference.predictions, this.predictions, class_)
        for key, (reference, this, class_) in pairs.items()
    }
    p_values = [mcnemar(*found) for found in counts.values()]
    return {
        key: Outcome(*found, p_value, corrected)
        for (key, found), p_value, corrected in zip(
            counts.items(), p_values, holm(p_values), strict=True
        )
    }


def _both(reference: Run, this: Run, metric: str, class_: str | None = None) -> str:
    values = [run.metrics[metric] for run in (this, reference)]
    shares = [(value if class_ is None else value[class_])["value"] for value in values]
    return f"{shares[0]:.0%} against {shares[1]:.0%}"


def _typeset(sentence: str) -> str:
    return sentence.replace(" %", "%").replace("%", "\N{NO-BREAK SPACE}%")
