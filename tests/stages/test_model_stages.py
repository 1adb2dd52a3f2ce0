"""The stages from training on, in a project after dvc repro."""

import csv
import hashlib
import html
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from projects import Project

from ballast.core.files import read_json, write_json
from ballast.keras_setup import keras
from ballast.scores.intervals import Interval, interval_text
from ballast.scores.metrics import compute_metrics
from ballast.scores.predictions import read_predictions


def test_history_has_a_line_an_epoch(reproduced: Project) -> None:
    rows = list(csv.DictReader(io.StringIO(reproduced.read("outputs/history.csv"))))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert list(rows[0]) == [
        "step", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate",
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


def test_evaluate_says_its_accuracy_and_puts_the_verdict_on_the_page(reproduced: Project) -> None:
    page = reproduced.folder / "outputs/report.html"
    before = page.read_bytes()
    done = reproduced.stage("evaluate")
    found = json.loads(reproduced.read("outputs/answer.json"))
    accuracy = interval_text(Interval(**found["metrics"]["accuracy"]), digits=2)
    n = sum(found["photographs"].values())
    assert done.stdout.splitlines() == [
        f"accuracy {accuracy}, of {n} photographs",
        "outputs/report.html shows it class by class; ballast answer prints what to do next",
    ]
    assert "test photographs are classified correctly" in found["verdict"]
    assert f'<p class="verdict">{found["verdict"]}</p>' in html.unescape(before.decode())
    assert page.read_bytes() == before, "the same page in another process"


def test_pictures_that_were_kept_in_two_classes_are_on_the_page(
    reproduced: Project, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(reproduced.folder, tmp_path / "project"))
    data_report = json.loads(project.read("outputs/data_report.json"))
    data_report["label_conflicts"] = [{"a": "one", "b": "two"}, {"c": "one", "d": "two"}]
    data_report["dropped"] = {"c": "copy of d in another class", "d": "copy of c in another class"}
    (project.folder / "outputs/data_report.json").write_text(json.dumps(data_report))
    assert project.stage("evaluate").returncode == 0
    assert json.loads(project.read("outputs/answer.json"))["label_conflicts"] == 1
    said = "1 picture is in more than one class (outputs/data_report.json: label_conflicts)."
    assert said in project.read("outputs/report.html")
    assert "in more than one class" not in reproduced.read("outputs/report.html")


def test_evaluate_does_without_tensorflow(reproduced: Project) -> None:
    loaded = (
        "import sys; from stages.evaluate import main; main();"
        " sys.exit(str({'tensorflow', 'keras', 'dvc', 'dvclive'} & set(sys.modules)))"
    )
    done = reproduced.run(sys.executable, "-c", loaded, check=False)
    assert done.stderr.strip() == "set()"


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        ("models/model.keras", None, "does not exist yet; run dvc repro"),
        (
            "outputs/training.json",
            "{}",
            "edited or damaged; run ballast check, ",
        ),
        (
            "outputs/training.json",
            "[]",
            "edited or damaged; run ballast check, ",
        ),
    ],
)
def test_evaluate_without_what_the_card_needs_writes_nothing(
    reproduced: Project, path: str, content: str | None, problem: str
) -> None:
    metrics, damaged = reproduced.folder / "outputs/metrics.json", reproduced.folder / path
    whole, written = damaged.read_bytes(), metrics.stat().st_mtime_ns
    damaged.unlink()
    if content:
        damaged.write_text(content)
    done = reproduced.stage("evaluate")
    damaged.write_bytes(whole)
    assert done.returncode == 1
    assert done.stderr.startswith(f"ERROR: {path}: {problem}")
    assert done.stderr.count("\n") == 1
    assert metrics.stat().st_mtime_ns == written


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


def test_the_model_card_names_the_classes_and_the_model_by_its_hash(reproduced: Project) -> None:
    card = reproduced.read("outputs/model_card.md")
    model = (reproduced.folder / "models/model.keras").read_bytes()
    assert f"| models/model\\.keras | `{hashlib.sha256(model).hexdigest()}` |" in card
    for name in ("one", "two", "zero"):
        assert f"\n| {name} | " in card


@pytest.mark.long
def test_a_change_of_the_weights_file_trains_again(
    new_project: Callable[[Path], Project], tmp_path: Path
) -> None:
    project = new_project(tmp_path / "project")
    project.dvc("config", "--local", "core.no_scm", "true")
    weights = project.folder / "pretrained/random.weights.h5"
    backbone = {"train.backbone": "mobilenet_v2", "train.backbone_alpha": 0.35}
    project.set_params(
        {**backbone, "data.image_size": 32, "train.weights": f"pretrained/{weights.name}"}
    )

    def write_weights(seed: int) -> str:
        keras.utils.set_random_seed(seed)
        keras.applications.MobileNetV2(
            input_shape=(32, 32, 3), include_top=False, weights=None, alpha=0.35
        ).save_weights(weights)
        return hashlib.sha256(weights.read_bytes()).hexdigest()

    for seed in (1, 2):
        digest = write_weights(seed)
        assert "train" in project.repro()[0]
        training = json.loads(project.read("outputs/training.json"))
        assert training["weights_sha256"] == {"random.weights.h5": digest}
        assert digest in project.read("outputs/model_card.md")
    assert "train" not in project.repro()[0]


def test_classes_named_like_numbers_keep_their_letters(
    features_project: Project, tmp_path: Path
) -> None:
    project = features_project.copied(tmp_path / "project")
    names = dict(zip(("one", "two", "zero"), ("007", "1.10", "1e3"), strict=True))
    for old, new in names.items():
        (project.folder / "data/raw" / old).rename(project.folder / "data/raw" / new)
    project.set_params({"cross_validation.seeds": 1})
    project.commit_all()
    said = project.dvc("repro")
    project.commit_all()
    for name in names.values():
        # Once each by count-classes, compute-weights and oversample.
        assert len(re.findall(rf"^{re.escape(name)}:? ", said, re.MULTILINE)) >= 3
        assert f"| {name} |" in project.read("outputs/model_card.md").replace("\\", "")
        assert f"<bdi>{name}</bdi>" in project.read("outputs/report.html")
    for path in ("class_counts", "class_weights", "class_metrics"):
        assert {*names.values()} <= {*_keys(json.loads(project.read(f"outputs/{path}.json")))}
    assert json.loads(project.read("models/classes.json")) == [*names.values()]

    plots = project.dvc("plots", "show", "--json", "--out", "plots")
    for plot in ("confusion matrix", "recall"):
        shown = json.dumps(json.loads(plots)["data"][plot])
        assert all(f': "{name}"' in shown for name in names.values()), plot

    project.set_params({"strategy": "baseline"})
    project.dvc("repro")
    compared = project.ballast("compare", "HEAD", "workspace")
    assert compared.returncode == 0, compared.stderr
    found = json.loads(project.read("outputs/comparison.json"))
    assert {*names.values()} <= {*_keys(found)}
    assert all(name in compared.stdout.replace("\\", "") for name in names.values())
    assert "1000" not in compared.stdout


def _keys(value: object) -> Iterator[str]:
    """All keys in a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
