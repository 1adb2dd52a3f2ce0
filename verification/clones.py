"""Clones of a commit, run as a difference wants them."""

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
    """A run that did not end as it should; the message has the last of what it said."""


class Clone(NamedTuple):
    """A project's folder, and how programs are started in it."""

    folder: Path
    difference: Difference
    environment: Mapping[str, str]


def make_clone(source: Path, scratch: Path, difference: Difference, epochs: int | None) -> Clone:
    """Clone HEAD, with a copy of the photographs and a DVC cache of its own.

    Args:
        source: the git repository of the project.
        scratch: a folder for this clone and what belongs to it.
        difference: what is to be different.
        epochs: where given, training ends after so many.

    Raises:
        RunError: where HEAD cannot be cloned.
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
    # Where git does not have the photographs, those of the working folder.
    raws = [top / params["data"]["raw"] for top in (folder, source)]
    raw = raws[0] if raws[0].is_dir() else raws[1]
    copy_photos(raw, folder / RAW, reverse=difference.reversed_raw)
    params["data"]["raw"] = RAW
    params["runtime"] |= {"workers": difference.workers, "engine": difference.engine}
    if epochs:
        params["train"]["epochs"] = epochs
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    # A cache that is shared with other projects would hold the answer already.
    run(clone, "dvc", "config", "--local", "cache.dir", ".dvc/cache")
    return clone


def copy_photos(raw: Path, target: Path, *, reverse: bool) -> None:
    """Copy every file; in reverse also their folders, under other names first and other dates."""
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
        What it printed.

    Raises:
        RunError: where it fails.
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
    """A file as HEAD has it.

    Raises:
        RunError: where HEAD has none.
    """
    done = subprocess.run(
        ["git", "show", f"HEAD:{path}"], cwd=source, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RunError(done.stderr.strip())
    return done.stdout


def start(clone: Clone, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Start dvc repro in a process group of its own, so that a signal reaches all of it."""
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
    """Name each stage as DVC starts it, until the process ends; `said` gets every line."""
    assert process.stdout
    for line in process.stdout:
        said.append(line)
        if line.startswith("Running stage '"):
            yield line.split("'")[1]


def repro(clone: Clone, targets: Sequence[str] = ()) -> dict[str, float]:
    """Run dvc repro.

    Args:
        clone: where.
        targets: stages; none for all.

    Returns:
        How long each stage took that ran, in seconds, in their order.

    Raises:
        RunError: where it fails.
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
    """Run dvc repro, interrupt it once in every stage, start it again each time.

    Args:
        clone: where.
        targets: stages; none for all.
        durations: as repro measured them in a clone like this.
        number: the signal.
        share: of a stage's duration, when the signal is sent.

    Raises:
        RunError: where the last run fails.
    """
    for stage, duration in durations.items():
        delay = share * duration
        _interrupt(clone, targets, stage, number, delay)
        while stage not in run(clone, "dvc", "status", stage):
            # It was over before the signal came: once more, and sooner.
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
    # As make does: DVC may have been killed while it wrote dvc.lock.
    run(clone, "python", "-m", "ballast", "check")


def pull(
    clone: Clone, targets: Sequence[str], remote: Path, lock: Path, outputs: Sequence[str] = ()
) -> None:
    """Take over a dvc.lock, pull the outputs that it names (or only `outputs`), then dvc repro.

    Raises:
        RunError: where any of it fails.
    """
    shutil.copyfile(lock, clone.folder / "dvc.lock")
    run(clone, "dvc", "remote", "add", "--local", "--default", "verified", str(remote))
    run(clone, "dvc", "pull", *outputs)
    repro(clone, targets)


def _emulator(scratch: Path, processor: str) -> Path:
    """A folder with a `python` that runs this one on another processor."""
    folder = scratch / "emulator"
    folder.mkdir(parents=True)
    python = folder / "python"
    # qemu warns of every feature that it leaves out.
    python.write_text(
        f'#!/bin/sh\nexec qemu-x86_64 -cpu {processor} {sys.executable} "$@" 2>>{folder}/warnings\n'
    )
    python.chmod(0o755)
    return folder
