"""Cross-validation of strategies: predictions of all folds, pooled over every photograph."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ballast.scores.predictions import Judgements, Predictions


class Experiment(NamedTuple):
    """One experiment of a cross-validation: a strategy, a fold and a seed."""

    strategy: str
    fold: int
    seed: int


def pool(folds: Sequence[Predictions]) -> Predictions:
    """Concatenate the predictions of all folds of one strategy and seed, sorted by path.

    Raises:
        ValueError: if a photograph was tested in two folds, or folds differ in their classes.
    """
    classes = folds[0].classes
    rows = sorted(
        (path, true, probabilities)
        for fold in folds
        for path, true, probabilities in zip(
            fold.paths, fold.true, fold.probabilities.tolist(), strict=True
        )
    )
    paths = [path for path, _, _ in rows]
    if len(set(paths)) < len(paths) or any(fold.classes != classes for fold in folds):
        raise ValueError("folds of one seed share a photograph, or differ in their classes")
    return Predictions(
        classes, paths, [true for _, true, _ in rows], np.array([row for _, _, row in rows])
    )


def shared(pooled: Judgements) -> dict[str, dict[int, Predictions]]:
    """Keep the photographs that every strategy and seed tested.

    A class with a single group is never tested: its photographs are needed for training.
    """
    runs = [predictions for by_seed in pooled.values() for predictions in by_seed.values()]
    common = set.intersection(*(set(predictions.paths) for predictions in runs))

    def keep(predictions: Predictions) -> Predictions:
        places = [i for i, path in enumerate(predictions.paths) if path in common]
        return Predictions(
            predictions.classes,
            [predictions.paths[i] for i in places],
            [predictions.true[i] for i in places],
            predictions.probabilities[places],
        )

    return {
        strategy: {seed: keep(predictions) for seed, predictions in by_seed.items()}
        for strategy, by_seed in pooled.items()
    }
