"""Fixtures: runs with given predictions."""

from collections.abc import Callable, Mapping

import pytest

from ballast.scores.estimates import strategy_intervals
from ballast.scores.judged import judged_by
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run

RunOf = Callable[..., Run]


@pytest.fixture(scope="session")
def run_of(make_run: Callable[..., Run]) -> RunOf:
    """Make a run with the predictions of one or more trainings."""

    def make(
        name: str,
        *trainings: Predictions,
        groups: Mapping[str, str] | None = None,
        cross_validated: bool = False,
    ) -> Run:
        first, by_all = trainings[0], judged_by(trainings, groups)
        run: Run = make_run(name, first.classes)
        return run._replace(
            judged=by_all,
            cross_validated=cross_validated,
            metrics=strategy_intervals(by_all),
            predictions=trainings,
            counts={
                class_: {"train": 20, "val": 5, "test": first.true.count(class_)}
                for class_ in first.classes
            },
            made=dict.fromkeys(first.classes, 60),
            weights=dict.fromkeys(first.classes, 1.0),
        )

    return make
