"""Lists the photographs in shards, which are tar and Parquet files, as if these were unpacked."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ballast.core.parquet_images import PARQUET, image_suffixes, row_classes, row_name
from ballast.core.shards import is_shard, read_stretch, tar_files
from ballast.dataset.listing import (
    UNREADABLE,
    FileState,
    States,
    file_states,
    is_folder_name,
    is_hidden,
    list_files,
    printable,
    unreadable,
)
from ballast.dataset.set_names import set_name
from ballast.dataset.tables import CLASS

# Of a photograph in WebDataset's layout: a file of the same name up to the first dot.
CLASS_SUFFIX = ".cls"
LONGEST_CLASS = 255  # bytes: more is no class, but something else
NO_FILE = "a link or the like in its shard, not a file"
NO_CLASS = "no class in its shard that a folder can be called"
# The end of a name such as train-00000-of-00012.
NUMBER_OF = re.compile(r"[-_.]\d+[-_.]of[-_.]\d+$", re.IGNORECASE)


class Listed(NamedTuple):
    """What is below a folder, with the files in shards in place of the shards."""

    files: list[str]  # as from list_files, with the shards
    paths: list[str]  # sorted
    unpacked: Mapping[str, str] = {}  # by path in a shard, where it would be if that were unpacked
    reasons: Mapping[str, str] = {}  # why files are no photographs, by path
    shards: Mapping[str, FileState] = {}  # by path, before they were listed


class _Entry(NamedTuple):
    """What a shard says of a file in it."""

    problem: str = ""
    class_: str | None = None  # None if folders tell


def list_photographs(raw: Path, classes: bool = True) -> Listed:
    """List everything below a folder, like list_files, and what is in shards.

    Args:
        raw: the folder.
        classes: whether to take classes from shards, and to judge them.

    Raises:
        UserError: as list_files does.
    """
    return with_shards(raw, list_files(raw), classes)


def with_shards(raw: Path, files: list[str], classes: bool = True) -> Listed:
    """List what is in the shards among some files of a folder, whose paths are relative to it."""
    shards = [path for path in files if is_shard(path) and not unreadable(raw / path)]
    if not shards:
        return Listed(files, files)
    states = [FileState(*row) for row in file_states(raw, shards).tolist()]
    unpacked: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for path in shards:
        entries = _entries(raw / path, classes)
        if isinstance(entries, str):
            reasons[path] = entries
            continue
        for (name, entry), inside in zip(entries.items(), _unpacked(path, entries), strict=True):
            unpacked[f"{path}/{name}"] = inside
            if entry.problem:
                reasons[f"{path}/{name}"] = entry.problem
    whole = {*files} - {*shards} | (reasons.keys() & {*shards})
    by_path = dict(zip(shards, states, strict=True))
    return Listed(files, sorted([*whole, *unpacked]), unpacked, reasons, by_path)


def states_of(states: States, listed: Listed) -> States:
    """The states of all paths: that of a file in a shard is the shard's.

    Args:
        states: of the files, from file_states.
        listed: the files and the paths.
    """
    if not listed.unpacked:
        return states
    place_of = {path: place for place, path in enumerate(listed.files)}
    return states[[place_of[_file(path, place_of)] for path in listed.paths]]


def _file(path: str, files: Mapping[str, int]) -> str:
    """The file that a path is in: itself or a shard."""
    while path not in files:
        path = path.rpartition("/")[0]
    return path


def shard_problem(shard: Path) -> str | None:
    """Say why what is in a shard cannot be listed; None if it can."""
    entries = _entries(shard, classes=False)
    return entries if isinstance(entries, str) else None


def _entries(shard: Path, classes: bool) -> dict[str, _Entry] | str:
    """What is in a shard, by name; or why that cannot be listed."""
    try:
        found = (_rows if shard.suffix.casefold() == PARQUET else _members)(shard, classes)
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"{UNREADABLE}: {error.strerror}"
    return found or "a shard without files"


def _members(shard: Path, classes: bool) -> dict[str, _Entry]:
    """What is in a tar file, by name, without the files that tell the classes of others."""
    found = dict(tar_files(shard))
    telling = {
        _key(name): stretch
        for name, stretch in found.items()
        if stretch and name.endswith(CLASS_SUFFIX) and stretch.size <= LONGEST_CLASS
    }
    texts = {
        key: read_stretch(stretch).decode("utf-8", "surrogateescape").strip()
        for key, stretch in telling.items()
        if classes
    }
    return {
        name: _entry(texts.get(_key(name))) if stretch else _Entry(NO_FILE)
        for name, stretch in found.items()
        if not (name.endswith(CLASS_SUFFIX) and _key(name) in telling)
    }


def _rows(shard: Path, classes: bool) -> dict[str, _Entry]:
    """The images in a Parquet file, by name."""
    names = [row_name(row, suffix) for row, suffix in enumerate(image_suffixes(shard))]
    told = row_classes(shard, CLASS) if classes else None
    if told is None:
        return dict.fromkeys(names, _Entry())
    return {name: _entry(class_ or "") for name, class_ in zip(names, told, strict=True)}


def _entry(class_: str | None) -> _Entry:
    if class_ is None or (is_folder_name(class_) and printable(class_) == class_):
        return _Entry(class_=class_)
    return _Entry(NO_CLASS)


def _unpacked(path: str, entries: Mapping[str, _Entry]) -> Iterator[str]:
    """Yield for each file in a shard where it would be if the shard were unpacked.

    That is in a folder with the name of the set that the shard's name holds, if any; of a shard
    without folders and classes, in one with the shard's name, unless that says a set and no more.
    """
    folder, _, file = path.rpartition("/")
    parts = [folder] if folder else []
    stem = NUMBER_OF.sub("", file.rpartition(".")[0])
    said = set_name(stem)
    has_classes = any(
        "/" in name or entry.class_ or entry.problem == NO_CLASS
        for name, entry in entries.items()
        if entry.problem != NO_FILE and not any(map(is_hidden, name.split("/")))
    )
    subset = said.subset if said and (has_classes or not said.others) else None
    if subset and not set_name(folder.rpartition("/")[2]):
        parts.append(subset)
    elif not has_classes:
        parts.append(stem)
    for name, entry in entries.items():
        yield "/".join([*parts, *([entry.class_] if entry.class_ else []), name])


def _key(name: str) -> str:
    """A name up to the first dot after the folders."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]
