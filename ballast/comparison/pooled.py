"""Cross-validation of strategies: predictions of all folds, pooled over every photograph."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.scores.intervals import PRIOR, central
from ballast.scores.metrics import compute_metrics
from ballast.scores.predictions import Predictions

DRAWS = 4_000
# Pseudo-photographs added to each class in each draw, each of weight PRIOR: correct in both
# strategies, in the first only, in the other only, in neither. Without them, the interval of a
# class that both strategies classify perfectly would have no width, however small the class.
KINDS = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
OVERALL = ("accuracy", "balanced_accuracy", "worst_class_recall")

Pooled = Mapping[str, Mapping[int, Predictions]]  # by strategy and seed


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


def shared(pooled: Pooled) -> dict[str, dict[int, Predictions]]:
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


def summarise(pooled: Pooled) -> dict[str, Any]:
    """Mean and standard deviation of each strategy's metrics over the seeds.

    Args:
        pooled: predictions by strategy and seed; the same seeds, at least one, for each strategy.

    Returns:
        By strategy, the keys of compute_metrics, each with {"mean", "std"} or, for metrics by class
        name, with a dict of these. With a single seed, std is None; for an undefined metric, both
        are None.
    """
    return {
        strategy: _spread([compute_metrics(predictions) for predictions in by_seed.values()])
        for strategy, by_seed in pooled.items()
    }


def _spread(values: Sequence[Any]) -> Any:  # noqa: ANN401  # a metric, or a mapping of them
    if isinstance(values[0], dict):
        return {key: _spread([value[key] for value in values]) for key in values[0]}
    if None in values:
        return {"mean": None, "std": None}
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": std}


def differences(pooled: Pooled, seed: int, draws: int = DRAWS) -> dict[str, Any]:
    """Compare each strategy with the first, on the same photographs and seeds.

    Predictions of several seeds for one photograph are not independent. The 95 % intervals
    therefore resample photographs within each class, each with all of its seeds, and separately the
    seeds, since trainings vary too (the pigeonhole bootstrap of Owen 2007, arXiv:0709.4021, which
    is conservative). Photographs are resampled by Dirichlet weights (the Bayesian bootstrap of
    Rubin 1981), with PRIOR added. With a single seed, the interval does not cover the variation
    between seeds.

    Args:
        pooled: predictions by strategy and seed; the same seeds, at least one, and the same
            photographs for each strategy.
        seed: seed of the draws, 0 or more.
        draws: number of bootstrap draws.

    Returns:
        By strategy, without the first: accuracy, balanced_accuracy, worst_class_recall, and recall
        by class name, each an Interval, of the strategy minus the first.
    """
    reference, *others = pooled
    return {
        other: _difference(pooled[reference], pooled[other], np.random.default_rng(seed), draws)
        for other in others
    }


def _difference(
    first: Mapping[int, Predictions],
    other: Mapping[int, Predictions],
    generator: np.random.Generator,
    draws: int,
) -> dict[str, Any]:
    sample = next(iter(first.values()))
    true, seeds = np.array(sample.true), len(first)
    classes = [name for name in sample.classes if name in sample.true]
    members = [np.flatnonzero(true == name) for name in classes]
    shares = np.array([len(places) / len(true) for places in members])
    right = _right(first), _right(other)

    def recalls(weights: Sequence[NDArray[np.float64]], arm: int) -> NDArray[np.float64]:
        """Recall by class, draw and seed, from the weights of real and pseudo-photographs."""
        added = np.repeat(KINDS[:, arm, None], seeds, axis=1)
        rows = [np.concatenate([right[arm][places], added]) for places in members]
        return np.stack([w @ r for w, r in zip(weights, rows, strict=True)])

    def figures(weights: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Differences of the metrics, shape (metrics, draws, seeds)."""
        a, b = recalls(weights, 0), recalls(weights, 1)
        overall = [np.tensordot(shares, b - a, 1), (b - a).mean(axis=0), b.min(axis=0) - a.min(0)]
        return np.concatenate([overall, b - a])

    plain = [np.r_[np.full(len(p), 1 / len(p)), np.zeros(len(KINDS))][None] for p in members]
    values = figures(plain)[:, 0].mean(axis=-1)
    alphas = [np.r_[np.ones(len(places)), np.full(len(KINDS), PRIOR)] for places in members]
    drawn = figures([generator.dirichlet(alpha, draws) for alpha in alphas])
    by_seed = generator.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    over_seeds = (drawn * by_seed).sum(axis=-1)
    intervals = list(map(central, values.tolist(), over_seeds))
    named = dict(zip(OVERALL, intervals, strict=False))
    return {**named, "recall": dict(zip(classes, intervals[len(OVERALL) :], strict=True))}


def _right(by_seed: Mapping[int, Predictions]) -> NDArray[np.float64]:
    """1 if a photograph is classified correctly, else 0; shape (photographs, seeds)."""
    columns = [np.array(p.true) == np.array(p.predicted) for p in by_seed.values()]
    return np.stack(columns, axis=1).astype(np.float64)
