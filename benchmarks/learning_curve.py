"""Measure whether a class whose recall "still rises" gains from more photographs, and the time.

    python -m benchmarks.learning_curve --data FOLDER

FOLDER contains one folder per class, or train/ with these; test folders are not read. Features are
computed once and kept. In each draw, a class is cut to 4, 8 and 16 photographs, and the others to
20. Its learning curve is judged. Then as many photographs again are added from those left over, in
three ways, and the recall with and without them is taken of all that are still left, at least
eight.

Prints, for each strategy, verdict and number of photographs, the true gain of recall; and the
processor time that all curves of 62 and of 2,000 photographs take (made by repeating features).
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from ballast.core.files import read_text
from ballast.core.params import Strategy, parse_params
from ballast.insight.learning_curve import (
    Photographs,
    learning_curve,
    learning_curves,
)
from ballast.model.head_strategy import Terms, fit_probe
from ballast.model.logits import linear_logits
from ballast.scores.effective import Indices
from ballast.scores.explanations import Curve
from benchmarks.head import read_photos
from benchmarks.kept import kept_features

CUT_TO = (4, 8, 16)
FLAT = 0.1  # gain of recall, below which a curve would be called flat
OTHERS = 20
ADDITIONS = 3
LEFT = 8  # photographs that judge an addition, at least
STRATEGIES = ("balanced", "baseline")
TIMED = (  # photographs of each class
    (11, 21, 30),
    (40, 460, 1500),
    (40, 60, 80, 120, 150, 200, 250, 300, 400, 400),
)


class Trial(NamedTuple):
    """A class of a few photographs, its curve, and the truth."""

    photographs: int
    curve: Curve
    gain: float  # of recall, with twice the photographs


def recall(of: Photographs, train: Indices, class_: int, judged: Indices, used: Strategy) -> float:
    """The recall of a class after training on some photographs, of some others."""
    counts = np.bincount(of.labels[train], minlength=len(of.classes))
    weights = counts.max() / counts if used.oversample else np.ones(len(counts))
    groups = np.unique(of.groups[train], return_inverse=True)[1].astype(np.int64)
    head = fit_probe(Terms(of.features[train], of.labels[train], groups), weights, used)
    logits = linear_logits(of.features[judged], head.weights, head.bias)
    return float((logits.argmax(axis=1) == class_).mean())


def trials(
    of: Photographs, strategies: Mapping[str, Strategy], draws: int
) -> Iterator[tuple[str, Trial]]:
    """Cut each class in each draw; yield the name of the strategy and what came of it."""
    for seed in range(draws):
        for size in CUT_TO:
            for class_ in range(len(of.classes)):
                for name in STRATEGIES:
                    random = np.random.default_rng([seed, size, class_])
                    own = random.permutation(np.flatnonzero(of.labels == class_))
                    if len(own) < 2 * size + LEFT:
                        continue
                    others = np.concatenate(
                        [
                            random.permutation(np.flatnonzero(of.labels == other))[:OTHERS]
                            for other in range(len(of.classes))
                            if other != class_
                        ]
                    )
                    few = np.sort(np.concatenate([own[:size], others]))
                    part = of._replace(places=few, labels=of.labels[few], groups=of.groups[few])
                    used = strategies[name]
                    curve = learning_curve(part, class_, used, seed, most_points=2)
                    gains = []
                    for _ in range(ADDITIONS):
                        more = random.permutation(own[size:])
                        added, judged = np.concatenate([few, more[:size]]), more[size:]
                        gains.append(
                            recall(of, added, class_, judged, used)
                            - recall(of, few, class_, judged, used)
                        )
                    if curve:
                        yield name, Trial(size, curve, float(np.mean(gains)))


def verdict(curve: Curve) -> str:
    """What the interval of the last doubling's gain says; it predicts too little to be shown."""
    if curve.low > 0:
        return "still rises"
    return "flat" if curve.high < FLAT else "cannot tell"


def row(label: str, found: Sequence[Trial], every: int) -> list[str]:
    """How often, mean true gain, and the shares that gained anything and 5 points."""
    if not found:
        return [label, f"0 of {every}", "", "", ""]
    gains = np.array([trial.gain for trial in found])
    shares = [f"{np.mean(gains > 0):.2f}", f"{np.mean(gains >= 0.05):.2f}"]
    return [label, f"{len(found)} of {every}", f"{gains.mean():.3f}", *shares]


def show(found: Mapping[str, Sequence[Trial]]) -> None:
    """Print a table of each strategy."""
    for name, every in found.items():
        by_verdict: dict[str, list[Trial]] = {"always": [*every]}
        for trial in every:
            by_verdict.setdefault(verdict(trial.curve), []).append(trial)
            by_verdict.setdefault("gain above 0", [])
            if trial.curve.gain > 0:
                by_verdict["gain above 0"].append(trial)
            by_verdict.setdefault(f"{trial.photographs} photographs", []).append(trial)
        rows = [row(label, trials, len(every)) for label, trials in by_verdict.items()]
        headers = ["verdict", "given", "true gain", "above 0", "5 points or more"]
        print(f"\n{name}\n")
        print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


def repeated(of: Photographs, counts: Sequence[int]) -> Photographs:
    """Make photographs of features that are repeated with noise."""
    random, classes = np.random.default_rng(1), len(counts)
    labels = np.repeat(np.arange(classes), counts)
    sources = np.array(
        [random.choice(np.flatnonzero(of.labels == c % len(of.classes))) for c in labels]
    )
    centres = np.exp(random.normal(0, 0.25, (classes, of.features.shape[1])))
    noise = random.uniform(0.7, 1.3, (len(labels), of.features.shape[1]))
    features = np.rint(of.features[sources] * centres[labels] * noise).astype(np.float32)
    names = [f"class {c:02d}" for c in range(classes)]
    groups = np.array([f"{place:05d}" for place in range(len(labels))])
    return Photographs(features, np.arange(len(labels)), labels, groups, names)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=10)
    asked = parser.parse_args()
    photos = read_photos(asked.data)
    names = [f"{c}" for c in range(int(photos.labels.max()) + 1)]
    features = kept_features(photos).astype(np.float32)
    places = np.arange(len(photos.labels))
    of = Photographs(features, places, photos.labels, photos.groups.astype(str), names)
    strategies = parse_params(read_text(Path("params.yaml"))).strategies
    rows = []
    for counts in TIMED:
        made = repeated(of, counts)
        start = time.process_time()
        curves = learning_curves(made, strategies["balanced"], 1)
        plan = [f"{len(curve.points)} x {curve.draws}" for curve in curves]
        rows.append(
            [sum(counts), len(counts), ", ".join(plan), f"{time.process_time() - start:.1f}"]
        )
    headers = ["photographs", "classes", "points x draws of each curve", "processor seconds"]
    print(tabulate(rows, headers=headers, tablefmt="github"), flush=True)
    found: dict[str, list[Trial]] = {name: [] for name in STRATEGIES}
    for name, trial in trials(of, strategies, asked.draws):
        found[name].append(trial)
    show(found)


if __name__ == "__main__":
    main()
