"""Measure split as it is against split as it was at another revision.

    python -m benchmarks.splitting --data photos --against v0.2.0

Takes HEAD and the other revision out of git into temporary folders, each with its own params.yaml
and data.raw set to --data. Runs split there in turn, --rounds times, each time as a whole process
that knows nothing of the photographs. Prints medians in seconds; the last line holds the median of
the rounds' ratios.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import yaml
from tabulate import tabulate

from benchmarks.alternation import alternated_seconds


def main() -> None:
    """Run the benchmark; print a table and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--against", required=True, help="a revision of git")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trees = {revision: Path(folder, f"{place}") for place, revision in
                 enumerate(("HEAD", arguments.against))}  # fmt: skip
        for revision, tree in trees.items():
            take_out(revision, tree, arguments.data.absolute())
        times = alternated_seconds(
            {revision: partial(split, tree) for revision, tree in trees.items()}, arguments.rounds
        )
    rows = [
        (name, statistics.median(found), min(found), max(found)) for name, found in times.items()
    ]
    print(tabulate(rows, ["split of", "median s", "min s", "max s"], floatfmt=".2f"))
    ratios = [now / then for now, then in zip(*times.values(), strict=True)]
    print(f"ratio: {statistics.median(ratios):.3f}")


def take_out(revision: str, tree: Path, data: Path) -> None:
    """Write a revision's files into a folder, and name the photographs in its params.yaml."""
    tree.mkdir()
    archive = subprocess.run(["git", "archive", revision], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
    path = tree / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["data"]["raw"] = str(data)
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def split(tree: Path) -> None:
    """Run split as if for the first time."""
    shutil.rmtree(tree / ".dvc/tmp", ignore_errors=True)
    subprocess.run([sys.executable, "-X", "utf8", "-m", "stages.split"], cwd=tree, check=True,
                   capture_output=True)  # fmt: skip


if __name__ == "__main__":
    main()
