"""Reads classes and subsets from the layout of a folder."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ballast.core.errors import UserError
from ballast.core.images import SUFFIXES
from ballast.core.manifest import Subset
from ballast.dataset.exclusion import excluded
from ballast.dataset.listing import is_hidden, is_link, list_files, printable
from ballast.dataset.set_names import NO_CLASS, SUBSET_NAMES, are_parts, set_folders, set_name
from ballast.dataset.shards import Listed, list_photographs

# Files of other kinds beside class folders, such as a licence, say nothing about the layout.
TEXTS = {"authors", "changelog", "copying", "licence", "license", "notice", "readme"}

ORDER: tuple[Subset, ...] = ("train", "val", "test")

Folders = Mapping[str, Sequence[str]]  # the files in each folder, both relative to the top
Parents = Mapping[str, Subset | None]  # the folders that hold class folders, and their subsets


class Place(NamedTuple):
    """What the layout says of a photograph."""

    class_: str
    given: Subset | None  # None if Ballast draws the split


class Layout(NamedTuple):
    """What a folder's files are, judging by their paths alone."""

    places: dict[str, Place | str]  # by path, relative to the folder; or why it is not a photograph
    parents: list[str]  # the folders that hold class folders, relative to the folder; "" is itself
    notes: Sequence[str] = ()  # what users should know of how the folder was read
    listed: Listed = Listed([], [])  # whose paths have places


def folder_layout(raw: Path, exclude: Sequence[str] = ()) -> Layout:
    """Take the names of folders for classes, and of folders around them for subsets.

    The layout is <class>/… or, if the top folders are named like the sets of a split,
    <subset>/<class>/…. A folder around all others is looked through. Shards count as unpacked.

    Args:
        raw: the folder.
        exclude: patterns of files to leave out, as in .gitignore.

    Raises:
        UserError: if the folder cannot be read, other folders are next to those of a given split,
            the sets of a split hold no class folders, or the folder holds a copy of itself.
    """
    listed = list_photographs(raw)
    reasons = {**listed.reasons, **excluded(raw, listed.paths, exclude)}
    seen = [listed.unpacked.get(path, path) for path in listed.paths if path not in reasons]
    _refuse_copy(raw, "", seen)
    parents, notes = _class_parents(raw, seen)
    for parent in filter(None, parents):
        _refuse_copy(raw, parent, seen)
    same: dict[Place | str, Place | str] = {}  # one value for all that are equal
    places = {
        path: same.setdefault(found, found)
        for path in listed.paths
        for found in [reasons.get(path) or _place(listed.unpacked.get(path, path), parents)]
    }
    return Layout(places, sorted(parents), notes, listed)


def given_parents(layout: Layout) -> dict[str, Subset]:
    """The subset of each folder that holds class folders; empty if Ballast draws the split."""
    return {
        folder: place.given
        for path, place in layout.places.items()
        if isinstance(place, Place) and place.given
        for folder in _above(layout.listed.unpacked.get(path, path))
        if folder in layout.parents
    }


def empty_class_folders(raw: Path, layout: Layout, classes: Sequence[str]) -> list[str]:
    """Find folders next to the class folders that contain no photographs.

    Args:
        raw: the folder.
        layout: of the folder.
        classes: those that have photographs, in any subset.

    Returns:
        Names, sorted; without hidden folders, and those whose files are left out by their paths.
    """
    holding: dict[str, bool] = {}  # whether any file in a folder is not left out by its path
    for path, place in layout.places.items():
        for folder in _above(path):
            holding[folder] = holding.get(folder, False) or isinstance(place, Place)
    names = {
        folder.name
        for parent in layout.parents
        for folder in _folders(raw / parent)
        if not folder.is_symlink() and not is_hidden(folder.name)
        if holding.get(_joined(parent, folder.name), True)
    }
    return sorted(printable(name) for name in names - {*classes})


def _class_parents(raw: Path, paths: Sequence[str]) -> tuple[Parents, list[str]]:
    """Find the folders that hold class folders; also return notes on what was made of others."""
    at = ""
    while True:
        tops = _with_pictures(paths, at)
        parents, notes = _sets(raw, tops) or _parts(tops) or ({}, [])
        inner = None if parents else _folder_around(raw, at, tops)
        if inner is None:
            break
        at = inner
    notes = [f"looked through {at}/", *notes] if at else notes
    if not parents and len(tops) > 1:
        notes += [
            f"{folder}/ counts as a class, like the folders next to it"
            for folder, files in sorted(tops.items())
            if set_name(_name(folder)) and _holds_folders_alone(folder, files)
        ]
    return parents or {at: None}, notes


def _sets(raw: Path, tops: Folders) -> tuple[Parents, list[str]] | None:
    """The sets of a given split among folders beside each other, with notes; None without any."""
    folders = {_name(folder): folder for folder in tops}
    given = {folders[name]: subset for name, subset in set_folders(folders).items()}
    if not given:
        return None
    inner = _inner({folder: tops[folder] for folder in given})
    holding = {folder for folder in given if _holds_classes(inner[folder], tops[folder])}
    others, named = (
        sorted({*tops} - {*given}),
        _listed(sorted(given, key=lambda f: ORDER.index(given[f]))),
    )
    if others:
        if not any(given[folder] == "train" for folder in holding):
            return None
        raise UserError(
            f"{raw}: {others[0]}/ is next to {named}; move it elsewhere, list it in data.exclude,"
            " or move its classes into them"
        )
    if not holding:
        raise UserError(
            f"{raw}: named like the sets of a split, but without class folders: {named}; make one"
            " folder per class in each, or rename them if they are classes"
        )
    parents = {inner[folder]: subset for folder, subset in given.items()}
    plain = all(SUBSET_NAMES.get(parent.casefold()) == subset for parent, subset in parents.items())
    said = ", ".join(f"{parent}/ is {subset}" for parent, subset in parents.items())
    without = [
        f"{folder}/ has no class folders, so its files are left out"
        for folder in sorted(set(given) - holding)
    ]
    return parents, [*([] if plain else [f"a given split: {said}"]), *without]


def _parts(tops: Folders) -> tuple[Parents, list[str]] | None:
    """The parts of one set among folders beside each other, with notes; None without any."""
    if not are_parts(map(_name, tops)):
        return None
    inner = _inner(tops)
    if not all(_holds_folders_alone(inner[folder], files) for folder, files in tops.items()):
        return None
    parents = [inner[folder] for folder in sorted(tops)]
    return dict.fromkeys(parents), [f"the classes in {_listed(parents)} are merged"]


def _inner(sets: Folders) -> dict[str, str]:
    """Look through the one folder in each set that is around its classes: seg_train/seg_train/."""
    found = {}
    for folder, files in sets.items():
        at = folder
        while (sole := _sole(at, files)) and _says_no_more(_name(sole), _name(folder)):
            at = sole
        found[folder] = at
    soles = {folder: _sole(at, sets[folder]) for folder, at in found.items()}
    around = {folder: sole for folder, sole in soles.items() if sole}
    same = len({_name(sole) for sole in around.values()}) == 1 and len(around) == len(soles)
    alone = all(_holds_folders_alone(sole, sets[of]) for of, sole in around.items())
    classes = any(len(_with_pictures(sets[of], sole)) > 1 for of, sole in around.items())
    return around if same and alone and classes else found


def _says_no_more(name: str, around: str) -> bool:
    """Whether a folder alone in another is no class: it has its name, or that of any picture."""
    found = set_name(name)
    same_set = found is not None and found == set_name(around)
    return name.casefold() == around.casefold() or same_set or name.casefold() in NO_CLASS


def _folder_around(raw: Path, at: str, tops: Folders) -> str | None:
    """The one folder in `at`, if two or more folders are in it, or in the one in it, and so on."""
    if len(tops) != 1:
        return None
    ((around, files),) = tops.items()
    others = [path for path in _folders(raw / at) if not is_hidden(path.name)]
    if any(_joined(at, path.name) != around and _is_empty(path) for path in others):
        return None
    folder: str | None = around
    while folder and _holds_folders_alone(folder, files):
        if len(_with_pictures(files, folder)) > 1:
            return around
        folder = _sole(folder, files)
    return None


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder; none if that would be there only if a shard were unpacked."""
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _is_empty(folder: Path) -> bool:
    """Whether a folder is a class folder of which no file can be read."""
    return is_link(folder) or not os.access(folder, os.R_OK | os.X_OK) or not list_files(folder)


def _refuse_copy(raw: Path, parent: str, paths: Sequence[str]) -> None:
    """Refuse a folder that was copied into itself: its files would be a class of their own.

    Raises:
        UserError: naming a file and its copy.
    """
    tops = _with_pictures(paths, parent)
    of = {_below(path, parent): top for top, files in tops.items() for path in files}
    for top, files in tops.items():
        inside = {_below(path, top): path for path in files}
        pairs = [(path, copy) for path, copy in inside.items() if of.get(path, top) != top]
        beside = len(of) - len(files)
        if len({of[path] for path, _ in pairs}) > 1 and 2 * len(pairs) >= beside:
            path, copy = min(pairs)
            raise UserError(
                f"{raw}: {top}/ holds copies of the folders next to it, for example {copy} of"
                f" {_joined(parent, path)}; remove it, or list it in data.exclude"
            )


def _place(path: str, parents: Parents) -> Place | str:
    """The place of a file among class folders."""
    parent = next((folder for folder in _above(path) if folder in parents), None)
    if parent is not None:
        class_, *names = _below(path, parent).split("/")
        return Place(class_, parents[parent]) if names else "not in a class folder"
    top, *names = path.split("/")
    beside = names and not any(f"{parent}/".startswith(f"{top}/") for parent in parents)
    if beside and any(parents.values()):
        return "not in train/, val/ or test/"
    return "not in a class folder"


def _with_pictures(paths: Iterable[str], at: str) -> Folders:
    """The folders in `at` that hold what may be a picture, each with its files at any depth."""
    found: dict[str, list[str]] = {}
    for path in paths:
        if at == "" or path.startswith(f"{at}/"):
            name, slash, _ = _below(path, at).partition("/")
            if slash:
                found.setdefault(_joined(at, name), []).append(path)
    return {folder: files for folder, files in found.items() if any(map(_is_picture, files))}


def _sole(at: str, files: Iterable[str]) -> str | None:
    """The folder in `at`, if it is the only one and no picture is beside it."""
    folders = _with_pictures(files, at)
    return next(iter(folders)) if len(folders) == 1 and _holds_folders_alone(at, files) else None


def _holds_folders_alone(at: str, files: Iterable[str]) -> bool:
    """Whether pictures are in folders in `at`, and none is in `at` itself."""
    return not any(_is_picture(path) for path in files if path.rpartition("/")[0] == at)


def _holds_classes(at: str, files: Iterable[str]) -> bool:
    return any(_name(folder).casefold() not in NO_CLASS for folder in _with_pictures(files, at))


def _is_picture(path: str) -> bool:
    """Whether a file's name may be that of a picture, which needs no extension."""
    name = PurePosixPath(path)
    return name.suffix.lower() in SUFFIXES or not (name.suffix or name.name.casefold() in TEXTS)


def _listed(folders: Sequence[str]) -> str:
    """Folders as in "a/, b/ and c/"."""
    *others, last = [f"{folder}/" for folder in folders]
    return f"{', '.join(others)} and {last}" if others else last


def _above(path: str) -> list[str]:
    """The folders that a path is in, the innermost first; the last is ""."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(len(parts) - 1, -1, -1)]


def _name(folder: str) -> str:
    return folder.rpartition("/")[2]


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _below(path: str, folder: str) -> str:
    return path.removeprefix(f"{folder}/") if folder else path
