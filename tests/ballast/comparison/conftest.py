"""Fixtures: runs with given predictions."""

from collections.abc import Callable

import pytest

from ballast.scores.intervals import metric_intervals
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run

RunOf = Callable[[str, Predictions], Run]


@pytest.fixture(scope="module")
def run_of(make_run: Callable[..., Run]) -> RunOf:
    """Make a run with given predictions."""

    def make(name: str, predictions: Predictions) -> Run:
        counts = {
            class_: {"train": 20, "val": 5, "test": predictions.true.count(class_)}
            for class_ in predictions.classes
        }
        metrics = metric_intervals(predictions, seed=1, draws=1000)
        made = dict.fromkeys(predictions.classes, 60)
        run: Run = make_run(name, predictions.classes)
        row = f"strategies.{name}"
        methods = {f"{row}.class_weights": None, f"{row}.balanced_batches": False}
        return run._replace(
            predictions=predictions,
            metrics=metrics,
            counts=counts,
            made=made,
            weights=dict.fromkeys(predictions.classes, 1.0),
            params={**run.params, **methods},
        )

    return make
