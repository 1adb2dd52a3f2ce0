"""Make the rows of the table: each runs its own clone and compares it with a reference."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from verification.clones import (
    Clone,
    RunError,
    head_file,
    interrupted_repro,
    make_clone,
    pull,
    repro,
    run,
)
from verification.comparison import (
    FirstDifference,
    Outputs,
    different,
    first_difference,
    locked_outputs,
    read_outputs,
)
from verification.differences import (
    DATA_STAGES,
    Difference,
    missing_tool,
    old_processors,
    other_engines,
    other_processors,
    single_differences,
    together,
)


class Row(NamedTuple):
    """The result of one run."""

    name: str
    different: Sequence[str] = ()  # artefacts
    first: FirstDifference | None = None
    failed: str = ""  # why the run failed
    skipped: str = ""  # why it did not run


class Report(NamedTuple):
    """The whole table."""

    artefacts: list[str]
    rows: list[Row]


class Reference(NamedTuple):
    """A finished run with which the others are compared."""

    clone: Clone
    outputs: Outputs
    durations: dict[str, float]  # of its stages, in seconds


class Plan(NamedTuple):
    """A row to run."""

    difference: Difference
    reference: Reference
    epochs: int | None
    run: Callable[[Clone], object]


def verify(
    source: Path,
    scratch: Path,
    epochs: int | None,
    jobs: int,
    only: Sequence[str] = (),
    targets: Sequence[str] = (),
) -> Report:
    """Run the pipeline under every difference.

    Args:
        source: the project's git repository.
        scratch: an empty folder.
        epochs: epochs to train in all but two runs; None to train as committed in all.
        jobs: number of runs at a time.
        only: names of rows; empty for all.
        targets: stages; empty for all.

    Raises:
        RunError: if the reference itself fails.
    """
    with ThreadPoolExecutor(jobs) as pool:
        full_run = pool.submit(_reference, source, scratch / "full", None, targets)
        short = (
            _reference(source, scratch / "short", epochs, targets) if epochs else full_run.result()
        )
        remote, lock = scratch / "remote", short.clone.folder / "dvc.lock"
        run(short.clone, "dvc", "remote", "add", "--local", "--default", "verified", str(remote))
        run(short.clone, "dvc", "push")
        full = full_run.result()

        singles = single_differences(scratch / "home")
        cold = partial(repro, targets=targets)
        pulled = partial(pull, targets=targets, remote=remote, lock=lock)
        interrupted = partial(interrupted_repro, targets=targets, durations=short.durations)
        plans = [
            Plan(together(singles), full, None, cold),
            *(
                Plan(
                    Difference(f"{number.name} in every stage"),
                    short,
                    epochs,
                    partial(interrupted, number=number, share=share),
                )
                for number, share in ((signal.SIGINT, 0.25), (signal.SIGKILL, 0.4))
            ),
            *(Plan(difference, short, epochs, cold) for difference in (*singles, *other_engines())),
            Plan(
                Difference("partly restored by dvc pull"),
                short,
                epochs,
                partial(pulled, outputs=["data/manifest.csv", "data/augmented"]),
            ),
            Plan(Difference("restored by dvc pull"), short, epochs, pulled),
        ]
        rows = [_lock_row(source, full), *_rows(pool, source, scratch, plans, only)]
    return Report(list(full.outputs), rows)


def verify_processors(source: Path, scratch: Path, jobs: int, only: Sequence[str] = ()) -> Report:
    """Run the whole pipeline for other processors, and the data stages on an old one.

    Args:
        source: the project's git repository.
        scratch: an empty folder.
        jobs: number of runs at a time.
        only: names of rows to run; empty for all.
    """
    here = _reference(source, scratch / "here", None, ())
    data = partial(repro, targets=DATA_STAGES)
    plans = [
        *(Plan(difference, here, None, repro) for difference in other_processors()),
        *(
            Plan(difference, _part(here, DATA_STAGES), None, data)
            for difference in old_processors()
        ),
    ]
    with ThreadPoolExecutor(jobs) as pool:
        rows = [_lock_row(source, here), *_rows(pool, source, scratch, plans, only)]
    return Report(list(here.outputs), rows)


def _part(whole: Reference, stages: Sequence[str]) -> Reference:
    """Restrict a run to some stages and the split before them."""
    durations = {name: whole.durations[name] for name in ("split", *stages)}
    return Reference(whole.clone, read_outputs(whole.clone.folder, durations), durations)


def _reference(
    source: Path, scratch: Path, epochs: int | None, targets: Sequence[str]
) -> Reference:
    clone = make_clone(source, scratch, Difference("reference"), epochs)
    durations = repro(clone, targets)
    return Reference(clone, read_outputs(clone.folder, durations), durations)


def _rows(
    pool: ThreadPoolExecutor,
    source: Path,
    scratch: Path,
    plans: Sequence[Plan],
    only: Sequence[str],
) -> list[Row]:
    chosen = [plan for plan in plans if not only or plan.difference.name in only]
    rows = pool.map(
        lambda numbered: _row(source, scratch / f"row {numbered[0]}", numbered[1]),
        enumerate(chosen, start=1),
    )
    return list(tqdm(rows, total=len(chosen), desc="runs", disable=None))


def _row(source: Path, scratch: Path, plan: Plan) -> Row:
    difference, reference = plan.difference, plan.reference
    tool = missing_tool(difference)
    if tool:
        return Row(difference.name, skipped=f"{tool} is not installed")
    try:
        clone = make_clone(source, scratch, difference, plan.epochs)
        plan.run(clone)
    except RunError as error:
        return Row(difference.name, failed=str(error))
    found = read_outputs(clone.folder, reference.durations)
    changed = different(reference.outputs, found)
    if not changed:
        return Row(difference.name)
    first = first_difference(
        reference.outputs[changed[0]],
        found.get(changed[0], {}),
        reference.clone.folder,
        clone.folder,
    )
    return Row(difference.name, changed, first)


def _lock_row(source: Path, full: Reference) -> Row:
    """Compare the run of full length with the committed dvc.lock."""
    name = "dvc.lock in git"
    try:
        committed = locked_outputs(head_file(source, "dvc.lock"))
    except RunError:
        return Row(name, skipped="HEAD has no dvc.lock")
    lock = (full.clone.folder / "dvc.lock").read_text(encoding="utf-8")
    changed = different(locked_outputs(lock), committed)
    return Row(name, changed, FirstDifference(changed[0]) if changed else None)
