"""Reads classes and subsets from the layout of a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ballast.core.errors import UserError
from ballast.core.manifest import Subset
from ballast.dataset.listing import list_files, printable

# Common names of the folders of a given split.
SUBSET_FOLDERS: dict[str, Subset] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


class Place(NamedTuple):
    """What the layout says of a photograph."""

    class_: str
    given: Subset | None  # None if Ballast draws the split


class Layout(NamedTuple):
    """What a folder's files are, judging by their paths alone."""

    places: dict[str, Place | str]  # by path, relative to the folder; or why it is not a photograph
    parents: list[str]  # the folders that hold class folders, relative to the folder; "" is itself


def folder_layout(raw: Path) -> Layout:
    """Take the names of folders for classes, and of folders around them for subsets.

    The layout is <class>/… or, if the top folders are named train, test and val and have
    subfolders, <subset>/<class>/….

    Raises:
        UserError: if the folder cannot be read, or other folders are next to those of a given
            split.
    """
    paths = list_files(raw)
    depth = 1 if _has_subset_folders(raw, paths) else 0
    places = {path: _place(path, depth) for path in paths}
    tops = {path.split("/")[0] for path, place in places.items() if isinstance(place, Place)}
    return Layout(places, sorted(tops) if depth else [""])


def empty_class_folders(raw: Path, layout: Layout, classes: Sequence[str]) -> list[str]:
    """Find folders next to the class folders that contain no photographs.

    Args:
        raw: the folder.
        layout: of the folder.
        classes: those that have photographs, in any subset.

    Returns:
        Names, sorted.
    """
    names = {
        folder.name
        for parent in layout.parents
        for folder in (raw / parent).iterdir()
        if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(".")
    }
    return sorted(printable(name) for name in names - {*classes})


def subset_of(folder: str) -> Subset | None:
    """The subset that a folder's name stands for, ignoring case; None for other names."""
    return SUBSET_FOLDERS.get(folder.casefold())


def _place(path: str, depth: int) -> Place | str:
    """The place of a file; its class folder is `depth` folders below the top."""
    *folders, name = path.split("/")
    if any(part.startswith(".") for part in (*folders, name)):
        return "hidden file"
    given = subset_of(folders[0]) if depth and folders else None
    if depth and folders and given is None:
        return "not in train/, val/ or test/"
    if len(folders) <= depth:
        return "not in a class folder"
    return Place(folders[depth], given)


def _has_subset_folders(raw: Path, paths: Sequence[str]) -> bool:
    """Whether train/, test/ and val/ are a given split; then no other folder may be beside them."""
    parts = [path.split("/") for path in paths]
    tops = {folders[0] for folders in parts if len(folders) > 1}
    tops = {top for top in tops if not top.startswith(".") and top != "__MACOSX"}
    subsets = {subset_of(top) for top in tops} - {None}
    if not any(subset_of(folders[0]) == "train" and len(folders) > 2 for folders in parts):
        return False
    others = sorted(top for top in tops if subset_of(top) is None)
    if others and len(subsets) > 1:
        raise UserError(
            f"{raw}: {others[0]}/ is next to train/ and test/; move it elsewhere, or move its"
            " classes into them"
        )
    return not others
