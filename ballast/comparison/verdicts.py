"""Sentences that say which of two runs is better, or that nobody can tell."""

from ballast.scores.intervals import Interval
from ballast.scores.run import Run
from ballast.scores.sentences import typeset
from ballast.scores.significance import SIGNIFICANCE, Outcome


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
    accuracy = _both(this.metrics.accuracy, reference.metrics.accuracy)
    balanced_both = _both(this.metrics.balanced_accuracy, reference.metrics.balanced_accuracy)
    range_ = (
        f"difference {100 * balanced.value:+.0f} points, {100 * confidence:.3g} % interval"
        f" {100 * balanced.low:+.0f} to {100 * balanced.high:+.0f}"
    )
    balanced_told = balanced.low > 0 or balanced.high < 0
    accuracy_told = outcome.p_value_holm < SIGNIFICANCE
    up = outcome.only_this_right > outcome.only_reference_right
    if balanced_told:
        sentence = (
            f"{this.name} is {'better' if balanced.value > 0 else 'worse'} than {reference.name}:"
            f" balanced accuracy {balanced_both} ({range_})"
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
            f" {balanced_both} ({range_})"
        )
    return typeset(f"{sentence}.")


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
    if outcome.p_value_holm < SIGNIFICANCE:
        better = outcome.only_this_right > outcome.only_reference_right
        recalls = _both(this.metrics.recall[class_], reference.metrics.recall[class_])
        return typeset(
            f"{this.name} recognises it {'more' if better else 'less'} often than"
            f" {reference.name}, {recalls} (McNemar's p = {outcome.p_value_holm:.2g})."
        )
    seen = (
        f"; about {enough} test photographs of it would tell" if enough else ", and none was seen"
    )
    return (
        f"No difference between {this.name} and {reference.name} can be told apart from chance with"
        f" this many images, {photographs}{seen}."
    )


def _both(this: Interval, reference: Interval) -> str:
    return f"{this.value:.0%} against {reference.value:.0%}"
