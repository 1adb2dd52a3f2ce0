"""The record in a copy of Ballast: its version, and each file as it was written."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ballast.core.errors import UserError
from ballast.vendoring.shipped import RECORD, version_of

# Users add to these, so an upgrade merges them, for which it needs the text that they began from.
MERGED = (".dvcignore", ".gitignore", "Makefile", "dvc.yaml", "pyproject.toml")


class Record(NamedTuple):
    """What a copy was when it was written."""

    version: str
    files: Mapping[str, str]  # SHA-256 by POSIX path
    texts: Mapping[str, str]  # of the files in MERGED


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def record_of(files: Mapping[str, bytes]) -> bytes:
    """The record of a copy with these files, as JSON."""
    record = Record(
        version_of(files),
        {path: sha256(data) for path, data in files.items()},
        {path: files[path].decode() for path in MERGED},
    )
    return f"{json.dumps(record._asdict(), indent=1)}\n".encode()


def read_record(folder: Path) -> Record:
    """Read the record of a copy.

    Raises:
        UserError: if there is none, or it was edited.
    """
    path = folder / RECORD
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Record(values["version"], dict(values["files"]), dict(values["texts"]))
    except OSError:
        raise UserError(
            f"{path}: cannot be read, so ballast init did not put Ballast there; a clone of Ballast"
            " is upgraded with git merge"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: not what ballast init wrote; run git checkout {path}") from None
