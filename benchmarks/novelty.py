"""Measure how well scores tell photographs of the known classes from others.

    python -m benchmarks.novelty --data FOLDER
    python -m benchmarks.novelty --data FOLDER --other FOLDER FOLDER

FOLDER contains one folder per class, or train/ with these; test folders are not read. In each of
--seeds repetitions of 5 folds, a head is fitted to four folds; the fifth has new photographs of the
known classes. They are compared with photographs of a class that was left out of training, each
class in turn; with those of the other folders; with noise; and with pictures of one colour.

Prints the AUROC of each score by kind of photograph: the probability that a photograph of that kind
has a higher score than a new one of the known classes; 0.5 is chance. Then, for the novelty that
prediction gives, the share that is called unlike: of new photographs of the known classes, all and
by class, which should be low, and of each other kind, which should be high.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score
from tabulate import tabulate

from ballast.core.files import read_text
from ballast.core.params import parse_params
from ballast.insight.nearest import nearest
from ballast.insight.novelty import UNLIKE, familiar, novelty
from ballast.model.head_fitting import Labels, fit_head
from ballast.model.head_loss import unit_length
from ballast.model.logits import Floats, linear_logits, linear_probabilities
from ballast.model.training_photographs import TrainingPhotographs
from benchmarks.head import Features, Photos, folds_of, frozen, pixels_of, read_photos

SIZE, FOLDS = 160, 5
NEIGHBOURS = (1, 2, 3, 5, 10)
SHRINKAGE = 0.1  # of the covariance towards a multiple of the identity
COLOURS = (
    (0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 30, 30), (30, 200, 30), (30, 30, 200),
)  # fmt: skip


class Known(NamedTuple):
    """Photographs that a head is fitted to."""

    features: Floats  # shape (n, d)
    labels: Labels  # 0 to k - 1
    groups: Labels


Score = Callable[[Known, Floats], Floats]  # higher is less like the known photographs


def most_probable(known: Known, new: Floats) -> Floats:
    """1 - the highest probability (Hendrycks and Gimpel 2017, arXiv:1610.02136)."""
    weights, bias = _head(known)
    return np.asarray(1 - linear_probabilities(new, weights, bias).max(axis=1))


def energy(known: Known, new: Floats) -> Floats:
    """The energy of the logits (Liu et al. 2020, arXiv:2010.03759)."""
    return np.asarray(-logsumexp(linear_logits(new, *_head(known)), axis=1))


def class_mean(known: Known, new: Floats) -> Floats:
    """The distance to the nearest class mean."""
    return nearest(new, _means(known), 1).distances[:, 0]


def mahalanobis(known: Known, new: Floats) -> Floats:
    """Mahalanobis distance to the nearest class mean, with the shrunk covariance of all classes.

    Lee et al. 2018, arXiv:1807.03888.
    """
    unit, means = unit_length(known.features), _means(known)
    # In coordinates of the span of all photographs, outside of which the covariance is a multiple
    # of the identity.
    basis, _ = np.linalg.qr(np.concatenate([unit, unit_length(new)]).T)
    spread = (unit - means[known.labels]) @ basis
    covariance = spread.T @ spread / len(spread)
    size = np.trace(covariance) / unit.shape[1]
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * size * np.eye(len(covariance))
    off = (unit_length(new)[:, None] - means) @ basis
    solved = np.linalg.solve(shrunk, off.reshape(-1, len(shrunk)).T).T.reshape(off.shape)
    return np.asarray((off * solved).sum(axis=2).min(axis=1))


def neighbour(k: int, known: Known, new: Floats) -> Floats:
    """The distance to the k-th nearest photograph (Sun et al. 2022, arXiv:2204.06507)."""
    return nearest(new, known.features, k).distances[:, -1]


def class_neighbour(known: Known, new: Floats) -> Floats:
    """The distance to the nearest photograph of each class, as a multiple of the class's own."""
    shares = []
    for label in np.unique(known.labels):
        of = known.features[known.labels == label]
        groups = known.groups[known.labels == label]
        own = nearest(of, of, 1, groups, groups).distances
        typical = np.median(own) if np.isfinite(own).all() else np.inf
        shares.append(nearest(new, of, 1).distances[:, 0] / typical)
    return np.asarray(np.min(shares, axis=0))


SCORES: dict[str, Score] = {
    "1 - highest probability": most_probable,
    "energy": energy,
    "nearest class mean": class_mean,
    "Mahalanobis": mahalanobis,
    **{f"k-th nearest, k = {k}": partial(neighbour, k) for k in NEIGHBOURS},
    "nearest, relative to its class": class_neighbour,
}


def _head(known: Known) -> tuple[Floats, Floats]:
    sizes = np.bincount(known.labels)
    weights = 1 / sizes[known.labels]
    head = fit_head(*known, weights, np.zeros(len(sizes)), balanced=True)
    return head.weights, head.bias


def _means(known: Known) -> Floats:
    unit = unit_length(known.features)
    return np.stack([unit[known.labels == label].mean(axis=0) for label in np.unique(known.labels)])


def fits(known: Known, seeds: int) -> Iterator[tuple[Known, Known]]:
    """Divide the photographs into known and new ones, where the known ones have all classes."""
    for seed in range(seeds):
        folds = folds_of(known.labels, known.groups, seed)
        for fold in range(FOLDS):
            old, new = (Known(*(of[chosen] for of in known)) for chosen in
                        (folds != fold, folds == fold))  # fmt: skip
            if len(np.unique(old.labels)) == len(np.unique(known.labels)):
                yield old, new


def aurocs(known: Known, others: Mapping[str, Floats], seeds: int) -> dict[str, dict[str, float]]:
    """The mean AUROC of each score, by kind of other photographs."""
    found: dict[str, dict[str, list[float]]] = {n: {o: [] for o in others} for n in SCORES}
    for old, new in fits(known, seeds):
        every = np.concatenate([new.features, *others.values()])
        ends = np.cumsum([len(new.features), *map(len, others.values())])
        for name, score in SCORES.items():
            own, *parts = np.split(score(old, every), ends[:-1])
            for other, part in zip(others, parts, strict=True):
                truth = np.repeat([0, 1], [len(own), len(part)])
                found[name][other].append(roc_auc_score(truth, np.concatenate([own, part])))
    return {n: {o: float(np.mean(v)) for o, v in of.items()} for n, of in found.items()}


def shares(known: Known, others: Mapping[str, Floats], seeds: int, names: list[str], least: float
           ) -> dict[str, float]:  # fmt: skip
    """The share of the photographs whose novelty is `least` or more, by kind."""
    flags: dict[str, list[NDArray[np.bool_]]] = {}
    for old, new in fits(known, seeds):
        distances = familiar(
            TrainingPhotographs(old.features, old.labels, old.groups, np.empty((0, 0)))
        )
        assert distances is not None
        kinds = {"all known": new.features}
        kinds |= {name: new.features[new.labels == c] for c, name in enumerate(names)}
        for kind, features in {**kinds, **others}.items():
            flags.setdefault(kind, []).append(novelty(features, distances) >= least)
    return {kind: float(np.concatenate(of).mean()) for kind, of in flags.items()}


def left_out(photos: Known, label: int) -> tuple[Known, Floats]:
    """The photographs of the other classes, and the features of the class that is left out."""
    kept = photos.labels != label
    features, labels, groups = (of[kept] for of in photos)
    return Known(features, np.unique(labels, return_inverse=True)[1], groups), photos.features[
        ~kept
    ]


def show(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print a table of figures by row and column."""
    columns = list(next(iter(rows.values())))
    cells = [[name, *(of.get(column) for column in columns)] for name, of in rows.items()]
    print(tabulate(cells, headers=["", *columns], floatfmt=".3f", tablefmt="github"), end="\n\n")


def read(folder: Path, features: Features) -> tuple[Known, list[str]]:
    """The photographs of a folder, and their classes."""
    photos: Photos = read_photos(folder)
    root = folder / "train" if (folder / "train").is_dir() else folder
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    return Known(features(pixels_of(photos, SIZE)), photos.labels, photos.groups), names


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--other", type=Path, nargs="*", default=[], help="other data sets")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    train = parse_params(read_text(Path("params.yaml"))).train
    features = frozen(replace(train, fine_tune_epochs=0), SIZE)
    known, names = read(given.data, features)
    noise = np.random.default_rng(1).integers(0, 256, (50, SIZE, SIZE, 3), dtype=np.uint8)
    plain = [np.full((SIZE, SIZE, 3), colour, dtype=np.uint8) for colour in COLOURS]
    others = {folder.name: read(folder, features)[0].features for folder in given.other}
    others |= {"noise": features(noise), "one colour": features(np.stack(plain))}
    counts = np.bincount(known.labels).tolist()
    print(f"{', '.join(f'{c} {n}' for c, n in zip(counts, names, strict=True))}\n")

    scored: dict[str, dict[str, float]] = {name: {} for name in SCORES}
    flagged: dict[str, dict[str, float]] = {}
    for label, name in enumerate(names):
        rest, out = left_out(known, label)
        others_of = {f"without {name}": out}
        for score, cells in aurocs(rest, others_of, given.seeds).items():
            scored[score] |= cells
    for score, cells in aurocs(known, others, given.seeds).items():
        scored[score] |= cells
        scored[score]["mean"] = float(np.mean([*scored[score].values()]))
    show(scored)
    for least in (UNLIKE, 0.99):
        row = shares(known, others, given.seeds, names, least)
        for label, name in enumerate(names):
            rest, out = left_out(known, label)
            key = f"without {name}"
            row[key] = shares(rest, {key: out}, given.seeds, [], least)[key]
        flagged[f"novelty of {least} or more"] = row
    show(flagged)


if __name__ == "__main__":
    main()
