"""The checks before DVC reads params.yaml."""

import os
import sys
from pathlib import Path

import pytest
from projects import Project

from ballast.__main__ import main
from ballast.commands.check import check_reading, ignore_unreadable, refuse_outputs
from ballast.core.errors import UserError
from ballast.core.params import parse_params

TEXT = (Path(__file__).parents[3] / "params.yaml").read_text(encoding="utf-8")


def test_the_shipped_params_are_read_alike() -> None:
    check_reading(parse_params(TEXT), TEXT)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            TEXT.replace("seed: 42", "seed: 010"),
            "params.yaml: seed: Ballast (YAML 1.1) reads this number as 8, DVC (YAML 1.2) as 10;"
            " write it without leading zeros",
        ),
        (
            TEXT.replace("raw: data/sample", "raw: 1e3"),
            "params.yaml: data.raw: Ballast (YAML 1.1) reads this number as 1e3, DVC (YAML 1.2) as"
            " 1000.0; write it in quotes",
        ),
        (
            f"{TEXT}\nseed: 7",
            f"params.yaml line {TEXT.count(chr(10)) + 2}, column 1: found duplicate key"
            ' "seed" with value "7"',
        ),
    ],
)
def test_what_dvc_reads_otherwise_or_not_at_all_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        check_reading(parse_params(text), text)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("data", "data/manifest.csv"),
        (".", "data/manifest.csv"),
        ("./data/", "data/manifest.csv"),
        ("data/augmented", "data/augmented"),
        ("outputs", "outputs"),
        ("models/photographs", "models"),
    ],
)
def test_a_folder_that_the_pipeline_writes_into_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: str, written: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        refuse_outputs(raw)
    assert str(caught.value) == (
        f"params.yaml: data.raw: {raw}: the pipeline writes {written}; move the photographs into a"
        " folder of their own, such as data/photographs, and name that"
    )


@pytest.mark.parametrize("raw", ["data/raw", "photos", "../photos", "/photos", "data/sample"])
def test_a_folder_of_its_own_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refuse_outputs(raw)


def test_what_dvc_cannot_read_outside_the_project_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("photos", "project/photos"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "gone.png").symlink_to("nowhere.png")
    monkeypatch.chdir(tmp_path / "project")
    ignore_unreadable(Path("photos"), ["gone.png"])
    assert "/photos/gone.png" in Path(".dvcignore").read_text()
    with pytest.raises(UserError) as caught:
        ignore_unreadable(Path("../photos"), ["gone.png"])
    assert str(caught.value) == (
        "../photos/gone.png: DVC cannot read it, and .dvcignore does not reach outside the project;"
        " remove or rename it"
    )
    (tmp_path / "photos/ring.png").symlink_to("ring.png")
    os.mkfifo(tmp_path / "photos/pipe.png")
    with pytest.raises(
        UserError, match=r"^\.\./photos/gone\.png and 2 more: DVC cannot read them, "
    ):
        ignore_unreadable(Path("../photos"), ["gone.png", "pipe.png", "ring.png"])


def test_a_merge_of_dvc_lock_that_is_not_finished_is_called_that(project: Project) -> None:
    project.dvc("config", "--local", "core.no_scm", "true")
    lock = project.folder / "dvc.lock"
    lock.write_text("schema: '2.0'\n<<<<<<< HEAD\nstages: {}\n=======\n>>>>>>> other\n")
    done = project.ballast("check")
    assert done.returncode == 1
    assert (
        "ERROR: dvc.lock: has git's conflict markers; run git checkout --ours dvc.lock, then dvc"
        " repro" in done.stderr
    )
    assert lock.exists()


def test_packages_that_the_last_stage_lacks_are_named_before_anything_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    project.set_params({"export": ["tflite", "onnx"]})
    with pytest.raises(SystemExit) as caught:
        main(["check"])
    assert caught.value.code == (
        "ERROR: exporting to ONNX needs the dependency group 'export'; run make export"
    )


def test_a_misspelled_backbone_is_found_before_anything_runs(project: Project) -> None:
    project.set_params({"train.backbone": "resnet5"})
    done = project.ballast("check")
    assert done.returncode == 1
    assert "neither a known backbone nor a file; did you mean resnet50" in done.stderr
