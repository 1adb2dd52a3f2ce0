"""Two runs are the same if every file is; otherwise the first difference is named."""

from pathlib import Path

import pytest

from verification.comparison import (
    FirstDifference,
    Outputs,
    different,
    first_difference,
    locked_outputs,
    read_outputs,
)

STAGES = ("split", "evaluate")
DVC_YAML = """
stages:
  split:
    outs: [data/manifest.csv, data/augmented]
  evaluate:
    metrics: [{outputs/metrics.json: {cache: false}}]
"""


@pytest.fixture
def projects(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with the same files."""
    pair = tmp_path / "a", tmp_path / "b"
    for folder in pair:
        for name, data in {
            "dvc.yaml": DVC_YAML.encode(),
            "data/manifest.csv": b"path,class\na,dog\nb,cat\n",
            "data/augmented/dog/a.jpg": b"\xff\xd8 a",
            "data/augmented/dog/b.jpg": b"\xff\xd8 b",
            "outputs/metrics.json": b"{}",
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return pair


def compare(pair: tuple[Path, Path]) -> tuple[list[str], FirstDifference | None]:
    expected, found = (read_outputs(folder, STAGES) for folder in pair)
    names = different(expected, found)
    if not names:
        return [], None
    first = names[0]
    return names, first_difference(expected[first], found[first], *pair)


def test_every_output_of_the_pipeline_is_compared(projects: tuple[Path, Path]) -> None:
    assert list(read_outputs(projects[0], STAGES)) == [
        "data/manifest.csv",
        "data/augmented",
        "outputs/metrics.json",
    ]
    assert list(read_outputs(projects[0], ["evaluate"])) == ["outputs/metrics.json"]
    assert compare(projects) == ([], None)


def test_text_is_named_with_its_line(projects: tuple[Path, Path]) -> None:
    (projects[1] / "data/manifest.csv").write_bytes(b"path,class\na,dog\nb,cow\n")
    (projects[1] / "outputs/metrics.json").write_bytes(b"[]")
    assert compare(projects) == (
        ["data/manifest.csv", "outputs/metrics.json"],
        FirstDifference("data/manifest.csv", 3, "b,cat", "b,cow"),
    )


def test_a_missing_line_is_a_difference(projects: tuple[Path, Path]) -> None:
    (projects[1] / "data/manifest.csv").write_bytes(b"path,class\na,dog\n")
    assert compare(projects)[1] == FirstDifference("data/manifest.csv", 3, "b,cat", "")


def test_of_other_files_the_first_is_named(projects: tuple[Path, Path]) -> None:
    (projects[1] / "data/augmented/dog/b.jpg").write_bytes(b"\xff\xd8 c")
    assert compare(projects) == (
        ["data/augmented"],
        FirstDifference("data/augmented/dog/b.jpg"),
    )


def test_a_file_more_or_less_is_a_difference(projects: tuple[Path, Path]) -> None:
    (projects[1] / "data/augmented/dog/a.jpg").rename(projects[1] / "data/augmented/dog/z.jpg")
    assert compare(projects)[1] == FirstDifference("data/augmented/dog/a.jpg")


def test_locks_are_compared_by_their_outputs() -> None:
    lock = "stages: {split: {deps: [{path: x, md5: 0}], outs: [{path: data/manifest.csv, md5: 1}]}}"
    expected: Outputs = locked_outputs(lock)
    assert different(expected, locked_outputs(lock.replace("md5: 0", "md5: 2"))) == []
    assert different(expected, locked_outputs(lock.replace("md5: 1", "md5: 2"))) == [
        "data/manifest.csv"
    ]
    assert different(expected, locked_outputs("")) == ["data/manifest.csv"]
