"""Compare the outputs of two runs file by file."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

# The hash of each file, by artefact.
Outputs = dict[str, dict[str, str]]


class FirstDifference(NamedTuple):
    """The first file that differs; for text, also the first differing line of both versions."""

    path: str
    line: int | None = None
    expected: str = ""
    found: str = ""


def read_outputs(project: Path, stages: Collection[str]) -> Outputs:
    """Hash the outputs of stages, in the order of dvc.yaml."""
    known = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outputs = [
        out
        for name, stage in known.items()
        if name in stages
        for kind in ("outs", "metrics", "plots")
        for out in stage.get(kind, [])
    ]
    names = [next(iter(out)) if isinstance(out, dict) else out for out in outputs]
    return {name: _hashes(project, project / name) for name in names}


def locked_outputs(lock: str) -> Outputs:
    """The hashes in a dvc.lock, one per artefact."""
    stages = (yaml.safe_load(lock) or {}).get("stages", {})
    return {
        out["path"]: {out["path"]: out["md5"]}
        for stage in stages.values()
        for out in stage.get("outs", [])
    }


def different(expected: Outputs, found: Outputs) -> list[str]:
    """The artefacts that differ, in the order of the stages."""
    return [name for name in expected if expected[name] != found.get(name)]


def first_difference(
    expected: Mapping[str, str], found: Mapping[str, str], reference: Path, other: Path
) -> FirstDifference:
    """Find the first differing file of an artefact, and its first differing line.

    Args:
        expected: hash by path in the reference.
        found: hash by path in the other project.
        reference: folder of the reference.
        other: folder of the other project.
    """
    path = min(path for path in {*expected, *found} if expected.get(path) != found.get(path))
    try:
        texts = [(project / path).read_bytes().decode() for project in (reference, other)]
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
        return FirstDifference(path)
    lines = [text.split("\n") for text in texts]
    number = next(
        (n for n, (a, b) in enumerate(zip(*lines, strict=False)) if a != b), min(map(len, lines))
    )
    expected_line, found_line = (line[number] if number < len(line) else "" for line in lines)
    return FirstDifference(path, number + 1, expected_line, found_line)


def _hashes(project: Path, path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {
        file.relative_to(project).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
    }
