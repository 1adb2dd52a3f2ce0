"""ballast suggest: what to label next on stdout, the rest on stderr."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from projects import Project

from ballast.__main__ import main
from ballast.classifier import Classifier
from ballast.commands.suggest import FORMATS, print_suggestions
from ballast.core.manifest import Row, read_manifest
from ballast.insight.suggestion import worth

GROUPS = np.array([2, 8, 6])  # of one, two and zero


@pytest.fixture
def raw(reproduced: Project) -> Path:
    return reproduced.folder / "data/raw"


@pytest.fixture
def names(raw: Path) -> list[str]:
    return [str(path) for path in sorted(raw.glob("*/*.png"))]


def test_the_first_are_those_of_the_highest_worth(
    classifier: Classifier, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_suggestions(classifier, GROUPS, names, [], 5, "json") == 0
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    predictions = {
        name: [*prediction.probabilities.values()]
        for name, prediction in zip(names, classifier.predict(names), strict=True)
    }
    found = [worth(np.array([predictions[row["path"]]]), GROUPS)[0] for row in rows]
    every = np.sort(worth(np.array([*predictions.values()]), GROUPS))
    assert found == every[::-1][:5].tolist()
    for row in rows:
        highest = sorted(predictions[row["path"]])
        assert [row["second_probability"], row["probability"]] == np.round(highest, 3)[1:].tolist()
        assert row["predicted"] != row["second"]
    assert captured.err.splitlines()[-1] == (
        "5 suggested of 21 new photographs; labelled already: 0, further copies: 0,"
        " could not be read: 0"
    )


def test_what_is_labelled_already_is_named_and_not_suggested(
    classifier: Classifier,
    reproduced: Project,
    names: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = read_manifest(reproduced.folder / "data/manifest.csv")
    new = {"one/000.png", "two/003.png"}
    labelled = [row for row in rows if row.path not in new]
    print_suggestions(classifier, GROUPS, names, labelled, 20, "csv")
    captured = capsys.readouterr()
    found = {Path(row["path"]) for row in csv.DictReader(captured.out.splitlines())}
    assert {path.relative_to(reproduced.folder / "data/raw").as_posix() for path in found} == new
    *said, _ = captured.err.splitlines()
    assert len(said) == len(rows) - 2
    first: Row = min(labelled)
    assert said[0].endswith(f": labelled already: {first.path}, in {first.split}")


def test_copies_count_once(
    classifier: Classifier,
    raw: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copies = [str(shutil.copy(raw / "one/000.png", tmp_path / f"{i}.png")) for i in range(3)]
    print_suggestions(classifier, GROUPS, copies, [], 9, "json")
    captured = capsys.readouterr()
    assert [json.loads(line)["path"] for line in captured.out.splitlines()] == copies[:1]
    assert captured.err.startswith("1 suggested of 1 new photograph; ")
    assert "further copies: 2" in captured.err


@pytest.mark.parametrize("format_", FORMATS)
def test_what_cannot_be_read_is_a_warning_and_exit_code_3(
    classifier: Classifier,
    raw: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    format_: str,
) -> None:
    (tmp_path / "a\nb.png").write_bytes(b"text")
    named = [str(tmp_path / "a\nb.png"), str(raw / "one/000.png"), str(tmp_path / "gone.png")]
    assert print_suggestions(classifier, GROUPS, named, [], 9, format_) == 3
    captured = capsys.readouterr()
    assert captured.out.count("one/000.png") == 1
    first, second, _ = captured.err.splitlines()
    assert first.startswith(f"WARNING: {tmp_path}/a\\nb.png: not a JPEG, ")
    assert second == f"WARNING: {tmp_path}/gone.png: no such file"


@pytest.mark.parametrize("format_", FORMATS)
def test_an_empty_folder_is_a_warning_and_no_error(
    classifier: Classifier, capsys: pytest.CaptureFixture[str], format_: str
) -> None:
    assert print_suggestions(classifier, GROUPS, [], [], 9, format_) == 0
    warning, last = capsys.readouterr().err.splitlines()
    assert warning == "WARNING: no images there"
    assert last.startswith("0 suggested of 0 new photographs; ")


def test_nothing_new_is_neither(
    classifier: Classifier, reproduced: Project, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_manifest(reproduced.folder / "data/manifest.csv")
    assert print_suggestions(classifier, GROUPS, [str(raw / rows[0].path)], rows, 9, "csv") == 0
    labelled, last = capsys.readouterr().err.splitlines()
    assert ": labelled already: " in labelled
    assert last.startswith("0 suggested of 0 new photographs; labelled already: 1, ")


@pytest.mark.usefixtures("in_this_process")
def test_the_command_knows_the_photographs_of_the_project(
    features_project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(features_project.folder)
    raw = features_project.folder / "data/raw"
    inverted = tmp_path / "new.png"
    inverted.write_bytes((raw / "one/002.png").read_bytes() + b"\0")  # another file
    shutil.copy(raw / "two/000.png", tmp_path)
    (tmp_path / ".hidden.png").write_bytes(b"text")
    command = ("suggest", str(tmp_path), "--format", "json")
    assert main(command) == 0
    printed = capsys.readouterr()
    assert [json.loads(line)["path"] for line in printed.out.splitlines()] == [str(inverted)]
    assert f"{tmp_path}/000.png: labelled already: two/000.png, in " in printed.err
    assert main(command) == 0
    assert capsys.readouterr().out == printed.out


def test_a_model_that_keeps_no_photographs_is_one_line(reproduced: Project) -> None:
    done = reproduced.ballast("suggest", "data/raw")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("ERROR: models/model.keras: keeps no training photographs, ")


def test_a_folder_that_is_none_is_one_line(features_project: Project) -> None:
    done = features_project.ballast("suggest", "nowhere")
    assert done.returncode == 1
    assert done.stderr == "ERROR: nowhere: no folder of photographs to choose from\n"


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5", "²"])
def test_a_count_that_is_none_is_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str], count: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["suggest", "data/raw", f"--count={count}"])
    assert caught.value.code == 2
    assert f"must be a whole number of 1 or more, not {count}" in capsys.readouterr().err
