"""Recognises names of folders that stand for the sets of a split, or for the parts of one set."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from ballast.core.manifest import Subset

SUBSET_NAMES: dict[str, Subset] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
# Words beside them that say nothing.
COMMON_WORDS = {
    "data",
    "dataset",
    "image",
    "images",
    "img",
    "imgs",
    "part",
    "photo",
    "photos",
    "picture",
    "pictures",
    "set",
    "split",
}
# Names of folders that hold the pictures of a set, or what belongs to them, and are no class.
NO_CLASS = (COMMON_WORDS - {"part", "set", "split"}) | {"annotations", "jpegimages", "labels"}

JOINED = re.compile(f"^({'|'.join(SUBSET_NAMES)})({'|'.join(sorted(COMMON_WORDS))})$")


class SetName(NamedTuple):
    """What a folder's name says: the set, and the other words, which folders of a split share."""

    subset: Subset
    others: tuple[str, ...]


def set_name(folder: str) -> SetName | None:
    """Read a name such as Training, test1, train_images or seg_train; None for other names."""
    words = _words(folder)
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    subsets = [SUBSET_NAMES[word] for word in words if word in SUBSET_NAMES]
    if len(subsets) != 1:
        return None
    others = (word for word in words if word not in SUBSET_NAMES and word not in COMMON_WORDS)
    return SetName(subsets[0], tuple(others))


def subset_of(name: str) -> Subset | None:
    """The subset that a name stands for, ignoring case; None if it says anything else as well."""
    found = set_name(name)
    return found.subset if found and not found.others else None


def set_folders(folders: Iterable[str]) -> dict[str, Subset]:
    """Choose the folders that are the sets of one split: of two sets or more, or train/ alone.

    Args:
        folders: names of folders beside each other.

    Returns:
        The subset of each folder of the split; empty if there is none.
    """
    names = sorted(folders)
    groups: dict[tuple[str, ...], dict[str, Subset]] = {}
    for folder in names:
        if found := set_name(folder):
            groups.setdefault(found.others, {})[folder] = found.subset
    split = [found for _, found in sorted(groups.items()) if len({*found.values()}) > 1]
    if split:
        return max(split, key=len)
    return {folder: "train" for folder in names if len(names) == 1 and subset_of(folder) == "train"}


def are_parts(folders: Iterable[str]) -> bool:
    """Whether folders are parts of one set: x_part_1 and x_part_2, or train1 and train2."""
    words = [_words(folder) for folder in folders]
    stems = {tuple(found[:-1]) for found in words}
    if (
        len(words) < 2
        or len(stems) > 1
        or not all(found[-1:] and found[-1].isdigit() for found in words)
    ):
        return False
    return any(word == "part" or word in SUBSET_NAMES for word in stems.pop())


def _words(name: str) -> list[str]:
    """The words and numbers of a name, in lower case; trainset, for example, is two words."""
    spaced = (JOINED.sub(r"\1 \2", word) for word in re.findall(r"[^\W\d_]+|\d+", name.casefold()))
    return " ".join(spaced).split()
