"""Comparison of runs with a reference, on the same photographs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ballast.comparison.checks import different_params
from ballast.comparison.contrasts import (
    Contrast,
    Contrasts,
    Decision,
    Needed,
    contrasts,
)
from ballast.comparison.optimism import optimism
from ballast.comparison.verdicts import (
    class_verdict,
    overall_verdict,
    run_verdict,
    saved_model_text,
)
from ballast.core.counts import train_counts
from ballast.scores.advice import NOTHING, Recommendation, recommendations
from ballast.scores.explanations import Explanations
from ballast.scores.intervals import MetricIntervals, values_of
from ballast.scores.judged import independent_groups, judged_photographs
from ballast.scores.run import Arm, Run


class Revision(NamedTuple):
    """What a comparison stores of each run."""

    params: Mapping[str, Any]  # dotted keys
    train_photographs: Mapping[str, int]  # by class name
    trainings: int  # that judged each photograph
    metrics: MetricIntervals


class Difference(NamedTuple):
    """How a run differs from the reference."""

    metrics: MetricIntervals
    accuracy: Contrast
    balanced_accuracy: Contrast
    recall: Mapping[str, Contrast | None]  # by class name
    verdict: str
    verdicts: Mapping[str, str]  # by class name
    photographs_needed: Mapping[str, Needed | None]  # by class name


class Comparison(NamedTuple):
    """The content of outputs/comparison.json."""

    reference: str
    cross_validated: bool  # whether every photograph was judged, not those of a test set alone
    photographs: Mapping[str, int]  # judged, by class name
    independent_groups: int  # of these photographs
    revisions: Mapping[str, Revision]  # the reference first
    different_params: Mapping[str, Mapping[str, Any]]  # by dotted key, then by revision
    differences: Mapping[str, Difference]  # by revision, without the reference
    best_is_too_high_by: float  # expected excess of the highest balanced accuracy; 0 to 1
    recommendations: Sequence[Recommendation]


def compare(runs: Sequence[Run], seed: int) -> Comparison:
    """Compare runs with the first of them.

    Intervals, p values and words come from one method; see contrasts. Overall differences are
    corrected for the runs compared, and recalls for the classes of all runs.

    Args:
        runs: two or more, judged on the same photographs by as many trainings, the reference first.
        seed: of the draws behind best_is_too_high_by.
    """
    reference, *others = runs
    differences = {run.name: difference(reference, run, len(others)) for run in others}
    return Comparison(
        reference=reference.name,
        cross_validated=reference.cross_validated,
        photographs=judged_photographs(reference.judged),
        independent_groups=independent_groups(reference.judged),
        revisions={
            run.name: Revision(
                run.params, train_counts(run.counts), len(run.judged.predicted), run.metrics
            )
            for run in runs
        },
        different_params=different_params({run.name: run.params for run in runs}),
        differences=differences,
        best_is_too_high_by=optimism([run.judged for run in runs], seed),
        recommendations=recommendations(
            runs, {name: worse_classes(of) for name, of in differences.items()}
        ),
    )


class Answer(NamedTuple):
    """The content of outputs/answer.json: a run, and what balancing changed."""

    cross_validated: bool  # whether every photograph was judged, not those of a test set alone
    trainings: int  # that judged each photograph
    train_photographs: Mapping[str, int]  # by class name
    photographs: Mapping[str, int]  # judged, by class name
    independent_groups: int  # of these photographs
    left_out: Mapping[str, int]  # number of files by reason
    label_conflicts: int  # pictures that were kept in more than one class
    metrics: MetricIntervals
    verdict: str
    saved_model: str  # that the saved model is worse than those that judged; mostly empty
    reference: str | None  # name of the strategy without balancing; None if it is this one
    reference_metrics: MetricIntervals | None
    difference: Difference | None
    recommendations: Sequence[Recommendation]


def answer(
    run: Run,
    reference: Arm | None,
    left_out: Mapping[str, int],
    label_conflicts: int = 0,
    explained: Explanations = NOTHING,
) -> Answer:
    """Judge a run, and compare it with the reference.

    Args:
        run: the run.
        reference: the strategy without balancing; None if the run uses it, or it judged nothing.
        left_out: number of files that split left out, by reason.
        label_conflicts: number of pictures that split kept in more than one class.
        explained: what the stage explain found.

    Raises:
        ValueError: if the two were judged on different photographs, or by different numbers of
            trainings.
    """
    return Answer(
        cross_validated=run.cross_validated,
        trainings=len(run.judged.predicted),
        train_photographs=train_counts(run.counts),
        photographs=judged_photographs(run.judged),
        independent_groups=independent_groups(run.judged),
        left_out=left_out,
        label_conflicts=label_conflicts,
        metrics=run.metrics,
        verdict=run_verdict(run),
        saved_model=saved_model_text(run),
        reference=reference.name if reference else None,
        reference_metrics=reference.metrics if reference else None,
        difference=difference(reference, run, 1) if reference else None,
        recommendations=recommendations(
            [run], {}, compared=reference is not None, explained=explained
        ),
    )


def headlines(found: Answer) -> dict[str, Any]:
    """The content of outputs/cross_validation.json: few figures, for dvc metrics and dvc exp show.

    Returns:
        The overall metrics, 0 to 1, and as "difference" those minus the reference's, if there is
        one; empty if a single model judged a test set, as metrics.json has its figures.
    """
    if not found.cross_validated and found.trainings == 1:
        return {}
    values: dict[str, Any] = _overall(found.metrics)
    return values | ({"difference": _overall(found.difference.metrics)} if found.difference else {})


def _overall(metrics: MetricIntervals) -> dict[str, float | None]:
    return {name: of for name, of in values_of(metrics).items() if not isinstance(of, dict)}


def verdicts_of(found: Answer) -> list[str]:
    """The sentences on a run, and on its difference from the reference, if there is one."""
    return [found.verdict, *([found.difference.verdict] if found.difference else [])]


def difference(reference: Run | Arm, this: Run | Arm, strategies: int) -> Difference:
    """Compare a run with the reference, and put the contrasts into words.

    Args:
        reference: the reference.
        this: the run compared with it.
        strategies: number of runs compared with the reference.
    """
    found = contrasts(reference.judged, this.judged, strategies)
    looked_at, needed = strategies * sum(map(bool, found.recall.values())), found.photographs_needed
    return Difference(
        metrics=found.metrics,
        accuracy=found.accuracy,
        balanced_accuracy=found.balanced_accuracy,
        recall=found.recall,
        verdict=overall_verdict(reference, this, found, strategies),
        verdicts={
            name: class_verdict(reference, this, name, of, needed[name], looked_at)
            for name, of in found.recall.items()
        },
        photographs_needed=needed,
    )


def worse_classes(found: Contrasts | Difference) -> list[str]:
    """The classes whose recall is significantly lower than the reference's."""
    return [
        name
        for name, of in found.recall.items()
        if of and of.decision is Decision.SIGNIFICANT and (of.interval.value or 0.0) < 0
    ]
