"""Measure dvc repro of the shipped photographs as it is against what it was at another revision.

    python -m benchmarks.small_runs --against v0.2.0
    python -m benchmarks.small_runs --against v0.2.0 --rounds 9

Clones HEAD and the other revision. Runs dvc repro there in turn, with nothing in DVC's cache and no
outputs. Then runs it five times as often in turn with nothing changed, which takes a second or two,
of which a disturbance is a large part. Prints medians in seconds; the last lines hold the medians
of the rounds' ratios.
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

AGAIN = 5  # rounds with nothing changed, for each cold one


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
            run_cold(clone)  # compiles the modules
        rounds = {"cold": arguments.rounds, "nothing changed": AGAIN * arguments.rounds}
        found: dict[str, dict[str, list[float]]] = {}
        for name, often in rounds.items():
            found[name] = {revision: [] for revision in clones}
            for revision in turns(clones, often):
                repro = run_cold if name == "cold" else run_again
                found[name][revision].append(repro(clones[revision]))
                print(f"{name}, {revision}: {found[name][revision][-1]:.2f} s", file=sys.stderr)
    rows = [
        [f"{name}, {revision}", statistics.median(seconds), min(seconds), max(seconds)]
        for name, of_revisions in found.items()
        for revision, seconds in of_revisions.items()
    ]
    print(tabulate(rows, ["run", "median s", "min s", "max s"], floatfmt=".2f", tablefmt="github"))
    for name, of_revisions in found.items():
        ratios = [now / then for now, then in zip(*of_revisions.values(), strict=True)]
        print(f"ratio, {name}: {statistics.median(ratios):.3f} "
              f"({min(ratios):.3f} to {max(ratios):.3f})")  # fmt: skip


def run_cold(clone: Path) -> float:
    """Run dvc repro without what earlier runs left; return the seconds."""
    run(clone, "git", "checkout", "--quiet", ".")
    run(clone, "git", "clean", "--quiet", "-ffdx", "--exclude", "__pycache__")
    return run_again(clone)


def run_again(clone: Path) -> float:
    """Run dvc repro; return the seconds."""
    started = time.perf_counter()
    run(clone, "dvc", "repro")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
