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
import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from dvc.exceptions import DvcException, OutputNotFoundError
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from msgspec.structs import replace
from tabulate import tabulate
from tqdm import tqdm

from ballast.comparison.optimism import optimism
from ballast.comparison.pooled import Experiment, pool, shared
from ballast.comparison.runs import Difference, difference
from ballast.comparison.verdicts import too_high_text, verdict_lines
from ballast.core import paths
from ballast.core.errors import UserError, counted, warn
from ballast.core.files import read_text, write_bytes, write_json
from ballast.core.greys import Range
from ballast.core.manifest import Row
from ballast.core.params import Params, as_dict, parse_params
from ballast.core.source import code_deps, source_hash
from ballast.core.store import ContentStore
from ballast.dataset.layout import folder_layout, given_parents
from ballast.dataset.listing import list_files, unreadable
from ballast.dataset.split import refuse_idle_folds, split_folder
from ballast.dvc_tools.cache import file_md5
from ballast.dvc_tools.experiments import (
    clear_queue,
    finished,
    queue_experiment,
    read_file,
    run_queue,
)
from ballast.model.cross_validation import cross_validate, fold_trials
from ballast.model.features import read_backbone
from ballast.scores.estimates import strategy_intervals
from ballast.scores.intervals import MetricIntervals, interval_text
from ballast.scores.judged import independent_groups, judged_by, judged_photographs
from ballast.scores.predictions import Judgements, Predictions, read_predictions
from ballast.scores.run import Arm

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
    try:
        judge_by_experiments(params, options, groups)
    except DvcException as error:
        raise UserError(f"DVC: {error}") from None
    return 0


def judged_here(
    params: Params, asked: argparse.Namespace, rows: Sequence[Row], greys: Range | None
) -> Judgements:
    """Train and judge linear heads in this process."""
    return cross_validate(
        {seed: fold_trials(rows, asked.folds, seed) for seed in asked.seeds},
        {name: params.strategies[name] for name in asked.strategies},
        params,
        read_backbone(params.train, params.data.image_size, paths.KERAS_DOWNLOADS, prepare=True),
        ContentStore(paths.IMAGE_STORE, params.runtime.image_store),
        greys,
    )


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

    with git_repo() as repo, only_one(repo):
        content = code_and_photographs(raw)
        messages = {
            name: f"{name}, of {fingerprint(overridden(params, run, asked.folds, raw), content)}"
            for name, run in by_name.items()
        }
        clear_queue(repo, by_name)  # left by a run that was killed
        done = finished(repo, messages)
        waiting = [name for name in by_name if name not in done]
        print(f"{len(by_name)} experiments, {len(done)} of them already finished")
        copy = paths_to_copy(repo, raw)
        try:
            for name in tqdm(waiting, desc="queued", disable=None):
                values = set_params(by_name[name], asked.folds, raw)
                queue_experiment(repo, name, messages[name], values, copy)
            run_all(repo, waiting, asked.jobs)
        finally:
            clear_queue(repo, by_name)
        done = finished(repo, messages)
        found = {by_name[name]: predictions_of(repo, rev) for name, rev in done.items()}

    failed = [name for name in by_name if name not in done]
    report(complete_seeds(found, asked), groups, asked, raw)
    if failed:
        raise UserError(
            f"{counted(len(failed), 'experiment')} failed: {', '.join(failed)}; run the command"
            " again"
        )


def check_asked(asked: argparse.Namespace, params: Params) -> None:
    """Refuse values that params.yaml would refuse, before anything runs."""
    for name in asked.strategies:
        if name not in params.strategies:
            known = ", ".join(params.strategies)
            raise UserError(f"--strategies: {name!r} is not one of the strategies: {known}")
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
    given = given_parents(folder_layout(raw, params.data.exclude))
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


@contextmanager
def git_repo() -> Iterator[Repo]:
    """Open this folder as a DVC repository.

    Raises:
        UserError: if there is no git repository, it has no commit, or it is shallow.
    """
    has_commit = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", "HEAD"], capture_output=True, check=False
    )
    if has_commit.returncode:
        raise UserError(
            "cross-validation needs a git repository with a commit, where DVC keeps its"
            " experiments: git init && git add . && git commit -m start"
        )
    shallow = ["git", "rev-parse", "--is-shallow-repository"]
    if subprocess.run(shallow, capture_output=True, check=True).stdout.strip() == b"true":
        raise UserError(
            "this clone is shallow, and DVC cannot run experiments in it; run git fetch --unshallow"
        )
    with Repo() as repo:
        yield repo


@contextmanager
def only_one(repo: Repo) -> Iterator[None]:
    """Prevent a second cross-validation, which would kill the workers of the first."""
    lock = make_lock(str(Path(repo.tmp_dir, "cross-validation-lock")), tmp_dir=repo.tmp_dir)
    try:
        lock.lock()
    except LockError:
        raise UserError(
            "another cross-validation is running here; wait for it, or stop it"
        ) from None
    try:
        yield
    finally:
        lock.unlock()


def experiment_name(run: Experiment) -> str:
    """A name that is valid as a git reference."""
    return f"cv-{re.sub(r'[^A-Za-z0-9_-]', '_', run.strategy)}-f{run.fold}-s{run.seed}"


def overridden(params: Params, run: Experiment, folds: int, raw: str) -> dict[str, Any]:
    """The params of a run: only its own strategy, and no runtime, which changes no byte."""
    values = as_dict(params, without=("runtime",))
    values["data"]["raw"] = raw
    values["split"] |= {"folds": folds, "fold": run.fold}
    values["strategies"] = values["strategies"][run.strategy]
    return values | {"strategy": run.strategy, "seed": run.seed}


def set_params(run: Experiment, folds: int, raw: str) -> list[str]:
    """The overridden params as arguments of dvc exp run --set-param."""

    def quoted(text: str) -> str:
        return "'" + re.sub(r"([\\'])", r"\\\1", text) + "'"

    return [
        f"strategy={quoted(run.strategy)}",
        f"data.raw={quoted(raw)}",
        f"split.folds={folds}",
        f"split.fold={run.fold}",
        f"seed={run.seed}",
    ]


def code_and_photographs(raw: str) -> dict[str, str]:
    """Hashes of everything that an experiment's result depends on: the code and each file."""
    defined = yaml.safe_load(read_text(Path("dvc.yaml")))["stages"]
    # The stages up to the predictions; an opt-in stage has no deps, but one row per item.
    others = ("cross-validate", "evaluate")
    stages = [name for name, stage in defined.items() if "deps" in stage and name not in others]
    code = source_hash(code_deps(defined, stages))
    files = [Path("dvc.yaml"), Path("pyproject.toml")]
    files += [Path(raw, name) for name in list_files(Path(raw))]
    hashes = {str(path): file_md5(path) for path in files if not unreadable(path)}
    return {"code": code, **hashes}


def fingerprint(*values: object) -> str:
    """A short hash of JSON-serialisable values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def paths_to_copy(repo: Repo, raw: str) -> list[str]:
    """Paths to copy into the folder of an experiment, since git does not have them.

    Raises:
        UserError: if copying cannot bring the photographs there.
    """
    path = Path(raw)
    if path.is_absolute():
        return []
    # An experiment's folder has the whole git repository, so .. may lead elsewhere in that.
    if not path.resolve().is_relative_to(Path(repo.scm.root_dir).resolve()):
        raise UserError(
            f"params.yaml: data.raw: each experiment runs in a folder of its own, where {raw} does"
            f" not exist; set data.raw to {path.resolve()}"
        )
    try:
        repo.find_outs_by_path(raw)
    except OutputNotFoundError:
        pass
    else:
        return []
    listed = subprocess.run(["git", "ls-files", "-z", "--", raw], capture_output=True, check=True)
    in_git = set(listed.stdout.decode(errors="surrogateescape").split("\0")) - {""}
    if not in_git:
        return [raw]
    others = [name for name in list_files(path) if (path / name).as_posix() not in in_git]
    if others:
        warn(f"{raw}: {len(others)} files are not in git, so experiments lack them: {others[0]}")
    return []


def run_all(repo: Repo, names: Sequence[str], jobs: int) -> None:
    """Run the queued experiments; show the progress and any failures."""
    with tqdm(total=len(names), desc="experiments", unit="", disable=None) as progress:
        for ended in run_queue(repo, names, jobs):
            progress.update()
            if ended.failure:
                progress.clear()
                warn(f"{ended.name} failed: {ended.failure}")
            elif progress.disable:
                print(f"{ended.name} is done", flush=True)


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
