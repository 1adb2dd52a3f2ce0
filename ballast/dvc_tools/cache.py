"""Find damage in DVC's cache, which DVC itself does not check for.

DVC trusts read-only objects in its cache without reading them. If a failing disk or a program run
as root has changed one, it becomes an output, and its hash goes into dvc.lock.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from ballast.workers.progress import with_progress


def damaged_objects(objects: Path, since: float) -> dict[Path, str]:
    """Find objects whose content does not match their name.

    Args:
        objects: the folder of DVC's cache that names objects by their MD5.
        since: seconds since the epoch; only objects modified later are read.

    Returns:
        The actual MD5 of each damaged object.
    """
    fresh, found = [], {}
    for path in sorted(objects.glob("[0-9a-f][0-9a-f]/*")):
        if not re.fullmatch(r"[0-9a-f]{30}(\.dir)?", path.name):
            continue  # DVC is still writing it
        status = path.stat()
        if max(status.st_mtime, status.st_ctime) >= since:
            fresh.append(path)
    for path in with_progress(fresh, len(fresh), "cache"):
        digest = file_md5(path)
        if object_path(objects, digest) != path.with_suffix(""):
            found[path] = digest
    return found


def unsound_objects(objects: Path, locked: Mapping[str, str]) -> dict[str, str]:
    """Find files of dvc.lock that are missing or damaged in the cache; reads all of them.

    Args:
        objects: as for damaged_objects.
        locked: the MD5 of each output by path; those of folders end in .dir.

    Returns:
        "missing" or "damaged" by path of the file, or of the folder if its list is affected.
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
    """The state of an object: "missing", "damaged", or empty if it is sound."""
    path = object_path(objects, name)
    if not path.is_file():
        return "missing"
    return "" if file_md5(path) == name.removesuffix(".dir") else "damaged"


def files_holding(paths: Iterable[Path], digests: Collection[str]) -> dict[Path, str]:
    """The files at or below `paths` whose MD5 is in `digests`, with that MD5."""
    found = {file: file_md5(file) for path in paths for file in _files(path)}
    return {file: digest for file, digest in found.items() if digest in digests}


def object_path(objects: Path, digest: str) -> Path:
    """The path of a file in the cache, from its MD5."""
    return objects / digest[:2] / digest[2:]


def file_md5(path: Path) -> str:
    """The MD5 of a file in hexadecimal; reads the file in blocks."""
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
