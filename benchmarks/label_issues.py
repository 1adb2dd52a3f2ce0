"""Measure how well wrong labels are found, by exchanging some labels at random.

    python -m benchmarks.label_issues --data FOLDER
    python -m benchmarks.label_issues --data FOLDER --subset 3 12 35

FOLDER contains one folder per class, or train/ with these; test folders are not read. Features are
computed once and kept. Each draw gives some photographs the label of another class, each equally
likely, such that every class keeps two photographs, and cross-validates heads on these labels.

Prints, for each share of wrong labels: precision and recall of the first 10, 20 and 50 of every
ranking, against chance; and how many labels every rule doubts, how many of these are wrong, and how
many are honest, by class, the rarest first. With cleanlab installed, its rules and rankings too:

    uv run --with cleanlab==2.9.0 python -m benchmarks.label_issues --data FOLDER
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from ballast.insight.label_issues import label_issues
from ballast.model.head_fitting import Labels
from ballast.model.logits import Floats
from ballast.scores.predictions import Predictions
from benchmarks.head import FOLDS, draw, folds_of, part, read_photos, trained
from benchmarks.kept import kept_features

SHARES = (0.0, 0.02, 0.05, 0.1)
FIRST = (10, 20, 50)
LEAST = 2  # photographs that every class keeps

Mask = NDArray[np.bool_]


class Judged(NamedTuple):
    """Photographs with some wrong labels, judged by heads that have not seen them."""

    probabilities: Floats  # shape (seeds, n, k)
    given: Labels  # (n,)
    honest: Labels  # (n,), the labels before the exchange

    @property
    def mean(self) -> Floats:
        """The mean probabilities, shape (n, k)."""
        return np.asarray(self.probabilities.mean(axis=0))

    @property
    def wrong(self) -> Mask:
        """Whether each label is wrong."""
        return np.asarray(self.given != self.honest)


def exchanged(labels: Labels, share: float, seed: int) -> Labels:
    """Give a share of the photographs, at least one if above 0, the label of another class."""
    random, k = np.random.default_rng(seed), int(labels.max()) + 1
    count = max(1, round(share * len(labels))) if share else 0
    while True:
        places, given = random.permutation(len(labels))[:count], labels.copy()
        given[places] = (given[places] + random.integers(1, k, count)) % k
        if np.bincount(given, minlength=k).min() >= LEAST:
            return given


def judged(
    features: Floats, given: Labels, honest: Labels, groups: Labels, seeds: int, balanced: bool
) -> Judged:
    """Cross-validate heads on the given labels."""
    found = np.empty((seeds, len(given), int(given.max()) + 1))
    for seed in range(seeds):
        folds = folds_of(given, groups, seed)
        for fold in range(FOLDS):
            seen = folds != fold
            if not seen.all():
                head = trained(features[seen], given[seen], groups[seen], balanced=balanced)
                found[seed, ~seen] = head(features[~seen])
    return Judged(found, given, honest)


def levels(of: Judged) -> Floats:
    """The mean probability of each class over the photographs labelled so, shape (k,)."""
    return np.array([of.mean[of.given == c, c].mean() for c in range(of.mean.shape[1])])


def margins(probabilities: Floats, given: Labels) -> Floats:
    """The probability of the given class less the highest other."""
    is_given = given[:, None] == np.arange(probabilities.shape[1])
    return np.asarray(
        probabilities[is_given] - np.where(is_given, -np.inf, probabilities).max(axis=1)
    )


def rankings(of: Judged) -> dict[str, Floats]:
    """The lowest first, by the name of the ranking."""
    own = of.mean[np.arange(len(of.given)), of.given]
    found = {
        "self-confidence": own,
        "normalised margin": margins(of.mean, of.given),
        "self-confidence / level": own / levels(of)[of.given],
        "normalised margin, less levels": margins(of.mean - levels(of), of.given),
    }
    if find_spec("cleanlab"):
        quality = partial(
            import_module("cleanlab.rank").get_label_quality_scores,
            of.given,
            of.mean,
            method="normalized_margin",
        )
        found["cleanlab: normalised margin"] = quality()
        found["cleanlab: the same, adjusted"] = quality(adjust_pred_probs=True)
    return found


def rules(of: Judged) -> dict[str, Mask]:
    """Which labels are doubted, by the name of the rule."""
    reached = np.where(of.mean >= levels(of), of.mean, -1)
    confident = (reached.max(axis=1) >= 0) & (reached.argmax(axis=1) != of.given)
    never = (of.probabilities.argmax(axis=2) != of.given).all(axis=0)
    found = {
        "misclassified": of.mean.argmax(axis=1) != of.given,
        "misclassified by every training": never,
        "confident learning": confident,
        "label_issues": doubted(of),
    }
    if find_spec("cleanlab"):
        find: Any = import_module("cleanlab.filter").find_label_issues
        for name in ("prune_by_noise_rate", "both", "confident_learning"):
            found[f"cleanlab: {name}"] = find(of.given, of.mean, filter_by=name, n_jobs=1)
    return found


def doubted(of: Judged) -> Mask:
    """Which labels Ballast doubts."""
    names = [f"{c}" for c in range(of.mean.shape[1])]
    paths = [f"{place:05d}" for place in range(len(of.given))]
    given = [names[c] for c in of.given]
    trainings = [Predictions(names, paths, given, found) for found in of.probabilities]
    issues = label_issues(trainings, {path: path for path in paths})
    return np.isin(paths, [issue.path for issue in issues])


def ranking_row(draws: Sequence[Judged], name: str) -> Iterator[str]:
    """Mean precision and recall of the first photographs of a ranking."""
    for first in FIRST:
        hits = [of.wrong[np.argsort(rankings(of)[name], kind="stable")[:first]] for of in draws]
        if first < len(draws[0].given):
            precision = np.mean([found.mean() for found in hits])
            recall = np.mean(
                [found.sum() / of.wrong.sum() for found, of in zip(hits, draws, strict=True)]
            )
            yield f"{precision:.2f}, {recall:.2f}"


def rule_row(draws: Sequence[Judged], name: str) -> list[str]:
    """Mean number of labels doubted, of wrong ones among them, and of honest ones."""
    pairs = [(of, rules(of)[name]) for of in draws]
    honest = [
        [
            int((mask & ~of.wrong & (of.given == c)).sum())
            for c in np.argsort(np.bincount(of.honest), kind="stable")
        ]
        for of, mask in pairs
    ]
    return [
        f"{np.mean([mask.sum() for _, mask in pairs]):.1f}",
        f"{np.mean([(mask & of.wrong).sum() for of, mask in pairs]):.1f}",
        f"{np.mean([of.wrong.sum() for of in draws]):.1f}",
        ", ".join(f"{mean:.1f}" for mean in np.mean(honest, axis=0)),
    ]


def show(draws: Mapping[str, Sequence[Judged]], share: float) -> None:
    """Print the tables of one share of wrong labels, for the draws of each strategy."""
    some = next(iter(draws.values()))
    if share:
        chance = np.mean([of.wrong.mean() for of in some])
        print(f"\nfirst photographs of each ranking: precision, recall; chance {chance:.2f}\n")
        rows = [
            [strategy, name, *ranking_row(of, name)]
            for strategy, of in draws.items()
            for name in rankings(some[0])
        ]
        headers = ["strategy", "ranking", *map(str, FIRST)]
        print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))
    print("\nrules\n")
    rows = [
        [strategy, name, *rule_row(of, name)]
        for strategy, of in draws.items()
        for name in rules(some[0])
    ]
    headers = [
        "strategy",
        "rule",
        "doubted",
        "of them wrong",
        "all wrong",
        "honest, rarest class first",
    ]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--subset", type=int, nargs="+", help="photographs of each class to draw")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3, help="trainings that judge a photograph")
    asked = parser.parse_args()
    photos = read_photos(asked.data)
    features = kept_features(photos)
    for share in asked.shares:
        found: dict[str, list[Judged]] = {"baseline": [], "balanced": [], "both": []}
        for seed in range(asked.draws):
            every = np.arange(len(photos.labels))
            index = draw(photos.labels, asked.subset, seed, spare=0) if asked.subset else every
            honest, groups = part(photos, index).labels, photos.groups[index]
            given = exchanged(honest, share, seed)
            plain, balanced = (
                judged(features[index], given, honest, groups, asked.seeds, balanced)
                for balanced in (False, True)
            )
            found["baseline"].append(plain)
            found["balanced"].append(balanced)
            together = np.concatenate([plain.probabilities, balanced.probabilities])
            found["both"].append(plain._replace(probabilities=together))
        print(f"\n{share:.0%} wrong labels, {asked.draws} draws")
        show(found, share)


if __name__ == "__main__":
    main()
