"""Measure how often sets of classes hold the true one, and how large they are.

    python -m benchmarks.prediction_sets --data FOLDER

FOLDER contains train/ and test/ with one folder per class, or only such folders. Heads like that of
the strategy `balanced` are fitted to random draws of photographs, one row per number of photographs
of each class and way of making sets:

    one guess      the most probable class
    naive          classes in descending probability until the sum reaches the coverage
    APS            the same sums, with thresholds by class (Romano, Sesia & Candès 2020,
                   arXiv:2006.02544), without random numbers: a class counts whole
    APS, half      the same, but a class counts half in its own sum, as it does on average
    by class       thresholds by class for the probability (ballast/insight/prediction_sets.py)
    never empty    the same, and the most probable class is always in the set

The first table judges the photographs of test/ with draws from train/; the second judges all that
the draw leaves, of both. Classes with too few photographs for the promise are in all sets, and
their coverage is not counted.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from ballast.insight.prediction_sets import (
    Thresholds,
    class_thresholds,
    inside_sets,
)
from ballast.model.head_fitting import (
    Labels,
    fit_head,
    held_out_probabilities,
)
from ballast.model.logits import Floats, linear_probabilities
from ballast.model.training_photographs import DECIMALS, TrainingPhotographs
from benchmarks.head import Photos, draw, possible, read_photos
from benchmarks.kept import kept_features

DRAWS = ((24, 120, 168), (24, 24, 24), (12, 35, 100), (3, 12, 35), (2, 12, 28))
Inside = NDArray[np.bool_]  # whether each class is in the set of each photograph, shape (n, k)
Sets = Callable[[TrainingPhotographs, Floats, float], Inside]


def fitted(
    features: Floats, labels: Labels, groups: Labels
) -> tuple[Callable[[Floats], Floats], TrainingPhotographs]:
    """Fit a balanced head; return what gives probabilities, and the photographs it keeps."""
    weights, offsets = 1 / np.bincount(labels)[labels], np.zeros(labels.max() + 1)
    terms = features, labels, groups, weights, offsets
    head = fit_head(*terms, balanced=True)
    held_out = held_out_probabilities(*terms, head.calibration, np.arange(len(labels)))
    known = TrainingPhotographs(features, labels, groups, held_out.round(DECIMALS))
    return lambda tested: linear_probabilities(tested, head.weights, head.bias), known


def one_guess(_: TrainingPhotographs, probabilities: Floats, __: float) -> Inside:
    """The most probable class."""
    return np.asarray(np.eye(probabilities.shape[1], dtype=np.bool_)[probabilities.argmax(axis=1)])


def sums(probabilities: Floats, own: float) -> Floats:
    """The sum of the probabilities of all likelier classes, and a share of the class's own."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    found = np.empty_like(probabilities)
    np.put_along_axis(found, order, ranked.cumsum(axis=1) - (1 - own) * ranked, axis=1)
    return found


def naive(_: TrainingPhotographs, probabilities: Floats, coverage: float) -> Inside:
    """Classes in descending probability until the sum reaches the coverage."""
    return np.asarray(sums(probabilities, 0) < coverage)


def adaptive(
    known: TrainingPhotographs, probabilities: Floats, coverage: float, own: float
) -> Inside:
    """Thresholds by class for the sums."""
    scores = known._replace(held_out=1 - sums(known.held_out, own))
    return inside_sets(1 - sums(probabilities, own), class_thresholds(scores, coverage))


def by_class(known: TrainingPhotographs, probabilities: Floats, coverage: float) -> Inside:
    """Thresholds by class for the probabilities."""
    return inside_sets(probabilities, class_thresholds(known, coverage))


def never_empty(known: TrainingPhotographs, probabilities: Floats, coverage: float) -> Inside:
    """The same, with the most probable class."""
    return by_class(known, probabilities, coverage) | one_guess(known, probabilities, coverage)


WAYS: Mapping[str, Sets] = {
    "one guess": one_guess,
    "naive": naive,
    "APS": partial(adaptive, own=1.0),
    "APS, half": partial(adaptive, own=0.5),
    "by class": by_class,
    "never empty": never_empty,
}
HEADERS = [
    "photographs", "sets", "coverage", "rarest class", "classes a set", "one class", "none",
    "right if one", "guess right if none",
]  # fmt: skip


def figures(inside: Inside, labels: Labels, guess: Labels, known: Thresholds) -> list[float]:
    """The numbers of a row from coverage on, of one draw; NaN where there is nothing to count."""
    held = inside[np.arange(len(labels)), labels]
    promised = np.flatnonzero(known.groups >= known.needed)
    rarest = min(promised, key=lambda place: known.groups[place])
    size, right = inside.sum(axis=1), guess == labels
    return [
        float(np.mean([held[labels == place].mean() for place in promised])),
        float(held[labels == rarest].mean()),
        float(size.mean()),
        float(np.mean(size == 1)),
        float(np.mean(size == 0)),
        float(held[size == 1].mean()) if (size == 1).any() else np.nan,
        float(right[size == 0].mean()) if (size == 0).any() else np.nan,
    ]


def rows(
    pool: tuple[Floats, Labels, Labels],
    judged: tuple[Floats, Labels] | None,
    counts: Sequence[int],
    draws: int,
    coverage: float,
) -> list[list[object]]:
    """The rows of one number of photographs: means over draws, and the spread of the coverage."""
    features, labels, groups = pool
    found: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    for seed in range(draws):
        index = draw(labels, counts, seed, spare=0 if judged else 1)
        classes = np.unique(labels[index])
        probabilities_of, known = fitted(
            features[index], np.searchsorted(classes, labels[index]), groups[index]
        )
        if judged:
            tested, truth = judged
        else:
            rest = np.isin(labels, classes) & ~np.isin(groups, groups[index])
            tested, truth = features[rest], np.searchsorted(classes, labels[rest])
        probabilities = probabilities_of(tested)
        thresholds = class_thresholds(known, coverage)
        for name, sets in WAYS.items():
            inside = sets(known, probabilities, coverage)
            found[name].append(figures(inside, truth, probabilities.argmax(axis=1), thresholds))
    spread = {name: float(np.std([row[0] for row in values])) for name, values in found.items()}
    shown: list[list[object]] = []
    for name, values in found.items():
        columns = [[v for v in column if np.isfinite(v)] for column in zip(*values, strict=True)]
        means = [f"{np.mean(column):.3f}" if column else "" for column in columns]
        means[0] += f" ± {spread[name]:.3f}"
        shown.append(["/".join(map(str, counts)), name, *means])
    return shown


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--coverage", type=float, default=0.9)
    given = parser.parse_args()

    parts: list[Photos] = [read_photos(given.data)]
    if (given.data / "test").is_dir():
        parts.append(read_photos(given.data / "test"))
    features = [kept_features(part) for part in parts]
    pools = [(features[0], parts[0].labels, parts[0].groups)]
    groups = np.concatenate([part.groups + 10**6 * place for place, part in enumerate(parts)])
    every = np.concatenate(features), np.concatenate([part.labels for part in parts]), groups
    for pool, judged in [
        *((pool, (features[1], parts[1].labels)) for pool in pools if parts[1:]),
        (every, None),
    ]:
        of_train = " of train/, judged on test/" if judged else ", judged on the others"
        print(f"\ncoverage {given.coverage}, {given.draws} draws{of_train}\n")
        shown = [
            row
            for counts in DRAWS
            if possible(pool[1], counts, spare=0 if judged else 1)
            for row in rows(pool, judged, counts, given.draws, given.coverage)
        ]
        print(tabulate(shown, headers=HEADERS, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
