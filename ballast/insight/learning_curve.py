"""What more photographs of a class would bring: its recall after training on fewer of them.

A learning curve trains on parts of the photographs at hand (Figueroa et al. 2012, BMC Medical
Informatics and Decision Making 12:8, fit curves to such points). No curve is fitted here, and
nothing is extrapolated: what is judged is the last doubling, from half of a class's photographs to
all that can train. Whether the next doubling brings as much is for the reader to expect.

With features that are kept, a point costs linear heads alone. Oversampled images are left out:
photographs with a weight train the same head, as variants do not help a frozen backbone
(docs/backbones.md).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.balance.class_weights import class_weights
from ballast.balance.oversampling import target_counts
from ballast.core.params import Strategy
from ballast.model.head_fitting import Head, class_groups
from ballast.model.head_strategy import Terms, fit_probe
from ballast.model.logits import linear_logits
from ballast.scores.effective import Indices, group_sums
from ballast.scores.explanations import Curve, CurvePoint
from ballast.scores.proportions import Array, tango, wilson

# A class needs 3 groups, of which 1 and 2 train. One of more than 100 photographs has no curve:
# nobody waits for its next photographs, and its heads take long.
LEAST_GROUPS, MOST_PHOTOGRAPHS = 3, 100
CLASSES = 3  # those with the fewest groups
FOLDS = 5
POINTS, DRAWS = 4, 3  # at most
# Photographs of the other classes, at most; where there are more, the largest classes are thinned.
# With 300, three curves of 2,000 photographs in 10 classes took 21 s.
OTHERS = 200
# Sum over all heads of photographs times classes. Each unit takes 60 to 280 microseconds.
WORK = 30_000
CONFIDENCE = 0.95
DECIMALS = 3


class Photographs(NamedTuple):
    """The n photographs of a data set with k classes, or those of them that may train."""

    features: NDArray[Any]  # whole numbers, shape (m, d)
    places: Indices  # of each photograph among the features, shape (n,)
    labels: Indices  # index into `classes`, shape (n,)
    groups: NDArray[np.str_]  # names that come from content, shape (n,)
    classes: Sequence[str]  # k


def learning_curves(of: Photographs, strategy: Strategy, seed: int) -> list[Curve]:
    """Compute the learning curves of the classes with the fewest groups.

    Args:
        of: all photographs, of two or more classes.
        strategy: how heads are trained.
        seed: params' seed.

    Returns:
        Curves of at most CLASSES classes, those with the fewest groups first; none for a class of
        fewer than LEAST_GROUPS groups or more than MOST_PHOTOGRAPHS.
    """
    groups = class_groups(of.labels, np.unique(of.groups, return_inverse=True)[1], len(of.classes))
    photographs = np.bincount(of.labels, minlength=len(of.classes))
    eligible = [
        place
        for place in np.argsort(groups, kind="stable").tolist()
        if groups[place] >= LEAST_GROUPS and photographs[place] <= MOST_PHOTOGRAPHS
    ][:CLASSES]
    curves = (learning_curve(of, place, strategy, seed, curves=len(eligible)) for place in eligible)
    return [curve for curve in curves if curve]


def learning_curve(
    of: Photographs,
    class_: int,
    strategy: Strategy,
    seed: int,
    *,
    curves: int = 1,
    most_points: int = POINTS,
) -> Curve | None:
    """Compute the learning curve of one class.

    In each draw, the class's groups are dealt to folds. A head is trained on some of the groups
    outside a fold, and on the other classes, and judges the class's photographs in the fold. Each
    point has twice the groups of the one before, or one more, and holds them. The draws follow from
    the seed and the names of the groups alone.

    Where the other classes have more than OTHERS photographs, the largest are thinned; the
    photographs that stay have the weight of those that do not.

    Args:
        of: all photographs.
        class_: its place in the classes; it has LEAST_GROUPS groups or more.
        strategy: how heads are trained.
        seed: params' seed.
        curves: number of curves that share WORK.
        most_points: 2 or more; those with the fewest groups are left out.

    Returns:
        The curve; None if, without a fold, another class has no photograph.
    """
    own = np.flatnonzero(of.labels == class_)
    names = sorted(set(of.groups[own].tolist()))
    folds, others = min(FOLDS, len(names)), min(OTHERS, len(of.labels) - len(own))
    sizes, draws = curve_plan(len(own) + others, len(names), len(of.classes), curves)
    sizes = sizes[-most_points:]
    predicted = np.full((len(sizes), draws, len(own)), -1)
    trained = np.zeros((len(sizes), draws, folds))
    for draw in range(draws):
        dealt = _shuffled(names, seed, draw)
        for fold in range(folds):
            held = np.isin(of.groups, dealt[fold::folds])
            rest = np.flatnonzero((of.labels != class_) & ~held)
            if len(np.unique(of.labels[rest])) < len(of.classes) - 1:
                return None
            kept = _thinned(of, rest, seed, draw)
            order = _shuffled(sorted({*names} - {*dealt[fold::folds]}), seed, draw, fold)
            seen = of.features[of.places[own[held[own]]]].astype(np.float64)
            for point, size in enumerate(sizes):
                some = own[np.isin(of.groups[own], order[:size])]
                head = _fitted(of, some, rest, kept, strategy)
                logits = linear_logits(seen, head.weights, head.bias)
                predicted[point, draw, held[own]] = logits.argmax(axis=1)
                trained[point, draw, fold] = len(some)
    numbers = np.unique(of.groups[own], return_inverse=True)[1].astype(np.int64)
    points = [
        _point(guesses == class_, numbers, size, float(photographs.mean()))
        for guesses, size, photographs in zip(predicted, sizes, trained, strict=True)
    ]
    right = (predicted[-2:] == class_).mean(axis=1)
    return Curve(of.classes[class_], draws, points, *_gain(right[1] - right[0], numbers))


def curve_plan(photographs: int, groups: int, classes: int, curves: int) -> tuple[list[int], int]:
    """Choose the points of a curve, as numbers of groups, and the number of draws.

    Args:
        photographs: that the largest head trains on.
        groups: of the class, LEAST_GROUPS or more.
        classes: of the data set.
        curves: number of curves that share WORK.

    Returns:
        Two to POINTS points, and 1 to DRAWS draws: all points as long as two draws can be had.
    """
    folds = min(FOLDS, groups)
    heads = WORK // (curves * photographs * classes)
    sizes = [groups - -(-groups // folds)]
    while sizes[-1] > 1 and len(sizes) < POINTS:
        sizes.append(sizes[-1] // 2)
    points = min(max(2, heads // (2 * folds)), len(sizes))
    return sizes[:points][::-1], min(max(1, heads // (points * folds)), DRAWS)


def _point(right: Array, numbers: Indices, groups: int, photographs: float) -> CurvePoint:
    """The recall over draws and photographs, with Wilson's interval for so many groups.

    Averaging over draws makes the recall vary less than a single training's, so the interval is at
    least as wide as it should be. Draws are too few to estimate their own variance: with two, an
    interval that allowed for it would reach from 4 to 100 %.

    Args:
        right: whether each photograph was recognised in each draw, shape (draws, m).
        numbers: of their groups, shape (m,).
        groups: of the class, in training.
        photographs: in these groups.
    """
    recall = right.mean()
    found = wilson(recall, len(np.unique(numbers)), CONFIDENCE)
    value, low, high = (round(float(part), DECIMALS) for part in (recall, *found))
    return CurvePoint(groups, round(photographs, 1), value, low, high)


def _gain(differences: Array, groups: Indices) -> tuple[float, float, float]:
    """The mean difference over groups with its interval, from each photograph's difference.

    Tango's interval of paired proportions, with the sums of positive and of negative differences of
    groups in place of the numbers of discordant ones. As no difference is larger than 1, the
    interval is at least as wide as it should be.
    """
    means = group_sums(differences, groups) / group_sums(np.ones(len(groups)), groups)
    fell, rose = np.maximum(-means, 0).sum(), np.maximum(means, 0).sum()
    bounds = tango(fell, rose, len(means), CONFIDENCE)
    gain, low, high = (
        round(float(part), DECIMALS) + 0.0 for part in (means.mean(), bounds.low, bounds.high)
    )
    return gain, low, high


def _shuffled(names: Sequence[str], *seed: int) -> list[str]:
    """Names in an order that depends on nothing but the seed and the names themselves."""
    start = ":".join(["learning curve", *map(str, seed)])
    return sorted(names, key=lambda name: hashlib.sha256(f"{start}:{name}".encode()).digest())


def _thinned(of: Photographs, rest: Indices, seed: int, draw: int) -> Indices:
    """Drop groups of the largest classes until at most about OTHERS photographs are left.

    Every class keeps the same number of photographs, or all if it has no more; at least a group.
    """
    most = _most(np.bincount(of.labels[rest]).tolist())
    kept = []
    for class_ in np.unique(of.labels[rest]):
        members = rest[of.labels[rest] == class_]
        if len(members) <= most:
            kept.append(members)
            continue
        names, counts = np.unique(of.groups[members], return_counts=True)
        number = dict(zip(names.tolist(), counts.tolist(), strict=True))
        order = _shuffled(names.tolist(), seed, draw)
        total = np.cumsum([number[name] for name in order])
        fitting = max(1, int((total <= most).sum()))
        kept.append(members[np.isin(of.groups[members], order[:fitting])])
    return np.concatenate(kept)


def _most(counts: Sequence[int]) -> int:
    """The most photographs that each class can keep if all may keep OTHERS together."""
    most, room, left = 0, OTHERS, sorted(count for count in counts if count)
    for place, count in enumerate(left):
        most = room // (len(left) - place)
        if count > most:
            return most
        room -= count
    return max(left)


def _fitted(
    of: Photographs, some: Indices, rest: Indices, kept: Indices, strategy: Strategy
) -> Head:
    """Fit a head to some photographs of a class, and to those kept of the rest of the others."""
    index = np.sort(np.concatenate([some, kept]))
    counts = _counts(of, np.concatenate([some, rest]))
    stand_for = target_counts(counts, 1, strategy.oversample)
    terms = _counts(of, index)
    weights = class_weights(counts, strategy.class_weights, strategy.weight_power, strategy.beta)
    in_order = [weights[name] * stand_for[name] / terms[name] for name in of.classes]
    groups = np.unique(of.groups[index], return_inverse=True)[1].astype(np.int64)
    chosen = Terms(of.features[of.places[index]], of.labels[index], groups)
    return fit_probe(chosen, np.array(in_order), strategy)


def _counts(of: Photographs, index: Indices) -> Mapping[str, int]:
    counts = np.bincount(of.labels[index], minlength=len(of.classes)).tolist()
    return dict(zip(of.classes, counts, strict=True))
