"""Caches which photographs are near duplicates: a split of the same ones does not search again."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from ballast.core.errors import UserError
from ballast.core.files import write_bytes
from ballast.dataset.duplicates import Copies
from ballast.workers.versions import code_versions


def cached_copies(
    path: Path,
    pictures: Iterable[tuple[str, int]],
    settings: Mapping[str, object],
    find: Callable[[], Copies],
) -> Copies:
    """Return what is in a file if it was found among the same pictures, or else find and keep it.

    Args:
        path: of the file, which holds the copies that were found last; safe to delete.
        pictures: the SHA-256 of each one's bytes, on which its hashes depend, and its label; in the
            order in which they are compared.
        settings: what else the copies depend on, besides versions; in JSON's types.
        find: searches for copies among the pictures.
    """
    key = _key(pictures, settings)
    found = _read(path, key)
    if found is None:
        found = find()
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **found._asdict())
        with suppress(UserError):  # it only saves time
            write_bytes(path, _header(key, file.getvalue()) + file.getvalue())
    return found


def _read(path: Path, key: str) -> Copies | None:
    """What a file holds under this key; None if it is damaged, or has another key."""
    try:
        header, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if header + b"\n" != _header(key, body):
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return Copies(*(arrays[name] for name in Copies._fields))


def _header(key: str, body: bytes) -> bytes:
    """The first line of a file, with a checksum: not all damage is an error for numpy."""
    return f"{key} {hashlib.sha256(body).hexdigest()}\n".encode()


def _key(pictures: Iterable[tuple[str, int]], settings: Mapping[str, object]) -> str:
    digest = hashlib.sha256(json.dumps({**settings, **code_versions()}).encode())
    for content, label in pictures:
        digest.update(f"{content} {label}\n".encode())
    return digest.hexdigest()
