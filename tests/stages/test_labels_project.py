"""A classifier from a table, or from shards, is the one from class folders, byte for byte."""

import csv
import io
import shutil
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from projects import Project

from ballast.core.params import EXACT_BACKBONE, EXACT_LEAST_SIZE

STAGES = ("split", "count_classes", "oversample", "compute_weights", "train")
WITHOUT_PATHS = ("models/model.keras", "models/classes.json", "outputs/history.csv",
                 "outputs/training.json", "outputs/class_counts.json")  # fmt: skip


def run_stages(project: Project) -> None:
    for stage in STAGES:
        done = project.stage(stage)
        assert done.returncode == 0, done.stderr


def move_out_of_class_folders(project: Project, column: str) -> None:
    """Scatter the photographs over folders that are no classes, and write a table of them."""
    raw, rows = project.folder / "data/raw", [("file", column)]
    for place, name in enumerate(("zero", "one", "two")):
        for number, path in enumerate(sorted((raw / name).iterdir())):
            target = raw / f"part {(place + number) % 3}" / path.name
            target.parent.mkdir(exist_ok=True)
            rows.append((path.rename(target).relative_to(raw).as_posix(), name))
        (raw / name).rmdir()
    with (raw / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    project.set_params({"data.labels": "labels.csv"})


def move_into_shards(project: Project) -> None:
    """Put the photographs into tar files with their classes beside them, as WebDataset does."""
    raw = project.folder / "data/raw"
    files = [(path, name) for name in ("zero", "one", "two") for path in (raw / name).iterdir()]
    for place, (path, name) in enumerate(sorted(files)):
        with tarfile.open(raw / f"{place % 3}.tar", "a") as shard:
            key = f"of {name}/{path.stem}"
            shard.add(path, f"{key}{path.suffix}")
            header = tarfile.TarInfo(f"{key}.cls")
            header.size = len(name)
            shard.addfile(header, io.BytesIO(name.encode()))
        path.unlink()
    for name in ("zero", "one", "two"):
        (raw / name).rmdir()


def predicted(project: Project) -> list[list[str]]:
    """The true class and the predictions of each test photograph, without its path."""
    rows = csv.reader(project.read("outputs/predictions.csv").splitlines())
    return sorted(row[1:] for row in rows)


@pytest.mark.parametrize("backbone", [EXACT_BACKBONE, pytest.param("cnn", marks=pytest.mark.long)])
def test_a_classifier_from_a_table_or_shards_is_that_from_class_folders(
    new_project: Callable[[Path], Project], tmp_path: Path, backbone: str
) -> None:
    project = new_project(tmp_path / "project")
    project.set_params({"train.backbone": backbone, "data.image_size": EXACT_LEAST_SIZE})
    run_stages(project)
    before, answers = project.outputs(), predicted(project)
    images = [path for path in before if path.startswith("data/augmented/")]
    assert images
    raw = project.folder / "data/raw"
    shutil.copytree(raw, tmp_path / "class folders")
    for move in (partial(move_out_of_class_folders, column="class"), move_into_shards):
        move(project)
        run_stages(project)
        after = project.outputs()
        for path in WITHOUT_PATHS:
            assert after[path] == before[path], path
        assert predicted(project) == answers
        assert {path: after[path] for path in images} == {path: before[path] for path in images}
        shutil.rmtree(raw)
        shutil.copytree(tmp_path / "class folders", raw)
        project.set_params({"data.labels": None})


def test_split_warns_of_what_the_table_lacks(project: Project) -> None:
    move_out_of_class_folders(project, "label")
    table = project.folder / "data/raw/labels.csv"
    table.write_text(table.read_text().replace("part 0/000.png", "part 0/gone.png"))
    done = project.stage("split")
    assert done.returncode == 0, done.stderr
    assert "20 photographs, 2 files rejected" in done.stdout
    assert (
        "WARNING: 1 row of data.labels without a file in data.raw, for example labels"
        in done.stderr
    )
    assert (
        "WARNING: 1 file left out, without a row of data.labels, for example part 0/0"
        in done.stderr
    )
    assert "labels.csv,table for data.labels\n" in project.read("outputs/rejected.csv")
    assert "part 0/000.png,not in labels.csv\n" in project.read("outputs/rejected.csv")


def test_split_warns_of_folders_that_are_no_classes(project: Project) -> None:
    move_out_of_class_folders(project, "label")
    project.set_params({"data.labels": None})
    done = project.stage("split")
    assert done.returncode == 0, done.stderr
    assert "WARNING: labels.csv has other classes than the folders; if they are" in done.stderr
