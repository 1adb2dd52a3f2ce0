"""Cross-validate strategies: test on every photograph once per seed.

A linear head, which the default backbone has, is trained here: all strategies, folds and seeds take
seconds to minutes. For a network that is trained by gradient descent, each strategy, fold and seed
is a DVC experiment, named cv-STRATEGY-fFOLD-sSEED. To resume after an interruption, run the command
again: experiments that finished with the same code, params and photographs are not repeated.

Prints tables and writes outputs/strategies.json.

Examples:
    ballast cross-validate
    ballast cross-validate --strategies baseline weights --folds 3 --seeds 1 2 3 --jobs 2
"""

import argparse
import re
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from dvc.repo import Repo
from msgspec.structs import replace
from tabulate import tabulate

from ballast.commands.experiments import (
    code_and_photographs,
    experiments_repo,
    refuse_failed,
    run_missing,
    wanted,
)
from ballast.comparison.optimism import optimism
from ballast.comparison.pooled import Experiment, pool, shared
from ballast.comparison.runs import Difference, difference
from ballast.comparison.verdicts import too_high_text, verdict_lines
from ballast.core import paths
from ballast.core.errors import UserError
from ballast.core.files import read_text, write_bytes, write_json
from ballast.core.greys import Range
from ballast.core.manifest import Row
from ballast.core.params import Params, parse_params
from ballast.core.store import ContentStore
from ballast.dataset.folds import fold_trials
from ballast.dataset.layout import Place, folder_layout, given_parents
from ballast.dataset.split import refuse_idle_folds, split_folder
from ballast.dvc_tools.experiments import read_file
from ballast.model.cross_validation import cross_validate, judgements_of
from ballast.model.features import read_backbone
from ballast.scores.estimates import strategy_intervals
from ballast.scores.intervals import MetricIntervals, interval_text
from ballast.scores.judged import independent_groups, judged_by, judged_photographs
from ballast.scores.predictions import Judgements, Predictions, read_predictions
from ballast.scores.run import Arm
from ballast.workers.processes import engine_of

HEADLINES = ("accuracy", "balanced_accuracy", "worst_class_recall")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument(
        "--strategies",
        nargs="+",
        default=["baseline", "balanced"],
        metavar="NAME",
        help="strategies of params.yaml; the first is the reference for the others; default:"
        " baseline balanced",
    )
    parser.add_argument(
        "--folds",
        type=int,
        default=5,
        metavar="N",
        help="number of folds, 2 to 1000; default: %(default)s",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[1, 2, 3],
        metavar="SEED",
        help="seeds, each 0 to 4294967295; default: 1 2 3",
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="experiments to run at a time, for networks; default: %(default)s",
    )


class CrossValidation(NamedTuple):
    """The content of outputs/strategies.json."""

    photographs: Mapping[str, int]  # judged, by class name
    independent_groups: int  # of these photographs
    folds: int
    seeds: Sequence[int]
    reference: str
    strategies: Mapping[str, MetricIntervals]
    differences: Mapping[str, Difference]  # by strategy, without the reference
    best_is_too_high_by: float  # expected excess of the highest balanced accuracy; 0 to 1


def run(options: argparse.Namespace) -> int:
    """Train and compare the requested strategies; return the exit code."""
    params = parse_params(read_text(paths.PARAMS))
    check_asked(options, params)
    raw = photographs_folder(params)
    params = replace(params, data=replace(params.data, raw=raw))
    # All photographs are dealt out to folds, so the split of the params does not matter.
    rows, _, found = split_folder(Path(raw), params, paths.INSPECTIONS)
    rows = without_held_out(params, rows)
    refuse_idle_folds(Path(raw), "--folds", options.folds, rows, options.seeds)
    groups = {row.path: row.group for row in rows}
    if params.train.has_linear_head:
        judgements = judged_here(params, options, rows, found["range_set"])
        report(judgements, groups, options, raw)
        return 0
    judge_by_experiments(params, options, groups)
    return 0


def judged_here(
    params: Params, asked: argparse.Namespace, rows: Sequence[Row], greys: Range | None
) -> Judgements:
    """Train and judge linear heads in this process."""
    found = cross_validate(
        {seed: fold_trials(rows, asked.folds, seed) for seed in asked.seeds},
        {name: params.strategies[name] for name in asked.strategies},
        params,
        read_backbone(
            params.train,
            params.data.image_size,
            paths.KERAS_DOWNLOADS,
            engine_of(params.runtime).workers,
        ),
        ContentStore(paths.IMAGE_STORE, params.runtime.image_store),
        greys,
    )
    return judgements_of(found)


def judge_by_experiments(
    params: Params, asked: argparse.Namespace, groups: Mapping[str, str]
) -> None:
    """Queue, run and compare the requested experiments."""
    raw = params.data.raw
    runs = sorted(
        (Experiment(*run) for run in product(asked.strategies, range(asked.folds), asked.seeds)),
        key=lambda run: run.seed,  # so that whole seeds finish first
    )
    by_name = {experiment_name(run): run for run in runs}

    with experiments_repo("cross-validation") as repo:
        # Only the predictions are read, not what the pipeline makes of them.
        content = code_and_photographs(raw, without=("cross-validate", "explain", "evaluate"))
        values = {name: values_of(run, asked.folds, raw) for name, run in by_name.items()}
        done = run_missing(repo, wanted(values, content), [raw], [paths.PREDICTIONS], asked.jobs)
        found = {by_name[name]: predictions_of(repo, rev) for name, rev in done.items()}

    report(complete_seeds(found, asked), groups, asked, raw)
    refuse_failed([name for name in by_name if name not in done])


def check_asked(asked: argparse.Namespace, params: Params) -> None:
    """Refuse values that params.yaml would refuse, before anything runs."""
    for name in asked.strategies:
        if name not in params.strategies:
            known = ", ".join(params.strategies)
            raise UserError(f"--strategies: {name!r} is not one of the strategies: {known}")
    for option, values in (("--strategies", asked.strategies), ("--seeds", asked.seeds)):
        if len({*values}) < len(values):
            raise UserError(f"{option}: give each value once, not {' '.join(map(str, values))}")
    if not 2 <= asked.folds <= 1000:
        raise UserError(f"--folds: must be 2 to 1000, not {asked.folds}")
    for seed in asked.seeds:
        if not 0 <= seed < 2**32:
            raise UserError(f"--seeds: each must be 0 to 4294967295, not {seed}")
    if asked.jobs < 1:
        raise UserError(f"--jobs: must be 1 or more, not {asked.jobs}")


def photographs_folder(params: Params) -> str:
    """The folder to cross-validate: data.raw, or its train folder if data.raw is already split.

    Held-out test photographs stay unused, so that they can still confirm the chosen strategy. Those
    of a table are left out later: they need not be in a folder of their own.
    """
    raw, table = Path(params.data.raw), params.split.group
    if params.data.labels:
        return params.data.raw
    layout = folder_layout(raw, params.data.exclude)
    given = given_parents(layout)
    folders = {(raw / parent).as_posix(): subset for parent, subset in sorted(given.items())}
    trains = [folder for folder, subset in folders.items() if subset == "train"]
    if len({*folders.values()}) < 2 or not trains:
        return params.data.raw
    train, *more = trains
    if more:
        raise UserError(
            f"params.yaml: data.raw: {train} and {more[0]} are both for training, but only one"
            " folder can be cross-validated; merge them"
        )
    beside = [
        path
        for path, place in layout.places.items()
        if isinstance(place, Place) and place.given == "train"
        if not (raw / path).as_posix().startswith(f"{train}/")
    ]
    if beside:
        raise UserError(
            f"params.yaml: data.raw: {raw.as_posix()}: its training photographs are in shards"
            " beside others, but only a folder can be cross-validated; move these shards into"
            f" {train}"
        )
    for pattern in params.data.exclude:
        if "/" in pattern.removeprefix("**/").rstrip("/"):
            raise UserError(
                f"params.yaml: data.exclude: {pattern} is relative to {raw.as_posix()}, but only"
                f" {train} is cross-validated; set data.raw: {train}, and write the pattern"
                " relative to that"
            )
    if table and table.endswith(".csv"):
        raise UserError(
            f"params.yaml: split.group: {table} lists paths relative to {raw.as_posix()}, but only"
            f" {train} is cross-validated; put a {table} with paths relative to {train} into"
            f" {train}, and set data.raw: {train}"
        )
    others = ", ".join(folder for folder in folders if folder != train)
    print(f"cross-validating {train}; leaving out {others}")
    return train


def without_held_out(params: Params, rows: Sequence[Row]) -> list[Row]:
    """Leave out the photographs that a table of data.labels holds out.

    Raises:
        UserError: if an experiment would judge them: each splits the photographs again.
    """
    left = [row for row in rows if row.given in (None, "train")]
    if len(left) == len(rows):
        return left
    if not params.train.has_linear_head:
        raise UserError(
            "params.yaml: data.labels: the table gives the split, so each experiment would judge"
            " the same photographs; name a table of its training photographs alone"
        )
    print(f"cross-validating {len(left)} photographs; leaving out the others for val or test")
    return left


def experiment_name(run: Experiment) -> str:
    """A name that is valid as a git reference."""
    return f"cv-{re.sub(r'[^A-Za-z0-9_-]', '_', run.strategy)}-f{run.fold}-s{run.seed}"


def values_of(run: Experiment, folds: int, raw: str) -> dict[str, Any]:
    """Where the params of a run differ from params.yaml, by dotted key."""
    return {
        "strategy": run.strategy,
        "data.raw": raw,
        "split.folds": folds,
        "split.fold": run.fold,
        "seed": run.seed,
    }


def predictions_of(repo: Repo, revision: str) -> Predictions:
    """Read an experiment's outputs/predictions.csv."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "predictions.csv")
        write_bytes(path, read_file(repo, revision, paths.PREDICTIONS.as_posix()))
        return read_predictions(path)


def complete_seeds(
    found: Mapping[Experiment, Predictions], asked: argparse.Namespace
) -> Judgements:
    """Pool the folds of the seeds whose experiments have all finished.

    Raises:
        UserError: if there is no such seed.
    """
    folds = range(asked.folds)
    seeds = [
        seed
        for seed in asked.seeds
        if all(Experiment(name, fold, seed) in found for name in asked.strategies for fold in folds)
    ]
    if not seeds:
        raise UserError("no seed has a complete set of experiments; the warnings above say why")
    return {
        name: {
            seed: pool([found[Experiment(name, fold, seed)] for fold in folds]) for seed in seeds
        }
        for name in asked.strategies
    }


def report(
    judgements: Judgements, groups: Mapping[str, str], asked: argparse.Namespace, raw: str
) -> None:
    """Compare the strategies; write and print the results.

    Args:
        judgements: predictions by strategy and seed.
        groups: name of each photograph's group, by path.
        asked: the arguments.
        raw: the folder that was cross-validated.
    """
    pooled = shared(judgements)
    arms = []
    for name in asked.strategies:
        judged = judged_by(list(pooled[name].values()), groups)
        arms.append(Arm(name, judged, True, strategy_intervals(judged)))
    reference, *others = arms
    values = CrossValidation(
        photographs=judged_photographs(reference.judged),
        independent_groups=independent_groups(reference.judged),
        folds=asked.folds,
        seeds=[*pooled[reference.name]],
        reference=reference.name,
        strategies={arm.name: arm.metrics for arm in arms},
        differences={arm.name: difference(reference, arm, len(others)) for arm in others},
        best_is_too_high_by=optimism([arm.judged for arm in arms], seed=asked.seeds[0]),
    )
    write_json(paths.STRATEGIES, values)
    print(as_text(values, raw))


def as_text(values: CrossValidation, raw: str) -> str:
    """The values of outputs/strategies.json as Markdown tables and sentences."""
    names = [f"recall {name} ({n})" for name, n in values.photographs.items()]

    def row(name: str, metrics: MetricIntervals, sign: str) -> list[str]:
        overall = [getattr(metrics, key) for key in HEADLINES]
        return [
            name,
            *(interval_text(of, sign=sign) for of in (*overall, *metrics.recall.values())),
        ]

    rows = [row(name, metrics, "") for name, metrics in values.strategies.items()]
    rows += [
        row(f"{name} - {values.reference}", of.metrics, "+")
        for name, of in values.differences.items()
    ]
    paragraphs = [
        f"{sum(values.photographs.values())} photographs of {raw}, each judged once per seed in"
        f" {values.folds} folds by a model that had not seen it; means over the seeds"
        f" {', '.join(map(str, values.seeds))}, with 95 % intervals:",
        tabulate(rows, headers=["", *HEADLINES, *names], tablefmt="github", disable_numparse=True),
    ]
    paragraphs += [verdict_lines(of.verdict, of.verdicts) for of in values.differences.values()]
    if len(values.strategies) > 1:
        paragraphs.append(too_high_text(values.best_is_too_high_by))
    return "\n\n".join(paragraphs)
