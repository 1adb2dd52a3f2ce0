"""Which photographs train, which validate and which test."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from ballast.inventory import Photo
from ballast.manifest import Row, Subset


def split_photos(
    photos: Sequence[Photo], folds: int, fold: int, val: float, seed: int
) -> list[Row]:
    """Split every class by itself: fold `fold` of `folds` is test, a `val` share of the rest val.

    Photographs that come with a subset keep it. Where any is given as test, none is drawn for
    test; likewise for val. Membership depends on content and seed, not on order or names.
    A class too small for every subset keeps train first, then test, then val.

    Args:
        photos: all of them; no two of one class with the same content.
        folds: 2 or more.
        fold: 0 to folds - 1.
        val: 0 to 1; above 0, each class that can spare a photograph gives at least one.
        seed: params' seed.

    Returns:
        A row of the manifest for each photograph, in the order of `photos`.
    """
    given = {photo.given for photo in photos}
    pools: dict[str, list[int]] = defaultdict(list)
    subsets: list[Subset] = []
    for index, photo in enumerate(photos):
        subsets.append(photo.given or "train")
        if photo.given in (None, "train"):
            pools[photo.class_].append(index)
    for pool in pools.values():
        pool.sort(key=lambda index: _rank(seed, photos[index]))
        rest = pool
        if "test" not in given and len(pool) > 1:
            for index in pool[fold::folds]:
                subsets[index] = "test"
            rest = [index for index in pool if subsets[index] != "test"]
        if "val" not in given and val > 0 and len(rest) > 1:
            count = min(max(1, round(len(rest) * val)), len(rest) - 1)
            for index in rest[:count]:
                subsets[index] = "val"
    return [
        # Until photographs are grouped, each is a group of its own.
        Row(p.path, p.class_, subset, p.sha256[:12], p.sha256, p.width, p.height)
        for p, subset in zip(photos, subsets, strict=True)
    ]


def _rank(seed: int, photo: Photo) -> bytes:
    return hashlib.sha256(f"{seed}:{photo.sha256}".encode()).digest()
