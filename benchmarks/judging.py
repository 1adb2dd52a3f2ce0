"""Compare cross-validation with its heads fitted one after the other and in a thread per core.

    python -m benchmarks.judging
    python -m benchmarks.judging --terms 4000 --classes 4 --heads 8 --repeats 5

Draws whole-number features of overlapping classes, 1,280 each, and fits heads to four fifths of
them at a time, as cross-validation does. The two ways take turns. Prints the median seconds, the
ratios of the rounds, and whether the heads are the same.
"""

import argparse
import statistics
from functools import partial

import numpy as np
from joblib import cpu_count
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from ballast.model.head_fitting import Head, fit_head
from ballast.workers.threads import ahead
from benchmarks.alternation import alternated_seconds

WIDTH = 1280


def main() -> None:
    """Run the benchmark; print a table and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--terms", type=int, default=4000)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    labels = np.arange(given.terms) % given.classes
    means = random.gamma(2, 50, (given.classes, WIDTH))
    features = random.poisson(0.9 * means.mean(axis=0) + 0.1 * means[labels]).astype("<u2")

    def fit(number: int) -> Head:
        some = np.arange(given.terms) // given.classes % given.heads != number
        weights, offsets = np.ones(some.sum()), np.zeros(given.classes)
        groups = np.flatnonzero(some)
        return fit_head(features[some], labels[some], groups, weights, offsets, balanced=True)

    found: dict[int, list[Head]] = {}

    def fit_all(threads: int) -> None:
        with threadpool_limits(1, user_api="blas"):
            found[threads] = [*ahead(fit, range(given.heads), threads, threads)]

    ways = {f"{n} at a time": partial(fit_all, n) for n in (1, cpu_count())}
    times = alternated_seconds(ways, given.repeats)
    rows = [[way, statistics.median(seconds)] for way, seconds in times.items()]
    print(tabulate(rows, headers=["heads", "s"], floatfmt=("", ".2f"), tablefmt="github"))
    one, more = times.values()
    ratios = [first / second for first, second in zip(one, more, strict=True)]
    listed = " ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"one to {cpu_count()}: {statistics.median(ratios):.2f} ({listed})")
    alone, together = found.values()
    same = all(
        np.array_equal(a.weights, b.weights) and np.array_equal(a.bias, b.bias)
        for a, b in zip(alone, together, strict=True)
    )
    print("the same heads" if same else "OTHER HEADS")


if __name__ == "__main__":
    main()
