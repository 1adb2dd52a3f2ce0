"""Measure dvc push, and dvc pull in full and in parts.

    python -m benchmarks.sharing                     5 rounds, with a folder as the remote
    python -m benchmarks.sharing --remote s3://bucket/benchmark --rounds 3
    python -m benchmarks.sharing --repro             also dvc repro from nothing

Clones HEAD and leaves the project unchanged. The cache must hold the files of dvc.lock: run make
first. Each round runs every row in turn; every other round reverses the order. Prints medians, and
their ratio to dvc pull.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tabulate import tabulate

ROWS: dict[str, tuple[tuple[str, ...], ...]] = {
    "dvc pull data/augmented": (("pull", "data/augmented"),),
    "dvc pull models": (("pull", "models"),),
    "dvc pull": (("pull",),),
    "dvc pull, then dvc repro": (("pull",), ("repro",)),
    "dvc pull --run-cache": (("pull", "--run-cache"),),
    "dvc repro, from nothing": (("repro",),),
}


def main() -> None:
    """Run the benchmark; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--remote", help="URL; default: a temporary folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repro", action="store_true")
    arguments = parser.parse_args()
    names = [name for name in ROWS if arguments.repro or not name.startswith("dvc repro")]
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="ballast-sharing-") as scratch:
        folder, storage = Path(scratch), arguments.remote or f"{scratch}/storage"
        for number in range(arguments.rounds):
            # A new remote each time, since only the first push transfers anything.
            remote = f"{storage}/{number}"
            source = clone(folder / "source", remote)
            shutil.copytree(".dvc/cache", source / ".dvc/cache")
            dvc(source, "checkout", "--quiet")
            times["dvc push --run-cache"].append(
                seconds(partial(dvc, source, "push", "--run-cache"))
            )
            for row in names[:: 1 if number % 2 else -1]:
                copy = clone(folder / "copy", remote)
                times[row].append(seconds(partial(run_row, copy, row)))
    whole = statistics.median(times["dvc pull"])
    rows = [
        [row, statistics.median(taken), statistics.median(taken) / whole, min(taken), max(taken)]
        for row, taken in times.items()
    ]
    headers = ["", "median s", "ratio", "min s", "max s"]
    print(tabulate(rows, headers=headers, floatfmt=".2f", tablefmt="github"))


def clone(folder: Path, remote: str) -> Path:
    """Make a fresh clone of HEAD with a remote that DVC verifies."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
    (folder / ".dvc/config.local").write_text(
        f"[core]\nremote = storage\n['remote \"storage\"']\nurl = {remote}\nverify = true\n"
    )
    return folder


def run_row(folder: Path, row: str) -> None:
    """Run a row's commands."""
    for command in ROWS[row]:
        dvc(folder, *command)


def dvc(folder: Path, *arguments: str) -> None:
    """Run DVC."""
    subprocess.run(["dvc", *arguments], cwd=folder, check=True, capture_output=True)


def seconds(work: Callable[[], None]) -> float:
    """The seconds that the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
