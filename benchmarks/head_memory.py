"""Compare the head's fit with and without a copy of all features in float64: time and memory.

    python -m benchmarks.head_memory
    python -m benchmarks.head_memory --terms 20000 --classes 3 --repeats 5

Draws whole-number features of overlapping classes, 1,280 each, as float32. Each fit is a process of
its own; the two ways take turns. Prints the median seconds, the peak memory beyond that of the
features, the ratio of the seconds of each round, and whether the heads are the same.
"""

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from tabulate import tabulate

from ballast.model import head_fitting
from benchmarks.alternation import turns

WIDTH = 1280


def main() -> None:
    """Run the benchmark; print the table, or one fit if its way is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--terms", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--way", choices=["copy", "blocks"], help="run only this one")
    given = parser.parse_args()
    if given.way:
        print(json.dumps(fitted(given.terms, given.classes, blocks=given.way == "blocks")))
        return
    ways: dict[str, list[tuple[float, float]]] = {"copy": [], "blocks": []}
    digests = set()
    for way in turns(ways, given.repeats):
        command = [sys.executable, "-m", "benchmarks.head_memory", "--way", way]
        command += ["--terms", str(given.terms), "--classes", str(given.classes)]
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        seconds, mebibytes, digest = json.loads(said)
        ways[way].append((seconds, mebibytes))
        digests.add(digest)
    rows = [
        [way, *(statistics.median(figure) for figure in zip(*found, strict=True))]
        for way, found in ways.items()
    ]
    print(
        tabulate(rows, headers=["way", "s", "MiB"], floatfmt=("", ".1f", ".0f"), tablefmt="github")
    )
    ratios = [b[0] / a[0] for a, b in zip(ways["copy"], ways["blocks"], strict=True)]
    listed = " ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"blocks to copy: {statistics.median(ratios):.2f} ({listed})")
    print("same head" if len(digests) == 1 else "DIFFERENT HEADS")


def fitted(terms: int, classes: int, *, blocks: bool) -> tuple[float, float, str]:
    """Seconds of a fit, the memory that it took in MiB, and the SHA-256 of the head."""
    random = np.random.default_rng(1)
    labels = np.arange(terms) % classes
    features = np.empty((terms, WIDTH), np.float32)
    for place, label in enumerate(labels):
        lifted = np.arange(WIDTH) % classes == label
        features[place] = np.rint(np.exp(random.normal(1, 1, WIDTH) + 0.05 * lifted))
    head_fitting.DENSE = 0 if blocks else sys.maxsize
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    head = head_fitting.fit_head(
        features, labels, np.arange(terms), np.ones(terms), np.zeros(classes), balanced=True
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    digest = hashlib.sha256(head.weights.tobytes() + head.bias.tobytes()).hexdigest()
    return seconds, (after - before) / 1024, digest


if __name__ == "__main__":
    main()
