"""What may be said of a run and of differences, in sentences of three kinds.

Significant, a hint, not significant: contrasts.decide chooses among them by the intervals that the
sentences name, so words and numbers agree.
"""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from ballast.comparison.contrasts import (
    FEWEST_DISCORDANT,
    Contrast,
    Contrasts,
    Decision,
    Needed,
    are_enough,
    contrasts,
    excludes_zero,
)
from ballast.core.errors import counted
from ballast.scores.intervals import Interval
from ballast.scores.judged import independent_groups
from ballast.scores.run import Arm, Run
from ballast.scores.sentences import listed, one_line_text, photographs, range_text, typeset
from ballast.scores.shares import EXACT_DIGITS, percent, rounded

LEVEL = "5% level"
LEAST_P = 0.0001  # the smallest p value that is named


def run_verdict(run: Run) -> str:
    """Summarise the accuracy of a run and its weakest class.

    It is compared with always predicting the class with the most training photographs, by the same
    method as another strategy would be.
    """
    judged, accuracy = run.judged, run.metrics.accuracy
    # Of equally frequent classes, the last by name.
    largest = max(run.counts, key=lambda name: (run.counts[name]["train"], name))
    place = judged.classes.index(largest)
    constant = judged._replace(predicted=np.full_like(judged.predicted, place))
    found = contrasts(constant, judged).accuracy
    share = float(np.mean(judged.true == place))
    assert found.interval.value is not None
    more = "more" if found.interval.value > 0 else "less"
    constantly = f"the {percent(share)}% of always predicting {largest}"
    against = {
        Decision.SIGNIFICANT: f"significantly {more} than {constantly}",
        Decision.HINT: f"a hint of {more} than {constantly}, but not significant",
        Decision.NONE: f"not significantly different from {constantly}",
    }[found.decision]
    sentence = (
        f"{basis(run)} {percent(accuracy.value)}% of {judged_text(run)} are classified correctly"
        f" (95% interval {range_text(accuracy)}), {against} ({LEVEL}); {_weakest(run)}."
    )
    return typeset(sentence.strip())


def saved_model_text(run: Run) -> str:
    """Say that the saved model is worse than the models that judged, if chance is no reason.

    The reason is chance if the interval of its own accuracy, on its test set, holds their mean.
    """
    own, mean = run.saved_accuracy, run.metrics.accuracy.value
    if own is None or own.high is None or mean is None or own.high >= mean:
        return ""
    return typeset(
        f"The saved model alone classifies {percent(own.value)}% of its test photographs correctly"
        f" (95% interval {range_text(own)}): worse than the mean of these models, {percent(mean)}%,"
        " by more than chance explains. With few photographs, models differ: do not rely on this"
        " one before other photographs have tested it."
    )


def basis(run: Run | Arm) -> str:
    """What a run's figures are an average of; empty for those of a single model."""
    trainings = len(run.judged.predicted)
    if trainings == 1:
        return ""
    what = "cross-validations" if run.cross_validated else "models trained alike"
    return f"On average over {trainings} {what},"


def judged_text(run: Run | Arm) -> str:
    """The photographs that a run judged, as in "the 40 test photographs"."""
    true, independent = run.judged.true, independent_groups(run.judged)
    n, every_class = len(true), len({*true.tolist()}) == len(run.judged.classes)
    if not run.cross_validated:
        said = f"the {counted(n, 'test photograph')}"
    elif every_class:
        said = f"all {photographs(n)}"
    else:  # a class with a single group is never judged
        said = f"the {counted(n, 'judged photograph')}"
    groups = counted(independent, "independent group")
    return f"{said} in {groups}" if independent < n else said


def overall_verdict(
    reference: Run | Arm, this: Run | Arm, found: Contrasts, strategies: int
) -> str:
    """State which of two runs is better overall, if that may be said.

    Args:
        reference: the reference.
        this: the run compared with it.
        found: their contrasts.
        strategies: number of strategies compared with the reference.
    """
    names = _names(this, reference)
    looked = f", corrected for the {strategies} compared" if strategies > 1 else ""
    balanced, accuracy = found.balanced_accuracy, found.accuracy
    both = this.metrics.balanced_accuracy, reference.metrics.balanced_accuracy
    said = _decided(
        balanced,
        names,
        ("is", "better", "worse"),
        both,
        f"balanced accuracy {{}} on {judged_text(this)}",
        looked,
        strategies,
    )
    opposite = (accuracy.interval.value or 0.0) * (balanced.interval.value or 0.0) < 0
    if accuracy.decision is Decision.SIGNIFICANT and (
        opposite or balanced.decision is not Decision.SIGNIFICANT
    ):
        both = this.metrics.accuracy, reference.metrics.accuracy
        comparatives = "has", "higher accuracy", "lower accuracy"
        said += " " + _decided(accuracy, names, comparatives, both, "{}", looked, strategies)
    return typeset(said)


def class_verdict(
    reference: Run | Arm,
    this: Run | Arm,
    class_: str,
    found: Contrast | None,
    needed: Needed | None,
    looked_at: int,
) -> str:
    """State which of two runs has the higher recall of a class, if that may be said.

    Args:
        reference: the reference.
        this: the run compared with it.
        class_: name of the class.
        found: contrast of its recalls; None without photographs.
        needed: photographs for a significant difference; None without photographs.
        looked_at: number of recalls compared.
    """
    if found is None or needed is None:
        return "No photographs of this class were judged."
    recalls = this.metrics.recall[class_], reference.metrics.recall[class_]
    looked = f", corrected for the {looked_at} compared" if looked_at > 1 else ""
    names = _names(this, reference)
    comparatives = "has", "higher recall", "lower recall"
    said = _decided(found, names, comparatives, recalls, "{}", looked, looked_at)
    if found.decision is not Decision.SIGNIFICANT:
        more = f"A difference of 10 points takes about {needed.ten_points} independent photographs"
        if needed.as_seen:
            more += f"; one as large as seen, if it is really as large, about {needed.as_seen}"
        said += f" {more}."
    return typeset(said)


def _decided(
    found: Contrast,
    names: tuple[str, str, str],
    comparatives: tuple[str, str, str],
    both: tuple[Interval, Interval],
    frame: str,
    looked: str,
    looked_at: int,
) -> str:
    """The sentence that a decision calls for.

    Args:
        found: the difference.
        names: of the run, to begin a sentence with and within one, and of the reference.
        comparatives: the verb, and what it says of a positive and of a negative difference.
        both: the figure of the run and of the reference.
        frame: words around both figures, with {} in their place.
        looked: what the p value is corrected for.
        looked_at: number of differences that it is corrected for.
    """
    start, this, reference = names
    verb, higher, lower = comparatives
    article = "a " if verb == "has" else ""
    comparative = higher if (found.interval.value or 0.0) > 0 else lower
    digits = _digits(*both, found.interval)
    figures = frame.format(" against ".join(f"{percent(figure.value, digits)}%" for figure in both))
    own = f"difference {points_range(found.interval, digits)}"
    if found.decision is Decision.SIGNIFICANT:
        return (
            f"{start} {verb} {article}significantly {comparative} than {reference}: {figures}"
            f" ({own}; {p_text(found, looked)})."
        )
    if found.decision is Decision.HINT:
        return (
            f"A hint that {this} {verb} {article}{comparative} than {reference}, but not"
            f" significant, as {_doubt(found, looked_at)}: {figures} ({own})."
        )
    return f"No significant difference between {this} and {reference}: {figures} ({own})."


def _doubt(found: Contrast, looked_at: int) -> str:
    """Why a hint is not significant."""
    if not are_enough(found.discordant):
        return (
            f"the photographs that tell them apart are worth fewer than {FEWEST_DISCORDANT}"
            " independent ones"
        )
    if not excludes_zero(found.corrected):
        return f"{looked_at} differences were looked at"
    return "a class has no judged photographs"


def verdict_lines(verdict: str, verdicts: Mapping[str, str]) -> str:
    """A verdict and those by class name as lines for a terminal."""
    lines = [verdict, *(f"- {name}: {said}" for name, said in verdicts.items())]
    return "\n".join(map(one_line_text, lines))


def too_high_text(excess: float) -> str:
    """Say how much too high the best of several strategies' figure is, by luck."""
    return typeset(
        "The best of several figures is partly the luckiest: the highest balanced accuracy is"
        f" expected to be about {100 * excess:.1f} points too high."
    )


def points_range(interval: Interval, digits: int = 0) -> str:
    """Format a difference as "+17 points, 95% interval +11 to +23"."""
    assert interval.value is not None
    assert interval.low is not None
    assert interval.high is not None
    low, high = _points(interval.low, 0), _points(interval.high, 0)
    return f"{_points(interval.value, digits)} points, 95% interval {low} to {high}"


def _points(difference: float, digits: int) -> str:
    """Points; with a decimal also if they would round to 0, which a bound may exclude."""
    points = rounded(100 * difference, EXACT_DIGITS)
    if not points:
        return "0"
    if abs(points) > 0.5:
        return f"{rounded(points, digits):+f}"
    return f"{max(abs(rounded(points, 1)), Decimal('0.1')).copy_sign(points):+f}"


def _digits(this: Interval, reference: Interval, difference: Interval) -> int:
    """Decimals of two percentages: one if their difference would look wrong without it."""
    values = this.value, reference.value, difference.value
    shown = [rounded(100 * value, 0) for value in values if value is not None]
    return int(shown[0] - shown[1] != shown[2])


def p_text(found: Contrast, looked: str) -> str:
    """Format the corrected p value, with what it is corrected for."""
    p_value = found.p_value_corrected
    return f"p {f'= {p_value:.2g}' if p_value >= LEAST_P else f'< {LEAST_P}'}{looked}"


def _names(this: Run | Arm, reference: Run | Arm) -> tuple[str, str, str]:
    said = _subject(this)
    # The name of a run stays as it is.
    return said if said == this.name else f"T{said[1:]}", said, _subject(reference)


def _subject(run: Run | Arm) -> str:
    """A run's name, or that of its only training: then nothing is known of luck in training."""
    if len(run.judged.predicted) > 1:
        return run.name
    return f"this {'cross-validation' if run.cross_validated else 'model'} of {run.name}"


def _weakest(run: Run) -> str:
    recalls = {
        name: recall.value
        for name, recall in run.metrics.recall.items()
        if recall.value is not None
    }
    worst = min(recalls.values())
    names = [name for name, value in recalls.items() if value == worst]
    range_ = f"({range_text(run.metrics.worst_class_recall)}, corrected for being the weakest)"
    if len(recalls) > 1 and len(names) == len(recalls):
        return f"every class has a recall of {percent(worst)}%"
    if len(names) > 1:
        return (
            f"the weakest classes, each with a recall of {percent(worst)}% {range_}, are"
            f" {listed(names)}"
        )
    return f"the weakest class is {names[0]}, with a recall of {percent(worst)}% {range_}"
