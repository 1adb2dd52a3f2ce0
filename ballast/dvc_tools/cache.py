"""Damage in DVC's cache, which DVC itself does not look for.

DVC takes a read-only object of its cache for sound and hands it out unread: what a failing disk
or a program run as root has put there becomes an output, and its hash goes into dvc.lock.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path


def damaged_objects(objects: Path, since: float) -> dict[Path, str]:
    """Find objects whose content is not what their name says.

    Args:
        objects: the folder of DVC's cache that holds them by their MD5.
        since: seconds since the epoch; only what was written or altered later is read.

    Returns:
        For each damaged object, the MD5 of what it holds instead.
    """
    found = {}
    for path in sorted(objects.glob("[0-9a-f][0-9a-f]/*")):
        if not re.fullmatch(r"[0-9a-f]{30}(\.dir)?", path.name):
            continue  # one that DVC is just writing
        status = path.stat()
        if max(status.st_mtime, status.st_ctime) < since:
            continue
        digest = file_md5(path)
        if object_path(objects, digest) != path.with_suffix(""):
            found[path] = digest
    return found


def unsound_objects(objects: Path, locked: Mapping[str, str]) -> dict[str, str]:
    """Find what dvc.lock names and the cache does not have, or not whole. Reads it all.

    Args:
        objects: as damaged_objects has it.
        locked: of each output its MD5, with .dir behind it where the output is a folder.

    Returns:
        By path of the file, or of a folder whose list it is: "missing" or "damaged".
    """
    found = {}
    for path, name in locked.items():
        if state := _state(objects, name):
            found[path] = state
        elif name.endswith(".dir"):
            entries = json.loads(object_path(objects, name).read_bytes())
            files = {f"{path}/{entry['relpath']}": entry["md5"] for entry in entries}
            found |= unsound_objects(objects, files)
    return found


def _state(objects: Path, name: str) -> str:
    """Of an object: "missing", "damaged", or empty where it is sound."""
    path = object_path(objects, name)
    if not path.is_file():
        return "missing"
    return "" if file_md5(path) == name.removesuffix(".dir") else "damaged"


def files_holding(paths: Iterable[Path], digests: Collection[str]) -> dict[Path, str]:
    """The files at or below `paths` whose MD5 is one of `digests`, with that MD5."""
    found = {file: file_md5(file) for path in paths for file in _files(path)}
    return {file: digest for file, digest in found.items() if digest in digests}


def object_path(objects: Path, digest: str) -> Path:
    """Where a cache keeps a file by its MD5."""
    return objects / digest[:2] / digest[2:]


def file_md5(path: Path) -> str:
    """MD5 of a file, in hexadecimal; read in parts."""
    digest = hashlib.md5(usedforsecurity=False)  # DVC's choice
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (file for file in sorted(path.rglob("*")) if file.is_file())
