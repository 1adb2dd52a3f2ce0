"""Compare the head's fit to whole-number features and to a copy of them in float64: time, memory.

    python -m benchmarks.head_memory
    python -m benchmarks.head_memory --terms 20000 --classes 3 --repeats 5

Draws features of overlapping classes, 1,280 each, as whole numbers of 16 bits, which the fit
converts block by block in each product. Each fit is a process of its own; the two ways take turns.
Prints the median seconds, the peak memory beyond that of the features, the ratio of the seconds of
each round, and whether the heads are the same.
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

from ballast.model.head_fitting import fit_head
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
    parser.add_argument("--way", choices=["copy", "numbers"], help="run only this one")
    given = parser.parse_args()
    if given.way:
        print(json.dumps(fitted(given.terms, given.classes, copy=given.way == "copy")))
        return
    ways: dict[str, list[tuple[float, float]]] = {"copy": [], "numbers": []}
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
    ratios = [b[0] / a[0] for a, b in zip(ways["copy"], ways["numbers"], strict=True)]
    listed = " ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"whole numbers to copy: {statistics.median(ratios):.2f} ({listed})")
    print("same head" if len(digests) == 1 else "DIFFERENT HEADS")


def fitted(terms: int, classes: int, *, copy: bool) -> tuple[float, float, str]:
    """Seconds of a fit, the memory that it took in MiB, and the SHA-256 of the head."""
    random = np.random.default_rng(1)
    labels = np.arange(terms) % classes
    features = np.empty((terms, WIDTH), "<u2")
    for place, label in enumerate(labels):
        lifted = np.arange(WIDTH) % classes == label
        features[place] = np.rint(np.exp(random.normal(1, 1, WIDTH) + 0.05 * lifted))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    used = features.astype(np.float64) if copy else features
    head = fit_head(
        used, labels, np.arange(terms), np.ones(terms), np.zeros(classes), balanced=True
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    digest = hashlib.sha256(head.weights.tobytes() + head.bias.tobytes()).hexdigest()
    return seconds, (after - before) / 1024, digest


if __name__ == "__main__":
    main()
