"""Compare strategies on the same photographs, seeds and network, trained by gradient descent.

    python -m benchmarks.strategies FOLDER                      every strategy of params.yaml
    python -m benchmarks.strategies FOLDER --folds 5            cross-validated, without test/
    python -m benchmarks.strategies FOLDER --add NAME='{…}'     one more row, as in params.yaml
    python -m benchmarks.strategies FOLDER --results FILE       resumes when run again

FOLDER is a folder as for data.raw. Without --folds, the test set is its test folder, or fold 0 if
it has none. All other settings are those of params.yaml, or of --params FILE, where train.backbone
must be the cnn or another network that is trained: ballast cross-validate compares linear heads.
Prints one line per run, then mean ± standard deviation over the runs of each strategy; if
interrupted, over those that finished. With --results, writes each run to FILE as a line of JSON,
and skips the runs that FILE already holds; use another FILE for another folder, other params or
other code.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from joblib import Parallel, delayed
from msgspec import convert
from msgspec.structs import replace
from tabulate import tabulate

from ballast.augment.variants import augmented_images, augmented_path, drawn_rounds, resized_pixels
from ballast.balance.class_weights import class_weights
from ballast.balance.oversampling import plan_rounds, target_counts
from ballast.core.counts import count_classes, train_counts
from ballast.core.files import read_text
from ballast.core.images import image_array
from ballast.core.manifest import Row, class_names, image_reader, subset_rows
from ballast.core.params import Params, Strategy, parse_params
from ballast.core.paths import KERAS_DOWNLOADS
from ballast.dataset.checks import check_classes
from ballast.dataset.duplicates import HashTable
from ballast.dataset.folds import split_photos
from ballast.dataset.groups import copy_sets
from ballast.dataset.layout import folder_layout
from ballast.dataset.scan import inspect_files, sort_out
from ballast.dataset.split import find_groups
from ballast.model.inputs import ImageSet, load_images
from ballast.scores.metrics import compute_metrics
from ballast.scores.predictions import Predictions
from ballast.workers.processes import Engine

HEADLINES = ("balanced_accuracy", "worst_class_recall", "accuracy", "calibration_error")
MEANS = ("roc_auc", "average_precision")  # over the classes


class Run(NamedTuple):
    """One training run."""

    strategy: str
    seed: int
    fold: int


def main() -> None:
    """Run the benchmark; print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--folds", type=int, help="number of folds to cross-validate over")
    parser.add_argument("--strategies", nargs="+", help="rows of params.yaml; default: all")
    parser.add_argument("--add", nargs="+", default=[], metavar="NAME={…}")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--jobs", type=int, default=1, help="number of trainings at a time")
    parser.add_argument("--threads", type=int, help="overrides train.threads")
    parser.add_argument("--results", type=Path, metavar="FILE", help="file to resume from")
    arguments = parser.parse_args()

    params = parse_params(read_text(arguments.params))
    if params.train.has_linear_head:
        parser.error(
            f"{arguments.params}: train.backbone: {params.train.backbone} has a linear head; run"
            " ballast cross-validate, or set another backbone"
        )
    if arguments.threads:
        train = replace(params.train, threads=arguments.threads)
        params = replace(params, train=train)
    strategies = {
        name: strategy
        for name, strategy in params.strategies.items()
        if not arguments.strategies or name in arguments.strategies
    }
    for row in arguments.add:
        name, _, values = row.partition("=")
        strategies[name] = convert(yaml.safe_load(values), Strategy)

    folds = range(arguments.folds) if arguments.folds else range(1)
    runs = [Run(name, s, fold) for s in arguments.seeds for fold in folds for name in strategies]
    done = read_results(arguments.results)
    waiting = [run for run in runs if run not in done]
    # One process per run: TensorFlow's state and thread count belong to a process.
    measured = Parallel(n_jobs=arguments.jobs, return_as="generator_unordered", batch_size=1)(
        delayed(measure)(arguments.folder, params, run, strategies[run.strategy], arguments.folds)
        for run in waiting
    )
    try:
        for run, metrics in measured:
            done[run] = metrics
            add_result(arguments.results, run, metrics)
            figures = "  ".join(f"{name} {metrics[name]:.3f}" for name in metrics)
            print(f"{run.strategy:14} seed {run.seed} fold {run.fold}  {figures}", flush=True)
    finally:
        found = defaultdict(list)
        for run in runs:
            if run in done:
                found[run.strategy].append(done[run])
        print(f"\n{summary(found)}" if found else "no run finished")


def read_results(path: Path | None) -> dict[Run, dict[str, float]]:
    """Read what add_result wrote; empty if there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
    return {Run(*run): metrics for run, metrics in map(json.loads, lines)}


def add_result(path: Path | None, run: Run, metrics: dict[str, float]) -> None:
    """Append a run to the file, if one is given."""
    if path:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([run, metrics]) + "\n")


def summary(found: dict[str, list[dict[str, float]]]) -> str:
    """A Markdown table: mean ± standard deviation over the runs of each strategy."""
    columns = list(next(iter(found.values()))[0])
    rows = []
    for name, runs in found.items():
        values = np.array([[run[column] for column in columns] for run in runs])
        deviations = values.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros(len(columns))
        cells = [f"{m:.3f} ± {d:.3f}" for m, d in zip(values.mean(axis=0), deviations, strict=True)]
        rows.append([name, *cells])
    return tabulate(rows, headers=["strategy", *columns], tablefmt="github")


def measure(
    raw: Path, params: Params, run: Run, strategy: Strategy, folds: int | None
) -> tuple[Run, dict[str, float]]:
    """Do what the stages do for one strategy, seed and fold.

    Returns:
        The run, and its headline metrics, the recall of each class and the number of epochs.
    """
    # Imported here, because only the worker processes need TensorFlow.
    from ballast.keras_setup import make_deterministic
    from ballast.model.inference import predict
    from ballast.model.networks import train_network
    from ballast.model.resizing import accept_any_size
    from ballast.model.training import TrainingInputs

    rows = split(raw, params, run, folds)
    classes, size = class_names(rows), params.data.image_size
    counts = train_counts(count_classes(rows))
    # Sorted by path, as in the train stage.
    images = sorted(training_images(raw, rows, params, run.seed, counts, strategy))
    train = ImageSet(
        np.stack([image_array(data, size) for _, _, data in images]),
        np.array([classes.index(name) for _, name, _ in images]),
    )
    val, test = (load_images(raw, subset_rows(rows, s), classes, size, 1) for s in ("val", "test"))
    weights = class_weights(counts, strategy.class_weights, strategy.weight_power, strategy.beta)

    make_deterministic(run.seed, params.train.threads)
    in_loss = np.array([weights[name] for name in classes])
    inputs = TrainingInputs(train, val, in_loss, strategy, run.seed)
    model, history = train_network(inputs, params.train, size, KERAS_DOWNLOADS)
    tested = subset_rows(rows, "test")
    metrics = compute_metrics(
        Predictions(
            classes,
            [row.path for row in tested],
            [row.class_ for row in tested],
            predict(accept_any_size(model), test.pixels),
        )
    )
    return run, {
        **{name: metrics[name] for name in HEADLINES},
        **{name: mean_over_classes(metrics[name]) for name in MEANS},
        **{f"recall {name}": metrics["recall"][name] for name in classes},
        "epochs": len(history["loss"]),
    }


def mean_over_classes(figures: dict[str, float | None]) -> float:
    """The mean of the values that are not None; NaN if all are."""
    return float(np.mean([value for value in figures.values() if value is not None] or [np.nan]))


def split(raw: Path, params: Params, run: Run, folds: int | None) -> list[Row]:
    """The rows of the manifest for one seed and fold."""
    hashes, places = HashTable(), folder_layout(raw).places
    found = inspect_files(raw, places, params.data.max_megapixels, Engine(workers=1), hashes)
    photos, _, rejections = sort_out([*found])
    check_classes(raw, photos, rejections)
    if folds and any(photo.given == "test" for photo in photos):
        # Leave the test folder out; the folds are made from the rest.
        photos = [p._replace(given=None) for p in photos if p.given != "test"]
    paths = [photo.path for photo in photos]
    copies = copy_sets(photos, hashes, params.split.near_duplicates, params.augment.flip)
    members = find_groups(raw, params, photos, [], paths, {}, copies)
    groups = [member.group for member in members]
    count, val = folds or params.split.folds, params.split.val
    return split_photos(photos, groups, count, run.fold, val, run.seed)


def training_images(
    raw: Path,
    rows: list[Row],
    params: Params,
    seed: int,
    counts: dict[str, int],
    strategy: Strategy,
) -> Iterator[tuple[str, str, bytes]]:
    """Yield the path, class and JPEG file of every training image."""
    targets = target_counts(counts, params.augment.factor, strategy.oversample)
    size, augment, read = params.data.image_size, params.augment, image_reader(raw)
    for row, rounds in plan_rounds(subset_rows(rows, "train"), targets):
        pixels = resized_pixels(read(row), size)
        drawn = drawn_rounds(row.sha256, range(rounds), seed, augment)
        images = augmented_images(pixels, size, drawn, augment.quality)
        for round_, image in images.items():
            yield augmented_path(row, round_), row.class_, image


if __name__ == "__main__":
    main()
