"""Lists the photographs in shards, which are tar and Parquet files, as if these were unpacked."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ballast.core.parquet_images import PARQUET, image_names, row_classes
from ballast.core.shards import is_shard, read_stretch, tar_files
from ballast.dataset.listing import (
    UNREADABLE,
    States,
    is_folder_name,
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


class _Entry(NamedTuple):
    """What a shard says of a file in it."""

    problem: str = ""
    class_: str | None = None  # None if folders tell


def list_photographs(raw: Path) -> Listed:
    """List everything below a folder, like list_files, and what is in shards.

    Raises:
        UserError: as list_files does.
    """
    return with_shards(raw, list_files(raw))


def with_shards(raw: Path, files: list[str]) -> Listed:
    """List what is in the shards among some files of a folder, whose paths are relative to it."""
    shards = [path for path in files if is_shard(path) and not unreadable(raw / path)]
    if not shards:
        return Listed(files, files)
    unpacked: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for path in shards:
        try:
            entries = (_rows if path.casefold().endswith(PARQUET) else _members)(raw / path)
        except ValueError as error:
            reasons[path] = str(error)
        except OSError as error:
            reasons[path] = f"{UNREADABLE}: {error.strerror}"
        else:
            if not entries:
                reasons[path] = "a shard without files"
            for (name, entry), inside in zip(
                entries.items(), _unpacked(path, entries), strict=True
            ):
                unpacked[f"{path}/{name}"] = inside
                if entry.problem:
                    reasons[f"{path}/{name}"] = entry.problem
    whole = {*files} - {*shards} | (reasons.keys() & {*shards})
    return Listed(files, sorted([*whole, *unpacked]), unpacked, reasons)


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


def _members(shard: Path) -> dict[str, _Entry]:
    """What is in a tar file, by name, without the files that tell the classes of others."""
    found = dict(tar_files(shard))
    classes = {
        _key(name): read_stretch(stretch).decode("utf-8", "surrogateescape").strip()
        for name, stretch in found.items()
        if stretch and name.endswith(CLASS_SUFFIX) and stretch.size <= LONGEST_CLASS
    }
    return {
        name: _entry(classes.get(_key(name))) if stretch else _Entry(NO_FILE)
        for name, stretch in found.items()
        if not (name.endswith(CLASS_SUFFIX) and _key(name) in classes)
    }


def _rows(shard: Path) -> dict[str, _Entry]:
    """The images in a Parquet file, by name."""
    names, classes = image_names(shard), row_classes(shard, CLASS)
    if classes is None:
        return dict.fromkeys(names, _Entry())
    return {name: _entry(class_ or "") for name, class_ in zip(names, classes, strict=True)}


def _entry(class_: str | None) -> _Entry:
    if class_ is None or (is_folder_name(class_) and printable(class_) == class_):
        return _Entry(class_=class_)
    return _Entry(NO_CLASS)


def _unpacked(path: str, entries: Mapping[str, _Entry]) -> Iterator[str]:
    """Yield for each file in a shard where it would be if the shard were unpacked.

    That is in a folder with the name of the set that the shard's name holds, if any; of a shard
    without folders and classes, in one with the shard's name.
    """
    folder, _, file = path.rpartition("/")
    parts = [folder] if folder else []
    stem = NUMBER_OF.sub("", file.rpartition(".")[0])
    subset = set_name(stem)
    has_classes = any("/" in name or entry.class_ or entry.problem == NO_CLASS
                      for name, entry in entries.items())  # fmt: skip
    if subset and not set_name(folder.rpartition("/")[2]):
        parts.append(subset.subset)
    elif not has_classes:
        parts.append(stem)
    for name, entry in entries.items():
        yield "/".join([*parts, *([entry.class_] if entry.class_ else []), name])


def _key(name: str) -> str:
    """A name up to the first dot after the folders."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]
