"""Groups photographs that a split must keep together."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError, counted
from ballast.core.params import Flip
from ballast.dataset.copies_cache import cached_copies
from ballast.dataset.duplicates import (
    HORIZONTAL,
    VERTICAL,
    Copies,
    HashTable,
    find_copies,
    merge,
    no_copies,
)
from ballast.dataset.scan import Photo

# The ways of mirroring that augment.flip makes.
FLIPS: dict[Flip | None, tuple[int, ...]] = {
    None: (),
    "horizontal": (HORIZONTAL,),
    "vertical": (VERTICAL,),
    "both": (HORIZONTAL, VERTICAL, HORIZONTAL | VERTICAL),
}


def copy_sets(
    photos: Sequence[Photo],
    hashes: HashTable,
    max_bits: int | None,
    flip: Flip | None = None,
    cache: Path | None = None,
) -> Copies:
    """Find photographs that are identical or near duplicates.

    Mirror images in two classes are copies only if augment.flip makes the one from the other.

    Args:
        photos: with rows in the table, unless max_bits is None.
        hashes: of the photographs.
        max_bits: maximum difference between the perceptual hashes of copies, in bits of 256; None
            finds only files with the same bytes.
        flip: the param augment.flip.
        cache: a file that keeps what was found, for the next call.

    Returns:
        Like find_copies. The result depends on content, not on names or order.
    """
    # Sort by content: the order of equal hashes decides which ones are compared.
    order = sorted(range(len(photos)), key=lambda index: photos[index].sha256)
    names = sorted({photo.class_ for photo in photos})
    number = {name: place for place, name in enumerate(names)}
    labels = [number[photos[index].class_] for index in order]
    found = Copies(*no_copies(len(order)), np.empty((0, 3), dtype=np.int64))
    if max_bits is not None:
        ways = FLIPS[flip]

        def find() -> Copies:
            rows = hashes.sorted_rows([photos[index].hashes for index in order])
            return find_copies(rows, max_bits, labels, ways)

        pictures = (
            (photos[index].sha256, label) for index, label in zip(order, labels, strict=True)
        )
        settings = {"max_bits": max_bits, "ways": ways}
        found = cached_copies(cache, pictures, settings, find) if cache else find()
    sets, bits, mirrors = found
    same = np.array(
        [
            (place, place + 1)
            for place in range(len(order) - 1)
            if photos[order[place]].sha256 == photos[order[place + 1]].sha256
        ],
        dtype=np.int64,
    ).reshape(-1, 2)
    bits[same] = 0
    sets = merge(sets, same[:, 0], same[:, 1])
    back = np.argsort(order)
    places = np.array(order, dtype=np.int64)
    pairs = np.column_stack([places[mirrors[:, 0]], places[mirrors[:, 1]], mirrors[:, 2]])
    return Copies(sets[back], bits[back], pairs)


def mirrored_classes(
    photos: Sequence[Photo], copies: Copies, flip: Flip | None
) -> list[tuple[str, str, int]]:
    """Pairs of classes of which augment.flip makes the one from the other.

    Args:
        photos: those that were compared.
        copies: result of copy_sets.
        flip: the param augment.flip.

    Returns:
        Two class names each, sorted, and the number of photographs of the first that are mirror
        images of photographs of the second.
    """
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for first, second, way in copies.mirrors.tolist():
        if way in FLIPS[flip]:
            one, other = sorted((photos[first], photos[second]), key=lambda photo: photo.class_)
            found[one.class_, other.class_].add(one.path)
    return [(*names, len(paths)) for names, paths in sorted(found.items())]


def join_keys(sets: NDArray[np.int64], keys: Sequence[str | None]) -> NDArray[np.int64]:
    """Merge the sets of photographs that have the same key.

    Args:
        sets: the number of each photograph's set, shape (n,).
        keys: of each photograph; None is a key that no other has.

    Returns:
        The new number of each photograph's set, shape (n,).
    """
    first: dict[str, int] = {}
    pairs = [
        (first.setdefault(key, place), place) for place, key in enumerate(keys) if key is not None
    ]
    joined = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return merge(sets, joined[:, 0], joined[:, 1])


def with_twins(
    sets: NDArray[np.int64], photos: Sequence[Photo], twins: Sequence[tuple[Photo, Photo]]
) -> NDArray[np.int64]:
    """Append photographs that were left out as identical, each to the set of the one kept.

    Args:
        sets: the number of each photograph's set, shape (n,).
        photos: n of them.
        twins: m photographs left out, each with the one that was kept.

    Returns:
        The number of the set of each photograph, then of each twin, shape (n + m,).
    """
    places = {photo.path: place for place, photo in enumerate(photos)}
    alone = np.arange(len(photos), len(photos) + len(twins), dtype=np.int64)
    kept = np.array([places[original.path] for _, original in twins], dtype=np.int64)
    return merge(np.concatenate([sets, alone]), alone, kept)


def keys_by_pattern(pattern: str, paths: Sequence[str]) -> list[str | None]:
    """Match each path with a regular expression; the key is its groups, or the match without any.

    Args:
        pattern: searched for anywhere in the path.
        paths: as in the manifest.

    Returns:
        Keys; None for a path that does not match.

    Raises:
        UserError: if no path matches.
    """
    found = [re.search(pattern, path) for path in paths]
    if not any(found):
        example = f", for example {min(paths)}" if paths else ""
        raise UserError(
            f"params.yaml: split.group: {pattern!r} matches no photograph's path{example}; write a"
            " regular expression that matches some"
        )
    return [match and "\n".join(match.groups("") or [match[0]]) for match in found]


def keys_by_table(
    name: str, text: str, paths: Sequence[str], files: Collection[str]
) -> list[str | None]:
    """Look up the group of each path in a table.

    Args:
        name: of the table, for errors.
        text: CSV with the columns path and group; an empty group means no group.
        paths: as in the manifest.
        files: all paths that the table may name.

    Returns:
        Keys; None for a path that is not in the table.

    Raises:
        UserError: if it is not such a table, has two groups for a path, or names an unknown path.
    """
    try:
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    except csv.Error as error:
        raise UserError(f"{name}: invalid CSV: {error}") from None
    if not rows or rows[0] != ["path", "group"]:
        raise UserError(f"{name}: the first line must be path,group")
    known = set(files)
    table: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != 2:
            cells = counted(len(row), "cell")
            raise UserError(f"{name}: line {number}: has {cells}, must have 2: path,group")
        path, group = row
        if path not in known:
            raise UserError(
                f"{name}: line {number}: {path} does not exist; paths are relative to data.raw, as"
                " in data/manifest.csv"
            )
        if table.setdefault(path, group) != group:
            raise UserError(f"{name}: line {number}: {path} has two groups")
    return [table.get(path) or None for path in paths]
