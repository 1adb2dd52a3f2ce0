"""Measure how much longer twice as many photographs take, for every stage and predict.

    python -m benchmarks.doubling --side 32 --images 10000 20000 40000 80000 160000

Takes the photographs and params of benchmarks.scaling. For each number but the largest, runs every
stage on twice as many photographs and, in turn with it, on that many, two times; if only some are
asked for, those before the first of them (of train, for explain) run once and are not measured. A
machine that serves others too can change its speed by a fifth within minutes, and that changes a
ratio of two runs as much. So at each moment one of both runs for half a second and the other one
is stopped: both meet the same speeds. Prints for every stage and number the median ratio of
seconds, and of those of the processors, with the least and the largest. Needs Linux.
"""

import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from benchmarks.scaling import (
    COMMANDS,
    copy_project,
    draw_photos,
    photographs_parser,
    reset,
    run,
)

SLICE = 0.5  # seconds that a process runs before it is stopped


Command = tuple[Path, Sequence[str]]  # the folder, and a module with its arguments


class Used(NamedTuple):
    """What processes took while they were not stopped, or the ratio of two of these."""

    seconds: float
    processor: float


def main() -> None:
    """Run the benchmark; print a table."""
    parser = photographs_parser(__doc__)
    parser.add_argument("--stages", nargs="+", choices=COMMANDS, default=[*COMMANDS])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    stages = [stage for stage in COMMANDS if stage in arguments.stages]
    # Explain keeps features of its own beside those of train: without train, a second one has them.
    needed = [*stages, "train"] if "explain" in stages else stages
    places = [[*COMMANDS].index(stage) for stage in needed]
    before, repeated = [*COMMANDS][: min(places)], [*COMMANDS][min(places) : max(places) + 1]
    sizes = [size for size in sorted(arguments.images) if 2 * size in arguments.images]

    ratios: dict[tuple[str, int], list[Used]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            names = f"{size} once", f"{size} again", f"{size} twice"
            once, again, twice = projects = [Path(folder, name) for name in names]
            for project, count in zip(projects, (size, size, 2 * size), strict=True):
                copy_project(project, arguments.side, seeds=0)
                draw_photos(project / "data/raw", count, arguments.side, arguments.data)
            time.sleep(2.1)  # until split can trust the files' modification times
            for project, stage in product(projects, before):
                run(project, COMMANDS[stage])
            for _ in range(arguments.repeats):
                for project in projects:
                    reset(project, repeated)
                for stage in repeated:
                    command = COMMANDS[stage]
                    if stage not in stages:
                        for project in projects:
                            run(project, command)
                        continue
                    os.sync()  # what was written before is not written while this stage runs
                    one, two = alternated([(once, command), (again, command)], [(twice, command)])
                    ratio = Used(*(2 * b / a for a, b in zip(one, two, strict=True)))
                    ratios[stage, size].append(ratio)
                    print(f"{size:,} {stage}: {one} {two} {ratio}", file=sys.stderr, flush=True)
    rows = []
    for stage in stages:
        found = [ratios[stage, size] for size in sizes]
        seconds = [spread([ratio.seconds for ratio in of_size]) for of_size in found]
        processor = [spread([ratio.processor for ratio in of_size]) for of_size in found]
        rows += [[stage, "seconds", *seconds], ["", "of processor", *processor]]
    headers = ["stage", "", *(f"{2 * size:,} to {size:,}" for size in sizes)]
    print(tabulate(rows, headers=headers, tablefmt="github"))


def spread(values: Sequence[float]) -> str:
    """Format a median with the least and the largest value."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def alternated(first: Sequence[Command], second: Sequence[Command]) -> list[Used]:
    """Run two sequences of commands in turn, a slice of time of one and a slice of the other.

    Returns:
        What each sequence took.
    """
    sequences = [sliced(first), sliced(second)]
    used = [Used(0.0, 0.0), Used(0.0, 0.0)]
    running = [0, 1]
    while running:
        for place in [*running]:
            try:
                used[place] = next(sequences[place])
            except StopIteration:
                running.remove(place)
    return used


def sliced(commands: Sequence[Command]) -> Iterator[Used]:
    """Run commands one after the other, for a slice of time until each next value is asked for."""
    seconds = processor = 0.0
    for folder, command in commands:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-X", "utf8", "-m", *command],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # its workers are stopped with it
        )
        ended = os.pidfd_open(process.pid)
        while not select.select([ended], [], [], SLICE)[0]:
            os.killpg(process.pid, signal.SIGSTOP)
            seconds += time.perf_counter() - started
            yield Used(seconds, processor)
            started = time.perf_counter()
            os.killpg(process.pid, signal.SIGCONT)
        seconds += time.perf_counter() - started
        os.close(ended)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed in {folder}")
        processor += usage.ru_utime + usage.ru_stime
        with suppress(ProcessLookupError):  # a worker that outlived it
            os.killpg(process.pid, signal.SIGKILL)
        yield Used(seconds, processor)


if __name__ == "__main__":
    main()
