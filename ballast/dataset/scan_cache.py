"""Caches the results of inspecting files, so that unchanged files are not read again.

A file is identified by its path and state: size, times and inode. As in git's index, a state is
trusted only if it is older than the moment when it was read: a later change then alters it.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ballast.core.errors import UserError
from ballast.core.files import write_bytes
from ballast.dataset.layout import Place
from ballast.dataset.listing import FileState
from ballast.dataset.scan import Content, Photo, Rejection, content_of

# The coarsest resolution of timestamps in a common file system, FAT, in ns.
CLOCK = 2 * 10**9


class Inspection(NamedTuple):
    """A file's content, and its state at that time."""

    state: FileState
    content: Content


def unchanged(
    kept: Mapping[str, Inspection], states: Mapping[str, FileState | None]
) -> dict[str, Content]:
    """The contents, by path, of files whose state is still the cached one."""
    return {
        path: inspection.content
        for path, inspection in kept.items()
        if states.get(path) == inspection.state
    }


def trusted(
    states: Mapping[str, FileState | None],
    places: Mapping[str, Place | str],
    results: Sequence[Photo | Rejection],
    moment: int,
) -> dict[str, Inspection]:
    """Choose the results that may be cached: those that depend on the content of a file alone.

    Args:
        states: of files by path, the same before and after they were read.
        places: what the layout says of the same paths.
        results: of the same files, in the same order.
        moment: a time before the states were read again, in ns since 1970.

    Returns:
        Inspections by path.
    """
    contents = zip(states.items(), map(content_of, results), strict=True)
    return {
        path: Inspection(state, content)
        for (path, state), content in contents
        if state
        and content
        and isinstance(places[path], Place)
        and max(state.modified, state.changed) < moment - CLOCK
    }


def read_inspections(path: Path, origin: Mapping[str, object]) -> dict[str, Inspection]:
    """Read what write_inspections wrote.

    Args:
        path: of the file.
        origin: as passed to write_inspections.

    Returns:
        Inspections by path; empty if the file is missing, damaged or of another origin.
    """
    try:
        header, _, body = path.read_bytes().partition(b"\n")
        if json.loads(header) != _header(origin, body):
            return {}
        return {
            name: Inspection(
                FileState(*state),
                Content(reason, digest, width, height, b64decode(hashes), _pair(greys)),
            )
            for name, state, (reason, digest, width, height), hashes, greys in map(
                json.loads, body.splitlines()
            )
        }
    except (OSError, ValueError, TypeError):
        return {}


def write_inspections(
    path: Path, origin: Mapping[str, object], inspections: Mapping[str, Inspection]
) -> None:
    """Write inspections completely, or not at all if the file cannot be written.

    Args:
        path: of the file.
        origin: what else the contents depend on: versions and params, in JSON's types.
        inspections: by path.
    """
    lines = [
        json.dumps(
            [
                *(name, state, content[:4]),
                *(b64encode(content.hashes).decode(), content.greys or ()),
            ],
            separators=(",", ":"),
        )
        for name, (state, content) in inspections.items()
    ]
    body = "\n".join(lines).encode()
    header = json.dumps(_header(origin, body)).encode()
    try:
        write_bytes(path, header + b"\n" + body)
    except UserError:
        return  # it only saves time


def _pair(ends: Sequence[float]) -> tuple[float, float] | None:
    return (ends[0], ends[1]) if ends else None


def _header(origin: Mapping[str, object], body: bytes) -> dict[str, object]:
    return {"origin": dict(origin), "sha256": hashlib.sha256(body).hexdigest()}
