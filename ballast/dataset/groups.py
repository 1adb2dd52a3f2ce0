"""Which photographs belong together and must not stand on two sides of a split."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError
from ballast.dataset.duplicates import find_copies, merge, no_copies
from ballast.dataset.scan import Photo


def copy_sets(
    photos: Sequence[Photo], max_bits: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find photographs that are copies: of the same bytes, or near duplicates.

    Args:
        photos: with hashes, unless max_bits is None.
        max_bits: the most of 256 in which perceptual hashes of copies differ; None for files of
            the same bytes alone.

    Returns:
        As find_copies does. It depends on content, not on names or order.
    """
    # By content: where hashes are equal, their order decides which are compared.
    order = sorted(range(len(photos)), key=lambda index: photos[index].sha256)
    hashes = [photos[index].hashes for index in order]
    sets, bits = find_copies(hashes, max_bits) if max_bits is not None else no_copies(len(order))
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
    return sets[back], bits[back]


def join_keys(sets: NDArray[np.int64], keys: Sequence[str | None]) -> NDArray[np.int64]:
    """Merge the sets of photographs that have the same key.

    Args:
        sets: the number of each photograph's set, shape (n,).
        keys: of each; None stands for a key that nothing else has.
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
    """Append the photographs that were left out for the same bytes, each in the set of its like.

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


def keys_by_pattern(pattern: str, paths: Iterable[str]) -> list[str | None]:
    """What a regular expression finds in each path: its groups, or all of its match without any.

    Args:
        pattern: searched for anywhere in the path.
        paths: as the manifest has them.

    Returns:
        Keys; None where nothing is found.

    Raises:
        UserError: where nothing is found in any path.
    """
    found = [re.search(pattern, path) for path in paths]
    if not any(found):
        raise UserError(f"params.yaml: split.group: {pattern!r} matches no photograph's path")
    return [match and "\n".join(match.groups("") or [match[0]]) for match in found]


def keys_by_table(
    name: str, text: str, paths: Sequence[str], files: Collection[str]
) -> list[str | None]:
    """The group of each path, as a table has it.

    Args:
        name: of the table, for errors.
        text: CSV with the columns path and group; an empty group is none.
        paths: as the manifest has them.
        files: all that the table may name.

    Returns:
        Keys; None for a path that is not in the table.

    Raises:
        UserError: where it is no such table, has a path twice or names one that is no file.
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
            raise UserError(f"{name}: line {number}: must be a path and a group")
        path, group = row
        if path not in known:
            raise UserError(
                f"{name}: line {number}: {path} does not exist; paths are relative to data.raw, as"
                " in data/manifest.csv"
            )
        if table.setdefault(path, group) != group:
            raise UserError(f"{name}: line {number}: {path} has two groups")
    return [table.get(path) or None for path in paths]
