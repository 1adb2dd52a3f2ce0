"""One run of the pipeline, read from the outputs of its stages."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ballast.core import paths
from ballast.core.counts import Counts
from ballast.core.files import intact, read_json
from ballast.core.manifest import augmented_rows, groups_of
from ballast.scores.estimates import strategy_intervals
from ballast.scores.history import History, read_history
from ballast.scores.intervals import Interval, MetricIntervals
from ballast.scores.judged import Judged, judged_by
from ballast.scores.predictions import Predictions, read_judgements, read_predictions

# Image lists with hashes, the training history and the predictions.
FINGERPRINTED = (paths.MANIFEST, paths.AUGMENTED_LIST, paths.HISTORY, paths.PREDICTIONS)


class HeadChoice(NamedTuple):
    """How a linear head was chosen and calibrated on held-out photographs."""

    strength: float  # of the penalty, times the number of groups
    scale: float  # factor of all logits
    tau: float  # of the post-hoc logit adjustment
    losses: Mapping[str, float]  # mean held-out log loss by strength; empty if values are fixed


class Training(NamedTuple):
    """How the model was trained."""

    backbone: str
    head: HeadChoice | None  # on frozen features; None for a network trained by gradient descent


class Arm(NamedTuple):
    """A strategy in a comparison; a Run is one, too."""

    name: str
    judged: Judged
    cross_validated: bool  # whether each photograph was judged by models that had not seen it
    metrics: MetricIntervals


class Run(NamedTuple):
    """Params, data, training and predictions of one run."""

    name: str
    judged: Judged  # by all trainings of the strategy, or by the saved model alone
    cross_validated: bool  # whether each photograph was judged by models that had not seen it
    metrics: MetricIntervals  # of `judged`
    predictions: Sequence[Predictions]  # of each training, for all judged photographs
    counts: Counts
    made: Mapping[str, int]  # training images by class name
    weights: Mapping[str, float]  # class weights in the loss, by class name
    training: Training
    history: History
    min_epochs: int
    params: Mapping[str, Any]  # dotted keys
    fingerprints: Mapping[str, str]  # SHA-256 by file
    saved_accuracy: Interval | None = None  # of the saved model on its test set, if others judged


def read_run(name: str, folder: Path, params: Mapping[str, Any]) -> Run:
    """Read the outputs of a run's stages.

    Args:
        name: name of the run that users see.
        folder: folder that contains the run's data/ and outputs/.
        params: params of the run, with dotted keys.

    Raises:
        UserError: if a file is missing, edited or damaged.
    """
    judgements = read_judgements(folder / paths.JUDGEMENTS, params["strategy"])
    trainings = [judged for by_seed in judgements.values() for judged in by_seed.values()]
    tested = read_predictions(folder / paths.PREDICTIONS)
    predictions = trainings or [tested]
    judged_paths = [*predictions[0].paths, *tested.paths]
    groups, saved_accuracy = groups_of(folder / paths.MANIFEST, judged_paths), None
    with intact(folder / (paths.JUDGEMENTS if trainings else paths.PREDICTIONS)):
        judged = judged_by(predictions, groups)
        if not judged.true.size:
            raise ValueError(tested)
    if trainings and tested.paths:
        with intact(folder / paths.PREDICTIONS):
            saved_accuracy = strategy_intervals(judged_by([tested], groups)).accuracy
    return Run(
        name=name,
        judged=judged,
        cross_validated={*predictions[0].paths} != {*tested.paths},
        metrics=strategy_intervals(judged),
        predictions=predictions,
        counts=read_json(folder / paths.CLASS_COUNTS),
        made=Counter(row.class_ for row in augmented_rows(folder / paths.AUGMENTED_LIST)),
        weights=read_json(folder / paths.CLASS_WEIGHTS),
        training=read_training(folder / paths.TRAINING),
        history=read_history(folder / paths.HISTORY),
        min_epochs=params["train.min_epochs"],
        params=params,
        fingerprints={path.as_posix(): _sha256(folder / path) for path in FINGERPRINTED},
        saved_accuracy=saved_accuracy,
    )


def read_reference(run: Run, folder: Path, name: str) -> Arm | None:
    """Read what another strategy predicted of the photographs that a run judged.

    Args:
        run: result of read_run.
        folder: as in read_run.
        name: the strategy's name.

    Returns:
        None if it is the run's own strategy, or judged nothing.

    Raises:
        UserError: if a file is missing, edited or damaged.
    """
    if name == run.params["strategy"]:
        return None
    trainings = [*read_judgements(folder / paths.JUDGEMENTS, name).get(name, {}).values()]
    if not trainings:
        return None
    groups = groups_of(folder / paths.MANIFEST, trainings[0].paths)
    with intact(folder / paths.JUDGEMENTS):
        judged = judged_by(trainings, groups)
        if not np.array_equal(judged.true, run.judged.true) or (
            judged.predicted.shape != run.judged.predicted.shape
        ):
            raise ValueError(name)
    return Arm(name, judged, run.cross_validated, strategy_intervals(judged))


def alike(runs: Sequence[Run]) -> list[Run]:
    """Give all runs as many trainings as the run with the fewest has: the first ones of each."""
    fewest = min(len(run.judged.predicted) for run in runs)
    judged = [run.judged._replace(predicted=run.judged.predicted[:fewest]) for run in runs]
    return [
        run._replace(
            judged=of, metrics=strategy_intervals(of), predictions=run.predictions[:fewest]
        )
        for run, of in zip(runs, judged, strict=True)
    ]


def read_training(path: Path) -> Training:
    """Read how the model was trained.

    Raises:
        UserError: if the file is missing, edited or damaged.
    """
    trained = read_json(path)
    with intact(path):
        head = trained["head"]
        return Training(trained["backbone"], HeadChoice(**head) if head else None)


def model_fingerprints(run: Run) -> dict[str, str]:
    """SHA-256 of the workspace's model, of its training data and of the code that trained it.

    Args:
        run: the run of the workspace.

    Raises:
        UserError: if a file is missing, edited or damaged.
    """
    trained = read_json(paths.TRAINING)
    with intact(paths.TRAINING):
        code, weights = trained["code_sha256"], dict(trained["weights_sha256"])
    with intact(paths.MODEL):
        model = _sha256(paths.MODEL)
    lists = (paths.MANIFEST.as_posix(), paths.AUGMENTED_LIST.as_posix())
    data = {path: run.fingerprints[path] for path in lists}
    return {"the code that trained it": code, **data, paths.MODEL.as_posix(): model, **weights}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
