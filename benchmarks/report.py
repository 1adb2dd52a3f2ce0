"""Measure the time of a report beyond the start of its process.

    python -m benchmarks.report

Runs in turn, --rounds times each: stages.evaluate on the outputs of this folder, a Python that only
imports the same modules, and a Python that does nothing. Prints medians in seconds, of wall-clock
time and of processor time, which other work on the machine hardly affects.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from tabulate import tabulate

COMMANDS = {
    "python that does nothing": ("-c", "pass"),
    "imports alone": ("-c", "import stages.evaluate"),
    "evaluate, with the report": ("-m", "stages.evaluate"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark; print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all commands; default: 5")
    rounds = parser.parse_args(arguments).rounds
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    rows = [
        (name, *(statistics.median(column) for column in zip(*found, strict=True)))
        for name, found in times.items()
    ]
    print(tabulate(rows, ("command", "clock", "processors"), floatfmt=".2f"))


def seconds(command: Sequence[str]) -> tuple[float, float]:
    """Run Python; return its wall-clock and processor time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-X", "utf8", *command], check=True, capture_output=True)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
