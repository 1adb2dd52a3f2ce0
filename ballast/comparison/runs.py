"""Comparison of runs with a reference, on the same test photographs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ballast.comparison.checks import different_params
from ballast.comparison.paired import (
    difference_intervals,
    draw_pair,
    photographs_that_would_tell,
)
from ballast.comparison.verdicts import class_verdict, overall_verdict
from ballast.core.counts import train_counts
from ballast.scores.advice import Recommendation, recommendations
from ballast.scores.intervals import DRAWS, MetricIntervals
from ballast.scores.run import Run
from ballast.scores.significance import SIGNIFICANCE, Outcome, discordant, mcnemar_tests


class Revision(NamedTuple):
    """What a comparison stores of each run."""

    params: Mapping[str, Any]  # dotted keys
    train_photographs: Mapping[str, int]  # by class name
    metrics: MetricIntervals


class Difference(NamedTuple):
    """How a run differs from the reference."""

    metrics: MetricIntervals
    mcnemar: Outcome
    mcnemar_by_class: Mapping[str, Outcome]
    verdict: str
    verdicts: Mapping[str, str]  # by class name
    photographs_that_would_tell: Mapping[str, int | None]  # by class name


class Comparison(NamedTuple):
    """The content of outputs/comparison.json."""

    reference: str
    test_photographs: Mapping[str, int]  # by class name
    revisions: Mapping[str, Revision]  # the reference first
    different_params: Mapping[str, Mapping[str, Any]]  # by dotted key, then by revision
    differences: Mapping[str, Difference]  # by revision, without the reference
    recommendations: Sequence[Recommendation]


def compare(runs: Sequence[Run], seed: int, draws: int = DRAWS) -> Comparison:
    """Compare runs with the first of them.

    The intervals of the differences come from a paired bootstrap (see draw_pair); they are not
    corrected for multiple comparisons. The verdict on a class uses McNemar's test of its recall,
    Holm-corrected for all classes and runs. The overall verdict uses the interval of the balanced
    accuracy at the confidence level 1 - 0.05 / (number of runs without the reference), and
    McNemar's test on all photographs, Holm-corrected for the runs.

    Args:
        runs: two or more, on the same test photographs, the reference first.
        seed: seed of the draws.
        draws: number of bootstrap draws.
    """
    reference, *others = runs
    classes = reference.predictions.classes
    overall = mcnemar_tests(
        {run.name: discordant(reference.predictions, run.predictions, None) for run in others}
    )
    by_class = mcnemar_tests(
        {
            (run.name, name): discordant(reference.predictions, run.predictions, name)
            for run in others
            for name in classes
        }
    )
    outcomes = {run.name: {name: by_class[run.name, name] for name in classes} for run in others}
    confidence = 1 - SIGNIFICANCE / len(others)
    return Comparison(
        reference=reference.name,
        test_photographs={name: reference.predictions.true.count(name) for name in classes},
        revisions={
            run.name: Revision(run.params, train_counts(run.counts), run.metrics) for run in runs
        },
        different_params=different_params({run.name: run.params for run in runs}),
        differences={
            run.name: _difference(
                reference,
                run,
                overall[run.name],
                outcomes[run.name],
                confidence,
                np.random.default_rng(seed),
                draws,
            )
            for run in others
        },
        recommendations=recommendations(runs, outcomes),
    )


def _difference(
    reference: Run,
    this: Run,
    overall: Outcome,
    by_class: Mapping[str, Outcome],
    confidence: float,
    generator: np.random.Generator,
    draws: int,
) -> Difference:
    """Compare one run with the reference."""
    drawn = draw_pair(reference.predictions, this.predictions, generator, draws)
    photographs = {name: reference.predictions.true.count(name) for name in by_class}
    would_tell = {
        name: photographs_that_would_tell(*outcome[:2], photographs[name])
        if photographs[name] and outcome.p_value_holm >= SIGNIFICANCE
        else None
        for name, outcome in by_class.items()
    }
    metrics = reference.metrics, this.metrics
    strict = difference_intervals(*metrics, drawn, confidence).balanced_accuracy
    return Difference(
        metrics=difference_intervals(*metrics, drawn),
        mcnemar=overall,
        mcnemar_by_class=by_class,
        verdict=overall_verdict(reference, this, strict, confidence, overall),
        verdicts={
            name: class_verdict(reference, this, name, photographs[name], outcome, would_tell[name])
            for name, outcome in by_class.items()
        },
        photographs_that_would_tell=would_tell,
    )
