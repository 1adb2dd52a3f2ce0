"""What was found out about files, kept so that what has not changed is not read again.

A file is known by its path and its state: size, times and inode. As in git's index, a state is
trusted only where it was older than the look at it: a later change would then show in it.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ballast.core.errors import UserError
from ballast.core.files import write_bytes
from ballast.dataset.listing import FileState
from ballast.dataset.scan import Content, Photo, Rejection, content_of

# The coarsest clock of a common file system, FAT's, in ns.
CLOCK = 2 * 10**9


class Inspection(NamedTuple):
    """A file's content, and the state that the file had."""

    state: FileState
    content: Content


def unchanged(
    kept: Mapping[str, Inspection], states: Mapping[str, FileState | None]
) -> dict[str, Content]:
    """The contents, by path, of files whose state is the one that is kept."""
    return {
        path: inspection.content
        for path, inspection in kept.items()
        if states.get(path) == inspection.state
    }


def trusted(
    states: Mapping[str, FileState | None], results: Sequence[Photo | Rejection], moment: int
) -> dict[str, Inspection]:
    """Choose what may be kept.

    Args:
        states: of files by path, the same before and after they were read.
        results: of the same files, in the same order.
        moment: before the second look at the states, in ns since 1970.
    """
    contents = zip(states.items(), map(content_of, results), strict=True)
    return {
        path: Inspection(state, content)
        for (path, state), content in contents
        if state and content and max(state.modified, state.changed) < moment - CLOCK
    }


def read_inspections(path: Path, origin: Mapping[str, object]) -> dict[str, Inspection]:
    """Read what write_inspections wrote.

    Args:
        path: of the file.
        origin: as it was written with.

    Returns:
        Inspections by path; none where the file is missing, damaged, or of another origin.
    """
    try:
        header, _, body = path.read_bytes().partition(b"\n")
        if json.loads(header) != _header(origin, body):
            return {}
        return {
            name: Inspection(
                FileState(*state), Content(reason, digest, width, height, b64decode(hashes))
            )
            for name, state, (reason, digest, width, height), hashes in map(
                json.loads, body.splitlines()
            )
        }
    except (OSError, ValueError, TypeError):
        return {}


def write_inspections(
    path: Path, origin: Mapping[str, object], inspections: Mapping[str, Inspection]
) -> None:
    """Write inspections, whole or, where the file cannot be written, not at all.

    Args:
        path: of the file.
        origin: what else decides on a content: versions, params. JSON's types.
        inspections: by path.
    """
    lines = [
        json.dumps(
            [name, state, content[:-1], b64encode(content.hashes).decode()],
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


def _header(origin: Mapping[str, object], body: bytes) -> dict[str, object]:
    return {"origin": dict(origin), "sha256": hashlib.sha256(body).hexdigest()}
