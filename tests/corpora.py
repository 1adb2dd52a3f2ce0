"""Inspect every file of a folder as split does; make test-corpora FOLDER=folder runs it.

    python tests/corpora.py FOLDER [--megapixels N] [--table FILE.csv]

Meant for folders of odd image files, such as the test images of other libraries. Takes all files as
one class. Each file is inspected in a new process, one at a time, so that a crash has a name, and
time and memory are those of this file alone:

- seconds: from before the file is read until its result is there, on the clock of the wall;
- memory: how much the peak of the process's resident memory grew from the moment before. Pages that
  the process had before count once, so the figure can be a few MiB too low, never too high.

A process that takes more than 60 s or 4 GiB of addresses counts as a crash. Exits with code 1 if a
file crashes, has no result, or takes more than the 1 GiB of ballast/core/image_limits.py. Files
that take more than its 2 s are only counted: the machine may be busy.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pillow_heif
from PIL import Image
from tabulate import tabulate

from ballast.core.files import read_text, write_csv
from ballast.core.params import parse_params
from ballast.dataset.duplicates import HashTable
from ballast.dataset.exclusion import excluded
from ballast.dataset.layout import Place
from ballast.dataset.listing import list_files, printable
from ballast.dataset.losses import by_reason
from ballast.dataset.scan import Photo, Rejection, inspect_files, sort_out
from ballast.workers.processes import Engine
from ballast.workers.progress import with_progress

PARAMS = Path(__file__).parent.parent / "params.yaml"
MOST_SECONDS = 2.0
MOST_MEBIBYTES = 1024.0
PATIENCE = 60.0  # seconds
ADDRESSES = 4 * 2**30  # bytes, in addition to those that the process starts with
SHOWN = 5  # of the slowest and of the largest files
FORK = multiprocessing.get_context("fork")  # a new process in 10 ms, with all imports done


class Inspection(NamedTuple):
    """What came of a file. The path is as rejected.csv would print it."""

    path: str
    result: Photo | Rejection | None  # None after a crash
    crash: str = ""  # what ended the process
    seconds: float = 0.0
    mebibytes: float = 0.0


def main() -> int:
    """Inspect a folder; print what came of it.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--megapixels", type=float, help="default: that of params.yaml")
    parser.add_argument("--table", type=Path, help="a CSV file for the result of each file")
    arguments = parser.parse_args()
    raw = Path(arguments.folder)
    if not (arguments.folder and raw.is_dir()):
        parser.error(f"no such folder: {arguments.folder!r}")
    megapixels = arguments.megapixels or parse_params(read_text(PARAMS)).data.max_megapixels
    paths = list_files(raw)
    warm_up()
    inspected = inspect_each(raw, paths, megapixels)
    inspections = list(with_progress(inspected, len(paths), "files"))
    missing = unaccounted(raw, inspections)
    print(report(inspections, missing))
    if arguments.table:
        rows = [(one.path, outcome(one), one.seconds, one.mebibytes) for one in inspections]
        write_csv(arguments.table, ("path", "outcome", "seconds", "mebibytes"), rows)
    return 1 if missing or any(map(is_failure, inspections)) else 0


def warm_up() -> None:
    """Have this process import what inspections need, so that no new process must."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("warm.avif", "warm.png")
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
        for name in names:
            Image.new("RGB", (64, 64)).save(Path(folder) / name)
        places = dict.fromkeys(names, Place("all", None))
        assert all(
            isinstance(one, Photo)
            for one in inspect_files(Path(folder), places, 1, Engine(1), HashTable())
        )


def inspect_each(raw: Path, paths: list[str], megapixels: float) -> Iterator[Inspection]:
    """Inspect files one after another, each in a new process."""
    reasons = excluded(raw, paths, [])
    for path in paths:
        place = reasons.get(path) or Place("all", None)
        receiver, sender = FORK.Pipe(duplex=False)
        child = FORK.Process(target=_inspect, args=(sender, raw, path, place, megapixels))
        child.start()
        sender.close()
        answer: Inspection | None = None
        crash = f"no result after {PATIENCE:.0f} s"
        if receiver.poll(PATIENCE):
            try:
                answer = receiver.recv()
            except EOFError:
                child.join()
                code = child.exitcode or 0
                crash = f"signal {-code}" if code < 0 else f"exit code {code}"
        child.kill()
        child.join()
        receiver.close()
        yield answer or Inspection(printable(path), None, crash)


def _inspect(
    sender: Connection, raw: Path, path: str, place: Place | str, megapixels: float
) -> None:
    """Inspect one file in this process, and send an Inspection."""
    start = memory("VmSize") * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (int(start) + ADDRESSES, resource.RLIM_INFINITY))
    before = memory("VmHWM")
    started = time.perf_counter()
    result: Photo | Rejection | None = None
    crash = ""
    try:
        (result,) = inspect_files(raw, {path: place}, megapixels, Engine(1), HashTable())
    except Exception as error:  # which would end split
        crash = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    spent = memory("VmHWM") - before
    sender.send(Inspection(printable(path), result, crash, seconds, spent))


def memory(field: str) -> float:
    """A figure of /proc/self/status in MiB; getrusage includes the memory of the parent."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def unaccounted(raw: Path, inspections: list[Inspection]) -> list[str]:
    """The files for which there is neither a result of their own nor a crash."""
    told = {one.path for one in inspections if one.crash}
    told |= {one.result.path for one in inspections if one.result}
    there = {
        printable(os.path.relpath(Path(folder) / name, raw))
        for folder, _, names in os.walk(raw)
        for name in names
    }
    return sorted((there | {one.path for one in inspections}) - told)


def is_failure(one: Inspection) -> bool:
    """Whether a file crashed, or took more memory than is promised."""
    return bool(one.crash) or one.mebibytes > MOST_MEBIBYTES


def outcome(one: Inspection) -> str:
    """What came of a file, in words."""
    if isinstance(one.result, Photo):
        return f"photograph, {one.result.width} x {one.result.height}"
    return one.result.reason if one.result else f"CRASH: {one.crash}"


def report(inspections: list[Inspection], missing: list[str]) -> str:
    """The report on a folder."""
    photos, twins, rejections = sort_out([one.result for one in inspections if one.result])
    rejections += [Rejection(photo.path, f"same bytes as {kept.path}") for photo, kept in twins]
    crashes = [one for one in inspections if one.crash]
    slow = [one for one in inspections if one.seconds > MOST_SECONDS]
    large = [one for one in inspections if one.mebibytes > MOST_MEBIBYTES]
    counts = {
        "files": len({one.path for one in inspections} | {*missing}),
        "photographs": len(photos),
        "rejected": len(rejections),
        "crashes": len(crashes),
        "unaccounted for": len(missing),
        f"above {MOST_MEBIBYTES:.0f} MiB": len(large),
        f"above {MOST_SECONDS:.0f} s (no failure)": len(slow),
    }
    lines = [tabulate(counts.items(), tablefmt="plain"), "", "rejected:"]
    lines += [f"  {count} {reason}" for reason, count in by_reason(rejections).items()]
    lines += ["", "slowest:"]
    by_time = sorted(inspections, key=lambda one: -one.seconds)
    lines += [f"  {one.seconds:.2f} s  {one.path}" for one in by_time[:SHOWN]]
    lines += ["", "largest:"]
    by_memory = sorted(inspections, key=lambda one: -one.mebibytes)
    lines += [f"  {one.mebibytes:.0f} MiB  {one.path}" for one in by_memory[:SHOWN]]
    lines += [f"CRASH: {one.path}: {one.crash}" for one in crashes]
    lines += [f"UNACCOUNTED FOR: {path}" for path in missing]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
