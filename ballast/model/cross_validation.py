"""Cross-validation of linear heads: every photograph is judged by heads that have not seen it.

With kept features and a convex head, a training of a few hundred photographs takes a fraction of a
second, so on this machine all trainings run in one process; those of thousands share its cores. The
workers of another engine each fit a head of their own.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.augment.variants import augmented_path, oversampled_images
from ballast.balance.class_weights import class_weights
from ballast.balance.oversampling import plan_rounds, target_counts
from ballast.core.errors import UserError
from ballast.core.greys import Range
from ballast.core.manifest import Row, class_names, image_reader
from ballast.core.params import Params, Strategy
from ballast.core.store import ContentStore, Record
from ballast.dataset.folds import Trial
from ballast.model.features import Backbone, gathered, image_features
from ballast.model.head_fitting import Head
from ballast.model.head_strategy import Terms, fit_probe
from ballast.model.inputs import ImageFiles, image_files
from ballast.model.logits import Floats, linear_probabilities
from ballast.scores.predictions import Judgements, Predictions
from ballast.workers.processes import BYTES, Engine, each, engine_of
from ballast.workers.progress import with_progress
from ballast.workers.versions import ROOMS

Plan = Sequence[tuple[Row, int]]  # from plan_rounds
HERE = Engine(1)
# A head of more features is fitted here, by all cores: few such heads would be in flight at a time.
# With the exact backbone, these are those of more than 26,214 training images.
SENT = BYTES
FeaturesOf = Callable[[ImageFiles, Sequence[str]], NDArray[Any]]  # of images and SHA-256s


class CrossValidated(NamedTuple):
    """What the trials of a strategy and seed predict, and by which heads."""

    predictions: Predictions  # sorted by path
    heads: list[Head]  # in the order of the trials


def cross_validate(
    trials: Mapping[int, Sequence[Trial]],
    strategies: Mapping[str, Strategy],
    params: Params,
    backbone: Backbone,
    store: ContentStore,
    greys: Range | None = None,
) -> dict[str, dict[int, CrossValidated]]:
    """Train a head for every strategy, seed and trial, and predict what the trial judges.

    Args:
        trials: by seed, which also draws the variants; each judges other photographs.
        strategies: by name.
        params: where the photographs are, how they are augmented, and the engine.
        backbone: from read_backbone.
        store: images and features from earlier runs.
        greys: the range of the data set's deep greys.

    Returns:
        Predictions and heads by strategy and seed.

    Raises:
        UserError: as oversampled_images and image_features do.
    """
    every = sorted({row for each in trials.values() for t in each for row in (*t.train, *t.judged)})
    classes, engine = class_names(every), engine_of(params.runtime)
    features_of = partial(image_features, backbone, store=store, engine=engine)
    read = image_reader(Path(params.data.raw))
    photographs = image_files(read, every, classes, params.data.image_size, engine.workers, greys)
    seen = features_of(photographs, [row.sha256 for row in every])
    judged = {row: place for place, row in enumerate(every)}

    make = partial(_made, params, store, greys, features_of)
    fitted = _fitted(trials, strategies, params, classes, make, engine)
    total = len(strategies) * sum(map(len, trials.values()))
    parts: dict[str, dict[int, list[tuple[Sequence[Row], Floats]]]] = {
        name: {seed: [] for seed in trials} for name in strategies
    }
    heads: dict[tuple[str, int], list[Head]] = defaultdict(list)
    for name, seed, trial, head in with_progress(fitted, total, "heads"):
        heads[name, seed].append(head)
        asked = gathered(seen, [judged[row] for row in trial.judged], store)
        probabilities = linear_probabilities(asked, head.weights, head.bias)
        parts[name][seed].append((trial.judged, probabilities))
    return {
        name: {
            seed: CrossValidated(_predictions(classes, found), heads[name, seed])
            for seed, found in by_seed.items()
        }
        for name, by_seed in parts.items()
    }


def judgements_of(found: Mapping[str, Mapping[int, CrossValidated]]) -> Judgements:
    """The predictions alone, by strategy and seed."""
    return {
        name: {seed: judged.predictions for seed, judged in by_seed.items()}
        for name, by_seed in found.items()
    }


def _predictions(classes: list[str], parts: Sequence[tuple[Sequence[Row], Floats]]) -> Predictions:
    rows = [row for judged, _ in parts for row in judged]
    order = sorted(range(len(rows)), key=rows.__getitem__)
    return Predictions(
        classes,
        [rows[place].path for place in order],
        [rows[place].class_ for place in order],
        np.concatenate([probabilities for _, probabilities in parts])[order],
    )


def _fitted(
    trials: Mapping[int, Sequence[Trial]],
    strategies: Mapping[str, Strategy],
    params: Params,
    classes: Sequence[str],
    make: "Callable[[Iterable[Plan], int], _Made]",
    engine: Engine,
) -> Iterator[tuple[str, int, Trial, Head]]:
    """Yield strategy, seed and trial with the head fitted to it."""
    for seed, divisions in trials.items():
        plans = {
            (name, place): _plan(trial.train, strategy, params.augment.factor)
            for place, trial in enumerate(divisions)
            for name, strategy in strategies.items()
        }
        made = make(plans.values(), seed)
        fits = (
            _fit_of(divisions[place], strategies[name], classes, made, plan)
            for (name, place), plan in plans.items()
        )
        most = max(sum(rounds for _, rounds in plan) for plan in plans.values())
        there = HERE if engine.name == "local" or most * made.features[0].nbytes > SENT else engine
        heads = each(_fitted_head, fits, there, lambda _: "a head", (*ROOMS, "balance", "model"))
        for (name, place), head in zip(plans, heads, strict=True):
            yield name, seed, divisions[place], head


class _Fit(NamedTuple):
    """A head to fit: the arguments of fit_probe."""

    terms: Terms
    class_weights: Floats
    strategy: Strategy


def _fitted_head(fit: _Fit) -> Head:
    return fit_probe(*fit)


def _fit_of(
    trial: Trial, strategy: Strategy, classes: Sequence[str], made: "_Made", plan: Plan
) -> _Fit:
    """The head of a strategy, to be fitted to what a trial trains on."""
    counts, method = _counts(trial.train), strategy.class_weights
    weights = class_weights(counts, method, strategy.weight_power, strategy.beta)
    in_order = np.array([weights[class_] for class_ in classes])
    return _Fit(_terms(plan, made, classes), in_order, strategy)


def _plan(train: Sequence[Row], strategy: Strategy, factor: int) -> Plan:
    return plan_rounds(train, target_counts(_counts(train), factor, strategy.oversample))


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    counts = Counter(row.class_ for row in rows)
    return {name: counts[name] for name in class_names(rows)}


class _Made(NamedTuple):
    """Training images of one seed."""

    places: dict[tuple[Row, int], int]  # by photograph and round
    features: NDArray[Any]  # shape (n, d)
    store: ContentStore  # which they are from


def _made(
    params: Params,
    store: ContentStore,
    greys: Range | None,
    features_of: FeaturesOf,
    plans: Iterable[Plan],
    seed: int,
) -> _Made:
    """Make every image that one of the plans needs, and compute its features."""
    rounds: Counter[Row] = Counter()
    for plan in plans:
        rounds |= Counter(dict(plan))  # the most of each photograph
    size, raw, runtime = params.data.image_size, Path(params.data.raw), params.runtime
    whole = sorted(rounds.items())
    made = oversampled_images(whole, raw, seed, size, params.augment, store, runtime, greys)
    images = [
        (row, round_, record._replace(data=b"") if record.path else record)
        for row, round_, record in with_progress(made, rounds.total(), "images")
    ]
    files = ImageFiles(
        read=lambda place: _data(images[place][2]),
        labels=np.zeros(len(images), dtype=np.int64),  # features do not depend on them
        size=size,
        workers=engine_of(runtime).workers,
        paths=[augmented_path(row, round_) for row, round_, _ in images],
    )
    places = {(row, round_): place for place, (row, round_, _) in enumerate(images)}
    features = features_of(files, [record.sha256 for _, _, record in images])
    return _Made(places, features, store)


def _data(record: Record) -> bytes:
    """The data of a record, which are in the store's file if it has one."""
    with suppress(OSError):
        data = record.data or Path(record.path).read_bytes()
        if hashlib.sha256(data).hexdigest() == record.sha256:
            return data
    raise UserError(f"{record.path}: removed or changed by another run; run this again")


def _terms(plan: Plan, made: _Made, classes: Sequence[str]) -> Terms:
    images = [(row, round_) for row, rounds in plan for round_ in range(rounds)]
    _, groups = np.unique([row.group for row, _ in images], return_inverse=True)
    return Terms(
        gathered(made.features, [made.places[image] for image in images], made.store),
        np.array([classes.index(row.class_) for row, _ in images], dtype=np.int64),
        np.asarray(groups, dtype=np.int64),
    )
