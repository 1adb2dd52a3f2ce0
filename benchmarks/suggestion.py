"""Measure how much photographs teach that are labelled by suggestion, against a random choice.

    python -m benchmarks.suggestion --data FOLDER

FOLDER contains train/ and test/ with one folder per class. A draw of 3/12/35 photographs of train/,
3 of its rarest class, is labelled at first, and the others of train/ are the pool. In each round, a
head like that of the strategy `balanced` is fitted to what is labelled, and each method chooses the
photographs of the pool that are labelled next:

    random               drawn
    margin               the two highest probabilities are closest
    k-centre             farthest from those labelled, one by one (Sener & Savarese 2018,
                         arXiv:1708.00489, algorithm 1)
    margin, k-centre     the same, among four times as many of smallest margin
    gradient             k-centre among the gradients of the loss that the predicted class would
                         give, as BADGE (Ash et al. 2020, arXiv:1906.03671), without random numbers
    rare                 expected rarity of the class: ballast/insight/suggestion.py
    margin, rare         margin times rarity: ballast/insight/suggestion.py, as ballast suggest does

Prints the balanced accuracy on test/ by number of labels, and its mean over the rounds minus that
of the random choice, with a 95 % interval over the draws; then the labels after which the mean
accuracy is as high as that of the random choice after all rounds, and how many are of the rarest
class.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student
from tabulate import tabulate

from ballast.insight.suggestion import suggested
from ballast.model.head_fitting import Head, Labels, fit_head
from ballast.model.head_loss import unit_length
from ballast.model.logits import Floats, linear_probabilities
from benchmarks.head import read_photos
from benchmarks.kept import kept_features

START = (3, 12, 35)  # photographs of each class, the rarest first


class Asked(NamedTuple):
    """What a method chooses from."""

    pool: Labels  # places of the photographs without labels, shape (n,)
    probabilities: Floats  # of these, shape (n, k)
    groups: Labels  # labelled photographs of each class, shape (k,)
    labelled: Labels  # places
    likeness: Floats  # dot products of all features of length 1
    random: np.random.Generator


def margins(probabilities: Floats) -> Floats:
    """Difference of the two highest probabilities."""
    ranked = np.sort(probabilities, axis=1)
    return ranked[:, -1] - ranked[:, -2]


def farthest(products: Floats, distances: Floats, count: int) -> Labels:
    """Choose the farthest, one by one; each makes what is near it less far.

    Args:
        products: dot products of the candidates, shape (n, n).
        distances: squares of the distances to what is chosen before, shape (n,).
        count: at most n.
    """
    chosen = []
    squares = np.diag(products)
    for _ in range(count):
        place = int(distances.argmax())
        chosen.append(place)
        to_it = squares + squares[place] - 2 * products[:, place]
        distances = np.minimum(distances, to_it)
    return np.array(chosen, dtype=np.int64)


def at_random(asked: Asked, count: int) -> Labels:
    """Drawn."""
    return asked.random.permutation(len(asked.pool))[:count]


def by_margin(asked: Asked, count: int) -> Labels:
    """Smallest margin."""
    return np.argsort(margins(asked.probabilities), kind="stable")[:count]


def k_centre(asked: Asked, count: int) -> Labels:
    """Farthest from the labelled photographs."""
    distances = 2 - 2 * asked.likeness[np.ix_(asked.pool, asked.labelled)].max(axis=1)
    return farthest(asked.likeness[np.ix_(asked.pool, asked.pool)], distances, count)


def margin_then_k_centre(asked: Asked, count: int) -> Labels:
    """Farthest, among four times as many of smallest margin."""
    near = by_margin(asked, 4 * count)
    return near[k_centre(asked._replace(pool=asked.pool[near]), count)]


def gradient(asked: Asked, count: int) -> Labels:
    """Farthest from each other and from no gradient at all."""
    found = asked.probabilities
    errors = found - np.eye(found.shape[1])[found.argmax(axis=1)]
    products = (errors @ errors.T) * asked.likeness[np.ix_(asked.pool, asked.pool)]
    return farthest(products, np.diag(products), count)


def by_rarity(asked: Asked, count: int) -> Labels:
    """Highest expected rarity."""
    rarity = asked.probabilities @ (asked.groups.max() / asked.groups)
    return np.argsort(-rarity, kind="stable")[:count]


def by_margin_and_rarity(asked: Asked, count: int) -> Labels:
    """As ballast suggest."""
    return suggested(asked.probabilities, asked.groups)[:count]


METHODS: Mapping[str, Callable[[Asked, int], Labels]] = {
    "random": at_random,
    "margin": by_margin,
    "k-centre": k_centre,
    "margin, k-centre": margin_then_k_centre,
    "gradient": gradient,
    "rare": by_rarity,
    "margin, rare": by_margin_and_rarity,
}


def fitted(features: Floats, labels: Labels) -> Head:
    """Fit a balanced head."""
    counts = np.bincount(labels)
    offsets = np.zeros(len(counts))
    groups = np.arange(len(labels))
    return fit_head(features, labels, groups, 1 / counts[labels], offsets, balanced=True)


def balanced_accuracy(probabilities: Floats, labels: Labels) -> float:
    """The mean recall of the classes."""
    right = probabilities.argmax(axis=1) == labels
    return float(np.mean([right[labels == place].mean() for place in np.unique(labels)]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--labels", type=int, default=5, help="labels a round")
    parser.add_argument("--rounds", type=int, default=8)
    given = parser.parse_args()

    photos, tested = read_photos(given.data), read_photos(given.data / "test")
    features, seen = kept_features(photos), kept_features(tested)
    unit = unit_length(features)
    likeness = unit @ unit.T
    sizes = np.bincount(photos.labels)
    by_size = np.argsort(sizes, kind="stable")
    shape = given.draws, given.rounds + 1
    accuracy = {name: np.empty(shape) for name in METHODS}
    rarest = {name: np.empty(given.draws) for name in METHODS}
    for seed in range(given.draws):
        random = np.random.default_rng(seed)
        start = np.concatenate(
            [
                random.permutation(np.flatnonzero(photos.labels == place))[:count]
                for place, count in zip(by_size, START, strict=True)
            ]
        )
        for name, method in METHODS.items():
            labelled, random = start, np.random.default_rng(1000 + seed)
            for round_ in range(given.rounds + 1):
                head = fitted(features[labelled], photos.labels[labelled])
                probabilities = linear_probabilities(seen, head.weights, head.bias)
                accuracy[name][seed, round_] = balanced_accuracy(probabilities, tested.labels)
                counts = np.bincount(photos.labels[labelled])
                rarest[name][seed] = counts[by_size[0]] - START[0]
                if round_ == given.rounds:
                    break
                pool = np.setdiff1d(np.arange(len(photos.labels)), labelled)
                found = linear_probabilities(features[pool], head.weights, head.bias)
                asked = Asked(pool, found, counts, labelled, likeness, random)
                labelled = np.concatenate([labelled, pool[method(asked, given.labels)]])

    steps = given.labels * np.arange(given.rounds + 1)
    goal = accuracy["random"].mean(axis=0)[-1]
    rows = []
    for name, found in accuracy.items():
        means = found.mean(axis=0)
        gains = (found - accuracy["random"])[:, 1:].mean(axis=1)
        half = student.ppf(0.975, given.draws - 1) * gains.std(ddof=1) / np.sqrt(given.draws)
        reached = np.flatnonzero(means >= goal)
        rows.append(
            [
                name,
                *(f"{mean:.3f}" for mean in means),
                "" if name == "random" else f"{gains.mean():+.3f} ± {half:.3f}",
                steps[reached[0]] if len(reached) else f"over {steps[-1]}",
                f"{rarest[name].mean():.1f}",
            ]
        )
    headers = ["labels", *map(str, steps), "against random", "as random after all", "of rarest"]
    print(f"\n{given.draws} draws\n")
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
