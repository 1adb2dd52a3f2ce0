"""The stages from training on, in a project that dvc repro has run."""

import csv
import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from projects import Project

from ballast.backend import keras
from ballast.files import read_json, write_json
from ballast.metrics import compute_metrics
from ballast.predictions import read_predictions


def test_history_has_a_line_an_epoch(reproduced: Project) -> None:
    rows = list(csv.DictReader(io.StringIO(reproduced.read("outputs/history.csv"))))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert list(rows[0]) == [
        "epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate",
    ]  # fmt: skip


def test_the_model_file_works_in_plain_keras(reproduced: Project) -> None:
    model = keras.saving.load_model(reproduced.folder / "models/model.keras", safe_mode=True)
    images = np.zeros((2, 50, 30, 3), dtype=np.uint8)
    assert np.asarray(model(images)).sum(axis=1) == pytest.approx([1, 1])
    assert json.loads(reproduced.read("models/classes.json")) == ["one", "two", "zero"]


def test_predictions_are_of_the_test_photographs_and_metrics_of_the_predictions(
    reproduced: Project, tmp_path: Path
) -> None:
    manifest = list(csv.DictReader(io.StringIO(reproduced.read("data/manifest.csv"))))
    predictions = read_predictions(reproduced.folder / "outputs/predictions.csv")
    tested = [(row["path"], row["class"]) for row in manifest if row["split"] == "test"]
    assert list(zip(predictions.paths, predictions.true, strict=True)) == tested
    write_json(tmp_path / "metrics.json", compute_metrics(predictions))
    by_class = json.loads(reproduced.read("outputs/class_metrics.json"))
    found = json.loads(reproduced.read("outputs/metrics.json")) | by_class
    assert found == read_json(tmp_path / "metrics.json")


def test_metrics_are_few_and_their_names_stable(reproduced: Project) -> None:
    assert list(json.loads(reproduced.read("outputs/metrics.json"))) == [
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "worst_class_recall",
        "log_loss",
        "calibration_error",
        "recall",
    ]
    by_class = json.loads(reproduced.read("outputs/class_metrics.json"))
    assert list(by_class) == ["precision", "f1", "roc_auc", "average_precision"]


def test_tables_for_plots_are_of_the_predictions(reproduced: Project) -> None:
    predictions = read_predictions(reproduced.folder / "outputs/predictions.csv")
    recalls = list(csv.DictReader(io.StringIO(reproduced.read("outputs/class_recall.csv"))))
    metrics = compute_metrics(predictions)["recall"]
    assert {row["class"]: float(row["recall"]) for row in recalls} == pytest.approx(metrics)
    bins = list(csv.DictReader(io.StringIO(reproduced.read("outputs/reliability.csv"))))
    assert list(bins[0]) == ["bin", "confidence", "accuracy", "photographs"]
    assert sum(int(row["photographs"]) for row in bins) == len(predictions.paths)


def test_nothing_of_the_live_values_is_left(reproduced: Project) -> None:
    folder = reproduced.folder / "outputs/live"
    assert [path.name for path in folder.iterdir()] == [".gitkeep"]
    said = reproduced.dvc("metrics", "show")
    assert "failed to load" not in said
    assert "live" not in said


def test_evaluate_says_its_verdict_and_puts_it_on_the_page(reproduced: Project) -> None:
    page = reproduced.folder / "outputs/report.html"
    before = page.read_bytes()
    done = reproduced.stage("evaluate")
    sentence = done.stdout.splitlines()[-1]
    assert "test photographs are recognised" in sentence
    assert f'<p class="verdict">{sentence}</p>' in before.decode()
    assert page.read_bytes() == before, "the same page in another process"


def test_evaluate_does_without_tensorflow(reproduced: Project) -> None:
    loaded = (
        "import sys; from stages.evaluate import main; main();"
        " sys.exit(str({'tensorflow', 'keras', 'dvc', 'dvclive'} & set(sys.modules)))"
    )
    done = reproduced.run(sys.executable, "-c", loaded, check=False)
    assert done.stderr.strip() == "set()"


def test_predict_prints_a_table_for_images_and_folders(reproduced: Project) -> None:
    done = reproduced.stage("predict", "data/raw/one/000.png", "data/raw/two")
    assert done.returncode == 0
    header, _, *rows = done.stdout.splitlines()
    assert header.split() == ["path", "predicted", "one", "two", "zero"]
    assert [row.split()[0] for row in rows] == [
        "data/raw/one/000.png",
        *(f"data/raw/two/{i:03d}.png" for i in range(10)),
    ]
    for row in rows:
        _, predicted, *probabilities = row.split()
        values = dict(zip(["one", "two", "zero"], map(float, probabilities), strict=True))
        assert values[predicted] == max(values.values())
        assert sum(values.values()) == pytest.approx(1, abs=0.002)


def test_predict_agrees_with_the_stage(reproduced: Project) -> None:
    predictions = read_predictions(reproduced.folder / "outputs/predictions.csv")
    paths = [f"data/raw/{path}" for path in predictions.paths]
    rows = reproduced.stage("predict", *paths).stdout.splitlines()[2:]
    assert [row.split()[1] for row in rows] == predictions.predicted


def test_predict_names_what_it_cannot_read(reproduced: Project) -> None:
    done = reproduced.stage("predict", "nowhere.jpg")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "ERROR: nowhere.jpg: no such file or folder"
    done = reproduced.stage("predict", "params.yaml", "data/raw/one/000.png")
    assert done.returncode == 0
    assert "WARNING: params.yaml: not a JPEG" in done.stderr
    assert "data/raw/one/000.png" in done.stdout


def test_predict_without_a_model_says_what_to_run(project: Project) -> None:
    done = project.stage("predict", "data/raw/one/000.png")
    assert done.returncode == 1
    assert "models/model.keras: no model yet; run dvc repro" in done.stderr


def test_predict_refuses_a_half_written_model(reproduced: Project) -> None:
    path = reproduced.folder / "models/model.keras"
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    done = reproduced.stage("predict", "data/raw/one/000.png")
    path.write_bytes(whole)
    assert done.returncode == 1
    assert "ERROR: models/model.keras: half written or damaged; run python" in done.stderr
    assert "Traceback" not in done.stderr


def test_train_reads_listed_images_alone_and_refuses_changed_ones(reproduced: Project) -> None:
    image = next((reproduced.folder / "data/augmented/one").iterdir())
    whole = image.read_bytes()
    (image.parent / "stale.jpg").write_bytes(
        b"of another run: no image, would fail if it were read"
    )
    image.write_bytes(whole + b"changed")
    done = reproduced.stage("train")
    assert done.returncode == 1
    path = image.relative_to(reproduced.folder)
    assert f"ERROR: {path}: changed since it was listed" in done.stderr
    assert "stale.jpg" not in done.stderr

    image.write_bytes(whole)
    model = (reproduced.folder / "models/model.keras").read_bytes()
    assert reproduced.stage("train").returncode == 0
    assert (reproduced.folder / "models/model.keras").read_bytes() == model
    (image.parent / "stale.jpg").unlink()


def test_packed_and_streamed_images_give_the_same_model(
    reproduced: Project, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(reproduced.folder, tmp_path / "project"))
    project.set_params({"augment.pack": True, "runtime.image_memory": 0})
    assert project.stage("oversample").returncode == 0
    augmented = project.folder / "data/augmented"
    assert [path.name for path in augmented.iterdir()] == ["shard-r000.tar"]
    assert project.read("data/augmented.csv") == reproduced.read("data/augmented.csv")

    (project.folder / "models/model.keras").unlink()
    done = project.stage("train")
    assert done.returncode == 0, done.stderr
    for name in ("models/model.keras", "outputs/history.csv"):
        assert (project.folder / name).read_bytes() == (reproduced.folder / name).read_bytes()


def test_predict_on_a_folder_passes_over_what_is_no_photograph(
    reproduced: Project, tmp_path: Path
) -> None:
    good = (reproduced.folder / "data/raw/one/000.png").read_bytes()
    (tmp_path / "good.png").write_bytes(good)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "nowhere.png").symlink_to("gone")
    (tmp_path / "folder.png").symlink_to(".")
    (tmp_path / "a\nb.png").write_bytes(b"text")
    with (tmp_path / "film.mp4").open("wb") as file:
        file.truncate(10**12)
    done = reproduced.stage("predict", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "good.png" in done.stdout
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING: ")]
    assert len(warnings) == 5
    assert len(done.stderr.splitlines()) == 5


@pytest.mark.parametrize("name", ["", "a" * 5000])
def test_predict_on_a_name_that_is_none_says_so(reproduced: Project, name: str) -> None:
    done = reproduced.stage("predict", name)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ERROR: ")
