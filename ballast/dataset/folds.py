"""Splits photographs into training, validation and test sets."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from ballast.core.manifest import Row, Subset, subset_rows
from ballast.dataset.scan import Photo


class _Group(NamedTuple):
    """Photographs that must be in the same subset."""

    members: list[int]
    counts: Counter[str]  # photographs by class
    rank: bytes  # sort key of a random order


def split_photos(
    photos: Sequence[Photo],
    groups: Sequence[int],
    folds: int,
    fold: int | None,
    val: float,
    seed: int,
) -> list[Row]:
    """Split photographs by group, stratified by class: one fold is test, a share of the rest val.

    Photographs with a given subset keep it. If any is given as test, none is drawn for test;
    the same holds for val. Membership depends on content and seed, not on order or names.
    A class with fewer groups than subsets fills train first, then test, then val.
    Like scikit-learn's StratifiedGroupKFold, it takes the largest groups first, and puts each into
    the fold with the smallest share of its classes. If every group is a single photograph, each
    class is dealt out in turn.

    Args:
        photos: all photographs; no two of one class with the same content.
        groups: the number of each photograph's group.
        folds: 2 or more.
        fold: the test fold, 0 to folds - 1; None draws none for test.
        val: 0 to 1; above 0, each class that can spare a group gives at least one.
        seed: params' seed.

    Returns:
        A row of the manifest for each photograph, in the order of `photos`.
    """
    given = {photo.given for photo in photos}
    subsets: list[Subset] = [photo.given or "train" for photo in photos]
    free = [i for i, photo in enumerate(photos) if photo.given in (None, "train")]
    rest = _groups(photos, groups, free, seed)
    if "test" not in given and fold is not None:
        rest = _draw(rest, _deal(rest, folds)[fold], "test", subsets)
    if "val" not in given and val > 0:
        _draw(rest, _share(rest, val), "val", subsets)
    del rest  # before the rows are made: of 160,000 photographs, 37 MiB
    names: dict[int, str] = {}
    for photo, group in zip(photos, groups, strict=True):
        names[group] = min(names.get(group, photo.sha256), photo.sha256)
    return [
        Row(p.path, p.class_, subset, names[group][:12], p.sha256, p.width, p.height, p.given)
        for p, group, subset in zip(photos, groups, subsets, strict=True)
    ]


def cross_validation_folds(rows: Sequence[Row], folds: int, seed: int) -> list[list[int]]:
    """Deal photographs out to folds by group, stratified by class, as split_photos does.

    A class always keeps a group that is not in the fold: of a class with a single group, no
    photograph is in any fold.

    Args:
        rows: rows of the manifest.
        folds: 2 or more.
        seed: 0 to 2**32 - 1.

    Returns:
        The places in `rows` of each fold's photographs, in order.
    """
    groups = _groups(rows, [row.group for row in rows], range(len(rows)), seed)
    dealt = []
    for wanted in _deal(groups, folds):
        subsets: list[Subset] = ["train"] * len(rows)
        _draw(groups, wanted, "test", subsets)
        dealt.append([place for place, subset in enumerate(subsets) if subset == "test"])
    return dealt


def most_folds(rows: Sequence[Row], folds: int, seed: int) -> int:
    """The largest number of folds, up to `folds`, of which each tests a photograph.

    If each group is of one class, it is the number of groups of the class that has most: a group
    goes to the fold with the smallest share of its class, so each gets one before any gets two.

    Args:
        rows: rows of the manifest.
        folds: 2 or more.
        seed: 0 to 2**32 - 1.

    Returns:
        2 or more; or 0 if not even two folds do.
    """
    classes: dict[str, str] = {}  # by group
    if all(classes.setdefault(row.group, row.class_) == row.class_ for row in rows):
        most = min(folds, max(Counter(classes.values()).values(), default=0))
        return most if most > 1 else 0
    for most in range(min(folds, len({row.group for row in rows})), 1, -1):
        if all(cross_validation_folds(rows, most, seed)):
            return most
    return 0


def _groups(
    photos: Sequence[Photo | Row],
    groups: Sequence[Hashable],
    places: Iterable[int],
    seed: int,
) -> list[_Group]:
    """The groups of the photographs in `places`, in random order."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index in places:
        members[groups[index]].append(index)
    counts: dict[tuple[str, ...], Counter[str]] = {}  # one for all groups of the same classes
    found = []
    for indices in members.values():
        classes = tuple(sorted(photos[index].class_ for index in indices))  # sums have an order
        if classes not in counts:
            counts[classes] = Counter(classes)
        rank = min(_rank(seed, photos[index]) for index in indices)
        found.append(_Group(indices, counts[classes], rank))
    return sorted(found, key=lambda group: group.rank)


def _rank(seed: int, photo: Photo | Row) -> bytes:
    return hashlib.sha256(f"{seed}:{photo.sha256}".encode()).digest()


def _draw(
    groups: Sequence[_Group], wanted: Iterable[_Group], subset: Subset, subsets: list[Subset]
) -> list[_Group]:
    """Move groups into a subset, except the last of a class; return those that remain."""
    left = Counter(name for group in groups for name in group.counts)
    drawn = set()
    for group in wanted:
        if all(left[name] > 1 for name in group.counts):
            left.subtract(group.counts.keys())
            drawn.add(group.rank)
            for index in group.members:
                subsets[index] = subset
    return [group for group in groups if group.rank not in drawn]


def _deal(groups: Sequence[_Group], folds: int) -> list[list[_Group]]:
    """Deal the groups out to the folds."""
    totals = _totals(groups)
    dealt = {name: [0] * folds for name in totals}  # photographs by class and fold
    by_fold: list[list[_Group]] = [[] for _ in range(folds)]
    for group in sorted(groups, key=lambda group: -len(group.members)):
        shares = [
            [have * n / totals[name] for have in dealt[name]] for name, n in group.counts.items()
        ]
        filled = [sum(of_fold) for of_fold in zip(*shares, strict=True)]
        emptiest = filled.index(min(filled))
        for name, n in group.counts.items():
            dealt[name][emptiest] += n
        by_fold[emptiest].append(group)
    return by_fold


def _share(groups: Sequence[_Group], share: float) -> list[_Group]:
    """Choose groups for a share of every class: those that fit, or else a class's smallest."""
    in_groups = Counter(name for group in groups for name in group.counts)
    room = Counter({name: max(1, round(n * share)) for name, n in _totals(groups).items()})
    spare = [group for group in groups if all(in_groups[name] > 1 for name in group.counts)]
    wanted: list[_Group] = []
    served: set[str] = set()
    for group in spare:
        if all(room[name] >= n for name, n in group.counts.items()):
            room.subtract(group.counts)
            served |= group.counts.keys()
            wanted.append(group)
    for group in sorted(spare, key=lambda group: len(group.members)):
        if group.counts.keys() - served:
            served |= group.counts.keys()
            wanted.append(group)
    return wanted


def _totals(groups: Iterable[_Group]) -> Counter[str]:
    totals = Counter[str]()
    for group in groups:
        for name, n in group.counts.items():
            totals[name] += n
    return totals


class Trial(NamedTuple):
    """A division of the photographs: a head is trained on some and predicts the others."""

    train: list[Row]
    judged: list[Row]


def fold_trials(rows: Sequence[Row], folds: int, seed: int) -> list[Trial]:
    """One trial per fold: it is judged, and the others train; together they judge nearly all.

    A class with a single group is never judged: its photographs are needed for training. A fold
    that judges nothing, as refuse_idle_folds refuses for params' seed, has no trial.

    Args:
        rows: rows of the manifest; their split does not matter.
        folds: 2 or more.
        seed: 0 to 2**32 - 1; with params' seed, fold i is the test set of split.fold i.
    """
    trials = []
    for places in cross_validation_folds(rows, folds, seed):
        judged = {*places}
        trials.append(
            Trial(
                [row for place, row in enumerate(rows) if place not in judged],
                [rows[place] for place in places],
            )
        )
    return [trial for trial in trials if trial.judged]


def given_trial(rows: Sequence[Row]) -> Trial:
    """The trial that data.raw gives: its test folder is judged."""
    return Trial(subset_rows(rows, "train"), subset_rows(rows, "test"))
