"""Verdicts in one sentence: which of two runs is significantly better, if any."""

from ballast.scores.intervals import Interval
from ballast.scores.run import Run
from ballast.scores.sentences import typeset
from ballast.scores.significance import SIGNIFICANCE, Outcome


def overall_verdict(
    reference: Run, this: Run, balanced: Interval, confidence: float, outcome: Outcome
) -> str:
    """State which run is significantly better overall, if any.

    Args:
        reference: the reference.
        this: the run compared with it.
        balanced: difference of their balanced accuracies, with its interval.
        confidence: confidence level of that interval.
        outcome: result of McNemar's test on all photographs.
    """
    assert balanced.value is not None
    assert balanced.low is not None
    assert balanced.high is not None
    accuracy = _both(this.metrics.accuracy, reference.metrics.accuracy)
    balanced_both = _both(this.metrics.balanced_accuracy, reference.metrics.balanced_accuracy)
    range_ = (
        f"difference {100 * balanced.value:+.0f} points, {100 * confidence:.3g} % interval"
        f" {100 * balanced.low:+.0f} to {100 * balanced.high:+.0f}"
    )
    level = f"{SIGNIFICANCE:.0%} level, corrected for the runs compared"
    balanced_significant = balanced.low > 0 or balanced.high < 0
    accuracy_significant = outcome.p_value_holm < SIGNIFICANCE
    up = outcome.only_this_right > outcome.only_reference_right
    if balanced_significant:
        sentence = (
            f"{this.name} is significantly {'better' if balanced.value > 0 else 'worse'} than"
            f" {reference.name} ({level}): balanced accuracy {balanced_both} ({range_})"
        )
        if accuracy_significant and up != (balanced.value > 0):
            higher = "higher" if up else "lower"
            sentence += f", but its accuracy is significantly {higher}, {accuracy}"
    elif accuracy_significant:
        sentence = (
            f"{this.name} has a significantly {'higher' if up else 'lower'} accuracy than"
            f" {reference.name}, {accuracy} (McNemar's test, Holm-corrected"
            f" p = {outcome.p_value_holm:.2g}), but the difference in balanced accuracy is not"
            f" significant ({level}; {range_})"
        )
    else:
        sentence = (
            f"No significant difference between {this.name} and {reference.name} ({level}) on"
            f" {len(this.predictions.true)} test photographs: balanced accuracy {balanced_both}"
            f" ({range_})"
        )
    return typeset(f"{sentence}.")


def class_verdict(
    reference: Run, this: Run, class_: str, photographs: int, outcome: Outcome, enough: int | None
) -> str:
    """State which run has the significantly higher recall of a class, if any.

    Args:
        reference: the reference.
        this: the run compared with it.
        class_: name of the class.
        photographs: number of test photographs of the class.
        outcome: result of McNemar's test on them.
        enough: number of photographs needed to detect the difference; None if the recalls are
            equal.
    """
    if not photographs:
        return "No test photographs."
    if outcome.p_value_holm < SIGNIFICANCE:
        better = outcome.only_this_right > outcome.only_reference_right
        recalls = _both(this.metrics.recall[class_], reference.metrics.recall[class_])
        return typeset(
            f"{this.name} has a significantly {'higher' if better else 'lower'} recall than"
            f" {reference.name}, {recalls} (McNemar's test, Holm-corrected"
            f" p = {outcome.p_value_holm:.2g})."
        )
    rest = (
        f"; detecting the observed difference takes about {enough}"
        if enough
        else "; both recalls are equal"
    )
    return typeset(
        f"No significant difference between {this.name} and {reference.name} ("
        f"{SIGNIFICANCE:.0%} level, Holm-corrected) on {photographs} test photographs{rest}."
    )


def _both(this: Interval, reference: Interval) -> str:
    return f"{this.value:.0%} against {reference.value:.0%}"
