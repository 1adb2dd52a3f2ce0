"""ballast nearest: the training photographs that are most like a photograph, of a real project."""

import csv
import json
from pathlib import Path

import pytest
from projects import Project

from ballast.__main__ import main
from ballast.core.manifest import Row, read_manifest, subset_rows
from ballast.core.paths import MANIFEST

RAW = "data/raw"


@pytest.fixture
def rows(features_project: Project, monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """The manifest of a project, in which the test runs."""
    monkeypatch.chdir(features_project.folder)
    return read_manifest(MANIFEST)


def test_each_photograph_has_as_many_training_photographs_as_asked_for(
    rows: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    train = {row.path: row for row in subset_rows(rows, "train")}
    tested = [f"{RAW}/{row.path}" for row in subset_rows(rows, "test")]
    assert main(["nearest", *tested, "--count", "4", "--format", "csv"]) == 0
    found = [*csv.DictReader(capsys.readouterr().out.splitlines())]
    assert [row["photograph"] for row in found] == [path for path in tested for _ in range(4)]
    for row in found:
        assert row["is"] == row["photograph"].removeprefix(f"{RAW}/")
        assert row["class"] == train[row["nearest"]].class_
        assert row["split"] == "train"
    distances = [float(row["distance"]) for row in found]
    for start in range(0, len(distances), 4):
        assert distances[start : start + 4] == sorted(distances[start : start + 4])


def test_a_photograph_of_the_project_is_named_and_its_group_left_out(
    rows: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = subset_rows(rows, "train")[0]
    copy = tmp_path / "copy.png"
    copy.write_bytes((Path(RAW) / one.path).read_bytes())
    assert main(["nearest", str(copy), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["photograph"], found["is"]) == (str(copy), one.path)
    group = {row.path for row in rows if row.group == one.group}
    assert len(found["nearest"]) == 3
    assert not group & {each["path"] for each in found["nearest"]}
    assert main(["nearest", str(copy)]) == 0
    said = capsys.readouterr().out
    assert f"{copy} is the training photograph {one.path}; its group is left out." in said


def test_a_photograph_from_elsewhere_is_none_of_them(
    features_project: Project, tmp_path: Path, digits: dict[str, list[bytes]]
) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(digits["two"][50])
    done = features_project.ballast("nearest", str(other), "--count", "1", "--format", "json")
    found = json.loads(done.stdout)
    assert found["is"] is None
    assert found["nearest"][0]["class"] == "two"
    table = features_project.ballast("nearest", str(other)).stdout
    assert len(table.splitlines()) == 2 + 3


def test_those_for_validation_and_test_are_searched_if_asked_for(
    rows: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    one = f"{RAW}/{rows[0].path}"
    assert main(["nearest", one, "--all", "--count", "100", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["nearest"]
    others = {row.path: row.split for row in rows if row.group != rows[0].group}
    assert {each["path"]: each["split"] for each in found} == others


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.jpg"], "nowhere.jpg: no such file"),
        ([""], "an empty path"),
        (["params.yaml"], "params.yaml: not a JPEG, PNG,"),
        ([RAW], f"{RAW}: folder, not a file"),
        (["x.jpg", "--count", "0"], "--count: 0: give 1 or more"),
    ],
)
@pytest.mark.usefixtures("rows")
def test_what_cannot_be_done_is_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["nearest", *arguments])
    assert str(raised.value).startswith(f"ERROR: {said}")


def test_a_network_that_is_trained_has_no_features_to_compare(reproduced: Project) -> None:
    done = reproduced.ballast("nearest", f"{RAW}/one/000.png")
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR: params.yaml: train.backbone: cnn is not frozen,")
