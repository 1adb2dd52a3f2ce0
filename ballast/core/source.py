"""The code that made something, and its hash."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import yaml

BALLAST = Path(__file__).parent.parent


def source_hash(places: Iterable[Path]) -> str:
    """SHA-256 of Python source, by content: neither paths nor dates count.

    Args:
        places: files, or folders of which every .py file counts; their order does not matter.

    Raises:
        FileNotFoundError: where a place holds no .py file, since its changes would go unseen.
    """
    files: set[Path] = set()
    for place in places:
        found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        if not found:
            raise FileNotFoundError(f"{place}: no Python source in it")
        files.update(found)
    digests = sorted(hashlib.sha256(file.read_bytes()).digest() for file in files)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def code_deps(dvc_yaml: str, stages: Iterable[str]) -> list[Path]:
    """The files and folders of code on which stages depend.

    Args:
        dvc_yaml: text of the file.
        stages: names, each of a stage in it.

    Raises:
        ValueError: where a stage names no code, since its changes would go unseen.
    """
    defined = yaml.safe_load(dvc_yaml)["stages"]
    found: set[str] = set()
    for name in stages:
        deps = {d for d in defined[name]["deps"] if d.split("/")[0] in ("ballast", "stages")}
        if not deps:
            raise ValueError(f"dvc.yaml: stage {name} names no code")
        found |= deps
    return [Path(dep) for dep in sorted(found)]
