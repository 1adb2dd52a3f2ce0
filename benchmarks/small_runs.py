"""Measure dvc repro of the shipped photographs as it is against what it was at another revision.

    python -m benchmarks.small_runs --against v0.2.0
    python -m benchmarks.small_runs --against v0.2.0 --rounds 9

Clones HEAD and the other revision. Runs dvc repro there in turn, each time first with nothing in
DVC's cache and no outputs, and then with nothing changed. Prints medians in seconds; the last lines
hold the medians of the rounds' ratios.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from benchmarks.alternation import turns
from benchmarks.nothing_changed import run

RUNS = ("cold", "nothing changed")


def main() -> None:
    """Run the benchmark; print a table and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", required=True, help="a revision of git")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clones = {"HEAD": Path(folder, "now"), arguments.against: Path(folder, "then")}
        for revision, clone in clones.items():
            run(Path.cwd(), "git", "clone", "--quiet", ".", str(clone))
            run(clone, "git", "checkout", "--quiet", "--detach", revision)
            run_cold_and_again(clone)  # compiles the modules
        found: dict[str, list[dict[str, float]]] = {revision: [] for revision in clones}
        for revision in turns(clones, arguments.rounds):
            found[revision].append(run_cold_and_again(clones[revision]))
            print(f"{revision}: {found[revision][-1]}", file=sys.stderr)
    rows = [
        [f"{name}, {revision}", statistics.median(seconds), min(seconds), max(seconds)]
        for name in RUNS
        for revision, rounds in found.items()
        for seconds in [[once[name] for once in rounds]]
    ]
    print(tabulate(rows, ["run", "median s", "min s", "max s"], floatfmt=".2f", tablefmt="github"))
    for name in RUNS:
        ratios = [now[name] / then[name] for now, then in zip(*found.values(), strict=True)]
        print(f"ratio, {name}: {statistics.median(ratios):.3f} "
              f"({min(ratios):.3f} to {max(ratios):.3f})")  # fmt: skip


def run_cold_and_again(clone: Path) -> dict[str, float]:
    """Run dvc repro without what earlier runs left, and once more; return the seconds of each."""
    run(clone, "git", "checkout", "--quiet", ".")
    run(clone, "git", "clean", "--quiet", "-ffdx", "--exclude", "__pycache__")
    seconds = {}
    for name in RUNS:
        started = time.perf_counter()
        run(clone, "dvc", "repro")
        seconds[name] = time.perf_counter() - started
    return seconds


if __name__ == "__main__":
    main()
