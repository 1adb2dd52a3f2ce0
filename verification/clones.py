"""Clone a commit, and run the clone under a difference."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import yaml

from ballast.core.errors import UserError
from ballast.dataset.listing import list_files
from verification.differences import Difference

RAW = "data/verified"


class RunError(UserError):
    """A run that failed; the message holds the end of its output."""


class Clone(NamedTuple):
    """A project folder, and how to start programs in it."""

    folder: Path
    difference: Difference
    environment: Mapping[str, str]


def make_clone(source: Path, scratch: Path, difference: Difference, epochs: int | None) -> Clone:
    """Clone HEAD, with a copy of the photographs and a DVC cache of its own.

    Args:
        source: the git repository of the project.
        scratch: a folder for this clone and its files.
        difference: the conditions of the run.
        epochs: number of epochs to train; None for the number in params.yaml.

    Raises:
        RunError: if HEAD cannot be cloned.
    """
    folder = scratch / difference.folder
    paths = [Path(sys.executable).parent, os.environ["PATH"]]
    if difference.processor:
        paths.insert(0, _emulator(scratch, difference.processor))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "DVC_"))
    }
    environment |= {"PATH": os.pathsep.join(map(str, paths)), **difference.environment}
    clone = Clone(folder, difference, environment)
    scratch.mkdir(parents=True, exist_ok=True)
    run(clone, "git", "clone", "--quiet", str(source), str(folder), cwd=scratch)

    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    # If the photographs are not in git, use those of the working folder.
    raws = [top / params["data"]["raw"] for top in (folder, source)]
    raw = raws[0] if raws[0].is_dir() else raws[1]
    copy_photos(raw, folder / RAW, reverse=difference.reversed_raw)
    params["data"]["raw"] = RAW
    params["runtime"] |= {"workers": difference.workers, "engine": difference.engine}
    if epochs:
        params["train"]["epochs"] = epochs
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    # A cache shared with other projects might already contain the outputs.
    run(clone, "dvc", "config", "--local", "cache.dir", ".dvc/cache")
    return clone


def copy_photos(raw: Path, target: Path, *, reverse: bool) -> None:
    """Copy every file; in reverse, in the opposite order, via other names, with other dates."""
    files = sorted(list_files(raw), reverse=reverse)
    fresh = target.with_name("being-copied") if reverse else target
    for age, name in enumerate(files):
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"new {age}") if reverse else path
        shutil.copyfile(raw / name, new)
        os.utime(new, (10**9 - age, 10**9 - age) if reverse else None)
        new.rename(path)
    fresh.rename(target)


def run(clone: Clone, *command: str, cwd: Path | None = None) -> str:
    """Run a program in a clone, under its difference.

    Returns:
        Its standard output.

    Raises:
        RunError: if it fails.
    """
    done = subprocess.run(
        [*clone.difference.command, *command],
        cwd=cwd or clone.folder,
        env=clone.environment,
        umask=clone.difference.umask,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise RunError(f"{' '.join(command)}: {done.stdout}{done.stderr}"[-2000:])
    return done.stdout


def head_file(source: Path, path: str) -> str:
    """Read a file of HEAD.

    Raises:
        RunError: if HEAD has no such file.
    """
    done = subprocess.run(
        ["git", "show", f"HEAD:{path}"], cwd=source, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RunError(done.stderr.strip())
    return done.stdout


def start(clone: Clone, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Start dvc repro in its own process group, so that a signal reaches all its processes."""
    return subprocess.Popen(
        [*clone.difference.command, "dvc", "repro", *arguments],
        cwd=clone.folder,
        env=clone.environment,
        umask=clone.difference.umask,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def stages_started(process: subprocess.Popen[str], said: list[str]) -> Iterator[str]:
    """Yield each stage as DVC starts it, until the process ends; append all lines to `said`."""
    assert process.stdout
    for line in process.stdout:
        said.append(line)
        if line.startswith("Running stage '"):
            yield line.split("'")[1]


def repro(clone: Clone, targets: Sequence[str] = ()) -> dict[str, float]:
    """Run dvc repro.

    Args:
        clone: the project.
        targets: stages; empty for all.

    Returns:
        The seconds that each executed stage took, in order.

    Raises:
        RunError: if it fails.
    """
    said: list[str] = []
    moments = []
    with start(clone, targets) as process:
        for stage in stages_started(process, said):
            moments.append((stage, time.monotonic()))
    if process.returncode:
        raise RunError("".join(said)[-2000:])
    moments.append(("", time.monotonic()))
    return {stage: end - moment for (stage, moment), (_, end) in pairwise(moments)}


def interrupted_repro(
    clone: Clone,
    targets: Sequence[str],
    durations: Mapping[str, float],
    number: signal.Signals,
    share: float,
) -> None:
    """Run dvc repro, interrupt it once in every stage, and restart it each time.

    Args:
        clone: the project.
        targets: stages; empty for all.
        durations: seconds by stage, measured by repro in a similar clone.
        number: the signal.
        share: share of a stage's duration after which to send the signal.

    Raises:
        RunError: if the last run fails.
    """
    for stage, duration in durations.items():
        delay = share * duration
        _interrupt(clone, targets, stage, number, delay)
        while stage not in run(clone, "dvc", "status", stage):
            # The stage ended before the signal: try again, sooner.
            delay /= 2
            _interrupt(clone, ["--force", "--single-item", stage], stage, number, delay)
    repro(clone, targets)


def _interrupt(
    clone: Clone, arguments: Sequence[str], stage: str, number: signal.Signals, delay: float
) -> None:
    with start(clone, arguments) as process:
        for started in stages_started(process, []):
            if started == stage:
                time.sleep(delay)
                os.killpg(process.pid, number)
                break
        process.communicate()
    # Like make, since DVC may have been killed while it wrote dvc.lock.
    run(clone, "python", "-m", "ballast", "check")


def pull(
    clone: Clone, targets: Sequence[str], remote: Path, lock: Path, outputs: Sequence[str] = ()
) -> None:
    """Copy a dvc.lock, pull its outputs (or only `outputs`), and run dvc repro.

    Raises:
        RunError: if any of these fails.
    """
    shutil.copyfile(lock, clone.folder / "dvc.lock")
    run(clone, "dvc", "remote", "add", "--local", "--default", "verified", str(remote))
    run(clone, "dvc", "pull", *outputs)
    repro(clone, targets)


def _emulator(scratch: Path, processor: str) -> Path:
    """Make a folder with a `python` that runs this one on an emulated processor."""
    folder = scratch / "emulator"
    folder.mkdir(parents=True)
    python = folder / "python"
    # qemu warns about every feature that it does not emulate.
    python.write_text(
        f'#!/bin/sh\nexec qemu-x86_64 -cpu {processor} {sys.executable} "$@" 2>>{folder}/warnings\n'
    )
    python.chmod(0o755)
    return folder
