"""Measure the linear head on frozen features, with the photographs of a folder.

    python -m benchmarks.head TABLE --data FOLDER
    python -m benchmarks.head TABLE --data FOLDER --backbone mobilenet_v2 --weights pretrained/m.h5

FOLDER contains one folder per class, or train/ with these; test folders are not read. No photograph
is classified by a head that was fitted to it, its copies or its variants. Tables:

    draws       few photographs per class, tested on the others: heads against nearest class mean
    folds       cross-validation: baseline and balanced, each with and without calibration
    subsets     balanced against baseline, cross-validated, on random subsets of three classes
    strategies  which strategies give the same head
    augment     variants: which kinds, and how many per photograph
    sizes       image sizes: metrics, and ms per photograph
    resampling  filters for resizing to --size
    speed       seconds for 1,000 random photographs in 3 and in 10 classes
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax
from tabulate import tabulate

from ballast.augment.variants import augmented_images, drawn_rounds, resized_pixels
from ballast.balance.class_weights import class_weights
from ballast.core.files import read_text
from ballast.core.images import decode_image, image_array
from ballast.core.params import EXACT_BACKBONE, Augment, Train, parse_params
from ballast.core.paths import KERAS_DOWNLOADS
from ballast.dataset.duplicates import HashTable
from ballast.dataset.groups import copy_sets
from ballast.dataset.layout import folder_layout
from ballast.dataset.scan import inspect_files, sort_out
from ballast.model.features import read_backbone
from ballast.model.head_fitting import (
    Labels,
    fit_head,
    optimum,
    penalty_of,
)
from ballast.model.head_loss import unit_length
from ballast.model.logits import Floats, linear_logits, linear_probabilities
from ballast.workers.processes import Engine

Features = Callable[[NDArray[np.uint8]], Floats]
FOLDS = 5
DRAWS = ((3, 3, 3), (5, 5, 5), (10, 10, 10), (3, 12, 35), (5, 20, 50), (2, 30, 30))
SUBSETS = ((3, 12, 35), (5, 20, 50), (2, 30, 30))
NOTHING = {
    "rotate": 0.0, "flip": "horizontal", "zoom": 0.0, "shift": 0.0, "brightness": 0.0,
    "contrast": 0.0, "saturation": 0.0, "hue": 0.0,
}  # fmt: skip
KINDS: dict[str, dict[str, float]] = {
    "mirror": {},
    "crops": {"zoom": 0.2, "shift": 0.1},
    "colour": {"brightness": 0.25, "contrast": 0.4, "saturation": 1, "hue": 60},
    "geometry": {"rotate": 20, "zoom": 0.25, "shift": 0.15},
}  # fmt: skip


class Photos(NamedTuple):
    """Photographs in the order of their paths."""

    files: list[bytes]
    sha256: list[str]
    labels: Labels
    groups: NDArray[np.int64]


def read_photos(folder: Path) -> Photos:
    """Read the photographs of a folder, or of its train/, and group copies."""
    root = folder / "train" if (folder / "train").is_dir() else folder
    hashes, places = HashTable(), folder_layout(root).places
    photos, *_ = sort_out([*inspect_files(root, places, 30, Engine(workers=1), hashes)])
    names = sorted({photo.class_ for photo in photos})
    return Photos(
        [(root / photo.path).read_bytes() for photo in photos],
        [photo.sha256 for photo in photos],
        np.array([names.index(photo.class_) for photo in photos]),
        np.asarray(copy_sets(photos, hashes, 31)[0]),
    )


def frozen(train: Train, size: int) -> Features:
    """Load a frozen backbone; return a function from uint8 pixels to features."""
    model = read_backbone(train, size, KERAS_DOWNLOADS).load()

    def features(pixels: NDArray[np.uint8]) -> Floats:
        batches = (pixels[start : start + 64] for start in range(0, len(pixels), 64))
        return np.concatenate([np.asarray(model.predict_on_batch(b), np.float64) for b in batches])

    return features


def pixels_of(photos: Photos, size: int) -> NDArray[np.uint8]:
    """Resize all photographs like Ballast does."""
    return np.stack([image_array(data, size) for data in photos.files])


def trained(
    features: Floats, labels: Labels, groups: NDArray[np.int64], *, balanced: bool
) -> Callable[[Floats], Floats]:
    """Fit a head like `baseline` or `balanced`; return a function that gives probabilities."""
    k = int(labels.max()) + 1
    weights = 1 / np.bincount(labels, minlength=k)[labels] if balanced else np.ones(len(labels))
    head = fit_head(features, labels, groups, weights, np.zeros(k), balanced=balanced)
    return lambda tested: linear_probabilities(tested, head.weights, head.bias)


def uncalibrated(
    features: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    *,
    balanced: bool,
    strength: float = 0.1,
    smoothing: float = 0.0,
) -> Callable[[Floats], Floats]:
    """Fit a head like `trained`, but without calibration.

    Smoothing s gives every other class s times a photograph's weight: Firth's correction for
    softmax regression (Ghaffari et al. 2021, arXiv:2110.02529).
    """
    k = int(labels.max()) + 1
    weights = 1 / np.bincount(labels, minlength=k)[labels] if balanced else np.ones(len(labels))
    unit = unit_length(features)
    if smoothing:
        unit, weights = np.tile(unit, (k, 1)), np.tile(weights, k)
        others = np.repeat(np.arange(k), len(labels))
        same = others == np.tile(labels, k)
        weights, labels = weights * np.where(same, 1.0, smoothing), others
    found = optimum(unit, labels, weights, penalty_of(strength, groups), np.zeros(k))
    return lambda tested: softmax(unit_length(tested) @ found.weights + found.bias, axis=1)


def nearest_mean(
    features: Floats, labels: Labels, groups: NDArray[np.int64], *, balanced: bool
) -> Callable[[Floats], Floats]:
    """Cosine similarity to the class means, both centred (Wang et al. 2019, arXiv:1911.04623)."""
    del groups, balanced
    unit = unit_length(features)
    means = np.stack([unit[labels == c].mean(axis=0) for c in range(int(labels.max()) + 1)])
    centre = means.mean(axis=0)
    towards = unit_length(means - centre)
    return lambda tested: softmax(5 * unit_length(unit_length(tested) - centre) @ towards.T, axis=1)


def scores(found: Floats, labels: Labels) -> list[float]:
    """Balanced accuracy, worst recall, accuracy, balanced log loss, log loss, calibration error."""
    predicted, chance = found.argmax(axis=1), found[np.arange(len(labels)), labels]
    of_class = [labels == c for c in np.unique(labels)]
    recalls = [float(np.mean(predicted[c] == labels[c])) for c in of_class]
    losses = -np.log(np.maximum(chance, 1e-12))
    confidence, right = found.max(axis=1), predicted == labels
    bins = np.minimum((confidence * 15).astype(int), 14)
    gaps = [abs(np.sum(right[bins == b]) - np.sum(confidence[bins == b])) for b in np.unique(bins)]
    return [
        float(np.mean(recalls)), min(recalls), float(np.mean(right)),
        float(np.mean([losses[c].mean() for c in of_class])), float(losses.mean()),
        float(np.sum(gaps) / len(labels)),
    ]  # fmt: skip


HEADERS = [
    "", "balanced accuracy", "worst recall", "accuracy", "balanced log loss", "log loss",
    "calibration error",
]  # fmt: skip


def show(found: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Print mean ± standard deviation of each row's metrics."""
    rows = []
    for name, values in found.items():
        means, spread = np.mean(values, axis=0), np.std(values, axis=0)
        rows.append([name, *(f"{m:.3f} ± {s:.3f}" for m, s in zip(means, spread, strict=True))])
    print(tabulate(rows, headers=HEADERS, tablefmt="github"), flush=True)


def folds_of(labels: Labels, groups: NDArray[np.int64], seed: int) -> Labels:
    """Deal groups to folds at random, class by class."""
    _, first, index = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(labels[first][order], kind="stable")]
    places = np.empty(len(first), dtype=np.int64)
    places[order] = np.arange(len(first)) % FOLDS
    return places[index]


Fit = Callable[..., Callable[[Floats], Floats]]


def cross_validated(
    features: Floats, photos: Photos, seed: int, fit: Fit, *, balanced: bool
) -> list[float]:
    """Metrics of all photographs, each classified by a head fitted without its group."""
    folds = folds_of(photos.labels, photos.groups, seed)
    found = np.empty((len(folds), int(photos.labels.max()) + 1))
    for fold in range(FOLDS):
        seen = folds != fold
        head = fit(features[seen], photos.labels[seen], photos.groups[seen], balanced=balanced)
        found[~seen] = head(features[~seen])
    return scores(found, photos.labels)


def draw(labels: Labels, counts: Sequence[int], seed: int, spare: int = 1) -> Labels:
    """Draw as many photographs of randomly ordered classes as `counts`; return their indices."""
    random = np.random.default_rng(seed)
    sizes = np.bincount(labels)
    order = random.permutation(len(sizes))[: len(counts)]
    while not (sizes[order] >= np.array(counts) + spare).all():
        order = random.permutation(len(sizes))[: len(counts)]
    chosen = [
        random.permutation(np.flatnonzero(labels == c))[:n]
        for c, n in zip(order, counts, strict=True)
    ]
    return np.concatenate(chosen)


def possible(labels: Labels, counts: Sequence[int], spare: int = 1) -> bool:
    """Whether classes have as many photographs as `counts`, and `spare` more each."""
    sizes = np.sort(np.bincount(labels))[-len(counts) :]
    return len(sizes) == len(counts) and bool((sizes >= np.sort(counts) + spare).all())


def part(photos: Photos, index: Labels) -> Photos:
    """Select photographs, and renumber their classes."""
    labels = np.unique(photos.labels[index], return_inverse=True)[1]
    files, sha256 = [photos.files[i] for i in index], [photos.sha256[i] for i in index]
    return Photos(files, sha256, labels, photos.groups[index])


def table_draws(photos: Photos, features: Floats, seeds: int) -> None:
    """Fit heads to few photographs and test them on the others."""
    fits: dict[str, Fit] = {
        "head": trained,
        "not calibrated": uncalibrated,
        **{
            f"not calibrated, strength {strength:g}": partial(uncalibrated, strength=strength)
            for strength in (10.0, 1.0, 0.01)
        },
        **{f"Firth, {share:g}": partial(uncalibrated, smoothing=share) for share in (0.01, 0.1)},
        "nearest class mean": nearest_mean,
    }
    for counts in DRAWS:
        if not possible(photos.labels, counts):
            continue
        found: dict[str, list[list[float]]] = {name: [] for name in fits}
        for seed in range(seeds):
            index = draw(photos.labels, counts, seed)
            few = part(photos, index)
            classes = np.unique(photos.labels[index])
            others = np.setdiff1d(np.flatnonzero(np.isin(photos.labels, classes)), index)
            others = others[~np.isin(photos.groups[others], few.groups)]
            truth = np.searchsorted(classes, photos.labels[others])
            for name, fit in fits.items():
                head = fit(features[index], few.labels, few.groups, balanced=True)
                found[name].append(scores(head(features[others]), truth))
        print(f"\n{'/'.join(map(str, counts))} photographs, {seeds} draws\n")
        show(found)


def table_folds(photos: Photos, features: Floats, seeds: int) -> None:
    """Cross-validate baseline and balanced, with and without calibration."""
    show(
        {
            f"{'balanced' if balanced else 'baseline'}{note}": [
                cross_validated(features, photos, seed, fit, balanced=balanced)
                for seed in range(seeds)
            ]
            for balanced in (False, True)
            for note, fit in (("", trained), (", not calibrated", uncalibrated))
        }
    )


def table_subsets(photos: Photos, features: Floats, seeds: int) -> None:
    """Compare balanced with baseline on random subsets."""
    for counts in SUBSETS:
        if not possible(photos.labels, counts, spare=0):
            continue
        found: dict[str, list[list[float]]] = {"baseline": [], "balanced": []}
        for seed in range(seeds):
            index = draw(photos.labels, counts, seed, spare=0)
            few = part(photos, index)
            for name, rows in found.items():
                rows.append(
                    cross_validated(
                        features[index], few, seed, trained, balanced=name == "balanced"
                    )
                )
        print(f"\n{'/'.join(map(str, counts))} photographs, {seeds} subsets\n")
        show(found)
        gains = np.array(found["balanced"])[:, 0] - np.array(found["baseline"])[:, 0]
        print(
            f"\nbalanced accuracy: balanced better {np.sum(gains > 0)}, worse {np.sum(gains < 0)},"
            f" same {np.sum(gains == 0)}; mean gain {gains.mean():+.3f}, minimum {gains.min():+.3f}"
        )


def table_strategies(photos: Photos, features: Floats) -> None:
    """Compare the head of each strategy with that of balanced class weights."""
    labels, n = photos.labels, len(photos.labels)
    sizes = np.bincount(labels)
    k, unit, penalty = len(sizes), unit_length(features), penalty_of(0.1, photos.groups)
    counts = {str(c): int(m) for c, m in enumerate(sizes)}
    logs = np.log(sizes / n)

    def by_class(method: str, power: float = 1.0) -> Floats:
        found = class_weights(counts, method, power)  # type: ignore[arg-type]
        return np.array([found[str(c)] for c in labels])

    times = sizes.max() // sizes + 0
    plain, none = np.ones(n), np.zeros(k)
    heads = {
        "none (baseline)": (plain, none),
        "class weights": (by_class("balanced"), none),
        "the same, times 1000": (1000 * by_class("balanced"), none),
        "class weights, power 0.5": (by_class("balanced", 0.5), none),
        "effective weights": (by_class("effective"), none),
        "balanced batches: equal totals": (1 / sizes[labels], none),
        "oversampling by whole repetition": (times[labels].astype(float), none),
        "logit adjustment, tau 1": (plain, logs - logs.max()),
    }
    first = optimum(unit, labels, by_class("balanced"), penalty, none).weights
    rows = []
    for name, (weights, offsets) in heads.items():
        found = optimum(unit, labels, weights, penalty, offsets).weights
        rows.append([name, f"{np.abs(found - first).max():.1e}"])
    print(tabulate(rows, headers=["strategy", "largest difference of a weight"], tablefmt="github"))


def table_augment(photos: Photos, features: Features, size: int, seeds: int) -> None:
    """Cross-validate with variants of each kind, distributed as in oversampling."""
    shipped = parse_params(read_text(Path("params.yaml"))).augment
    off = replace(shipped, **NOTHING)
    kinds: dict[str, Augment] = {"default": shipped}
    kinds |= {name: replace(off, **change) for name, change in KINDS.items()}
    plain = features(pixels_of(photos, size))
    found = {"photographs only": [
        cross_validated(plain, photos, seed, trained, balanced=True) for seed in range(seeds)
    ]}  # fmt: skip
    sizes = np.bincount(photos.labels)
    for name, augment in kinds.items():
        for factor in (1, 3):
            rows = []
            for seed in range(seeds):
                made, source = [], []
                for i, data in enumerate(photos.files):
                    rounds = range(1, round(factor * sizes.max() / sizes[photos.labels[i]]))
                    if rounds:
                        drawn = drawn_rounds(photos.sha256[i], rounds, seed, augment)
                        base = resized_pixels(data, size)
                        images = augmented_images(base, size, drawn, augment.quality).values()
                        made.append(features(np.stack([image_array(j, size) for j in images])))
                        source += [i] * len(images)
                rows.append(
                    _with_variants(plain, np.concatenate(made or [plain[:0]]), source, photos, seed)
                )
            found[f"{name}, factor {factor}"] = rows
            show({f"{name}, factor {factor}": rows})
    print()
    show(found)


def _with_variants(
    plain: Floats, made: Floats, source: list[int], photos: Photos, seed: int
) -> list[float]:
    folds, origin = folds_of(photos.labels, photos.groups, seed), np.array(source, dtype=np.int64)
    found = np.empty((len(folds), int(photos.labels.max()) + 1))
    for fold in range(FOLDS):
        index = np.concatenate([np.flatnonzero(folds != fold), origin[folds[origin] != fold]])
        terms = np.concatenate([plain[folds != fold], made[folds[origin] != fold]])
        head = trained(terms, photos.labels[index], photos.groups[index], balanced=True)
        found[folds == fold] = head(plain[folds == fold])
    return scores(found, photos.labels)


def table_sizes(photos: Photos, backbone: Callable[[int], Features], seeds: int) -> None:
    """Measure metrics and the time of the forward pass by image size."""
    found = {}
    for size in (96, 128, 160, 192, 224):
        features, pixels = backbone(size), pixels_of(photos, size)
        features(pixels[:16])
        start = time.perf_counter()
        values = features(pixels)
        each = 1000 * (time.perf_counter() - start) / len(pixels)
        found[f"{size} pixels, {each:.1f} ms"] = [
            cross_validated(values, photos, seed, trained, balanced=True) for seed in range(seeds)
        ]
    show(found)


def table_resampling(photos: Photos, features: Features, size: int, seeds: int) -> None:
    """Measure metrics by resizing filter."""
    found = {}
    for way in (Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR,
                Image.Resampling.NEAREST):  # fmt: skip
        images = (decode_image(data).resize((size, size), way) for data in photos.files)
        values = features(np.stack([np.asarray(image) for image in images]))
        found[way.name.lower()] = [
            cross_validated(values, photos, seed, trained, balanced=True) for seed in range(seeds)
        ]
    show(found)


def table_speed(dimensions: int = 1280, n: int = 1000) -> None:
    """Measure the seconds for one optimum, and for a whole head with its cross-validation."""
    rows = []
    for k in (3, 10):
        labels = np.arange(n) % k
        random = np.random.default_rng(1)
        lifted = np.arange(dimensions) % k == labels[:, None]
        features = np.rint(np.exp(random.normal(4, 1, (n, dimensions)) + 0.2 * lifted))
        start = time.perf_counter()
        found = optimum(
            unit_length(features), labels, np.ones(n), penalty_of(0.1, np.arange(n)), np.zeros(k)
        )
        one = time.perf_counter() - start
        head = fit_head(features, labels, np.arange(n), np.ones(n), np.zeros(k), balanced=True)
        linear_logits(features, head.weights, head.bias)
        rows.append([k, len(found.steps), one, time.perf_counter() - start - one])
    print(tabulate(rows, headers=["classes", "steps", "optimum, s", "head, s"], tablefmt="github"))


def main() -> None:
    """Print the table named on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tables = ["draws", "folds", "subsets", "strategies", "augment", "sizes", "resampling", "speed"]
    parser.add_argument("table", choices=tables)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--backbone", default=EXACT_BACKBONE, help="as train.backbone")
    parser.add_argument("--weights", help="as train.weights")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--seeds", type=int, default=5, help="repetitions of each measurement")
    given = parser.parse_args()
    if given.table == "speed":
        table_speed()
        return
    if not given.data:
        parser.error("this table needs --data")
    train = parse_params(read_text(Path("params.yaml"))).train
    backbone = partial(
        frozen, replace(train, backbone=given.backbone, weights=given.weights, fine_tune_epochs=0)
    )
    photos = read_photos(given.data)
    if given.table == "sizes":
        table_sizes(photos, backbone, given.seeds)
        return
    features = backbone(given.size)
    if given.table == "augment":
        table_augment(photos, features, given.size, given.seeds)
        return
    if given.table == "resampling":
        table_resampling(photos, features, given.size, given.seeds)
        return
    values = features(pixels_of(photos, given.size))
    if given.table == "strategies":
        table_strategies(photos, values)
        return
    table = {"draws": table_draws, "folds": table_folds, "subsets": table_subsets}[given.table]
    table(photos, values, given.seeds)


if __name__ == "__main__":
    main()
