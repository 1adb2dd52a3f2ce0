"""The source code that an output depends on, and its hash."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BALLAST = Path(__file__).parent.parent


def source_hash(places: Iterable[Path]) -> str:
    """SHA-256 of the content of Python files; paths and dates do not matter.

    Args:
        places: files, or folders with .py files at any depth; their order does not matter.

    Raises:
        FileNotFoundError: if a place contains no .py file, since changes to it would go unnoticed.
    """
    files: set[Path] = set()
    for place in places:
        found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        if not found:
            raise FileNotFoundError(f"{place}: contains no Python source")
        files.update(found)
    digests = sorted(hashlib.sha256(file.read_bytes()).digest() for file in files)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def code_deps(defined: Mapping[str, Any], stages: Iterable[str]) -> list[Path]:
    """The files and folders of code that stages depend on.

    Args:
        defined: `stages` of dvc.yaml, by name.
        stages: names of stages among them.

    Raises:
        ValueError: if a stage has no code dependencies, since changes would go unnoticed.
    """
    found: set[str] = set()
    for name in stages:
        deps = {d for d in defined[name]["deps"] if d.split("/")[0] in ("ballast", "stages")}
        if not deps:
            raise ValueError(f"dvc.yaml: stage {name} has no code dependencies")
        found |= deps
    return [Path(dep) for dep in sorted(found)]
