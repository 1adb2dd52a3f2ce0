"""Measure the coverage of a comparison's intervals.

    python -m benchmarks.coverage baseline.csv balanced.csv

Treats the photographs of two outputs/predictions.csv as the whole population, whose metrics are the
true values. Draws --draws test sets of the same size from it, with replacement: at random, and
class by class, which keeps the class counts. Prints how often the intervals of the second run, and
of its differences from the first, contain the true value.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from ballast.comparison.paired import difference_intervals, draw_pair
from ballast.scores.intervals import Interval, metric_intervals, unpacked
from ballast.scores.predictions import Predictions, read_predictions

BOOTSTRAP = 1000  # resamples per interval, a tenth of those of a comparison

Figure = tuple[str, str, str]  # "run" or "difference", metric, class name or empty
Pair = tuple[Predictions, Predictions]
Draw = Callable[[NDArray[np.str_], int, np.random.Generator], NDArray[np.int64]]


def main() -> None:
    """Run the benchmark; print a table and the range of the coverage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("predictions", type=Path, nargs=2)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--photographs", type=int, help="per test set; default: all")
    arguments = parser.parse_args()
    first, second = map(read_predictions, arguments.predictions)
    runs = same_photographs(first, second)
    size = arguments.photographs or len(runs[0].paths)
    shares = {
        name: coverage(runs, draw, size, arguments.draws)
        for name, draw in (("at random", at_random), ("class by class", class_by_class))
    }
    rows = [
        [*figure, *(found[figure] for found in shares.values())] for figure in shares["at random"]
    ]
    headers = ["of", "metric", "class", *shares]
    print(tabulate(rows, headers=headers, floatfmt=".3f", tablefmt="github"))
    print(
        ", ".join(
            f"{name}: {min(found.values()):.3f} to {max(found.values()):.3f}"
            for name, found in shares.items()
        )
    )


def same_photographs(first: Predictions, second: Predictions) -> Pair:
    """Bring the second run into the order of the first."""
    places = {path: place for place, path in enumerate(second.paths)}
    if sorted(first.paths) != sorted(second.paths) or first.classes != second.classes:
        raise SystemExit("ERROR: the two files are not of the same photographs and classes")
    order = np.array([places[path] for path in first.paths])
    return taken(first, np.arange(len(order))), taken(second, order)


def taken(predictions: Predictions, places: NDArray[np.int64]) -> Predictions:
    """Select predictions by place; paths become numbers, since a photograph may occur twice."""
    return Predictions(
        predictions.classes,
        [str(number) for number in range(len(places))],
        [predictions.true[place] for place in places],
        predictions.probabilities[places],
    )


def at_random(
    true: NDArray[np.str_], size: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw places at random, with at least one of each class."""
    while True:
        places = generator.integers(0, len(true), size)
        if len(np.unique(true[places])) == len(np.unique(true)):
            return places


def class_by_class(
    true: NDArray[np.str_], size: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw places class by class, each with its share."""
    return np.concatenate(
        [
            generator.choice(members, round(size * len(members) / len(true)))
            for members in (np.flatnonzero(true == name) for name in np.unique(true))
        ]
    )


def coverage(runs: Pair, draw: Draw, size: int, draws: int) -> dict[Figure, float]:
    """The share of test sets for which each interval contains the true value."""
    true = np.array(runs[0].true)
    known = dict(intervals(runs, 0))
    held = dict.fromkeys(known, 0)
    for seed in range(draws):
        places = draw(true, size, np.random.default_rng(seed))
        for figure, (_, low, high) in intervals(
            (taken(runs[0], places), taken(runs[1], places)), seed
        ):
            truth = known[figure].value
            if truth is not None and low is not None and high is not None:
                held[figure] += low <= truth <= high
    return {figure: count / draws for figure, count in held.items()}


def intervals(runs: Pair, seed: int) -> Iterator[tuple[Figure, Interval]]:
    """The intervals of the second run, and of its differences from the first."""
    first, second = (metric_intervals(run, seed, BOOTSTRAP) for run in runs)
    drawn = draw_pair(*runs, np.random.default_rng(seed), BOOTSTRAP)
    differences = difference_intervals(first, second, drawn)
    for of, found in (("run", second), ("difference", differences)):
        for metric, class_, interval in unpacked(found):
            yield (of, metric, class_), interval


if __name__ == "__main__":
    main()
