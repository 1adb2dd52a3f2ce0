"""The default classifier, a head on frozen features, in a project that dvc repro has run."""

import csv
import html
import io
import json
import sys
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from projects import Project

from ballast.core.manifest import read_manifest
from ballast.keras_setup import keras
from ballast.report.model_card import plain
from ballast.scores.predictions import read_judgements, read_predictions

# Runs train in one process, and prints of how many images it computed features.
COUNTING = """
from ballast.model import features
computed, batches = [], features._computed
def counted(backbone, images, chosen, *, engine):
    computed.extend(place for places in chosen for place in places)
    return batches(backbone, images, chosen, engine=engine)
features._computed = counted
from stages.train import main
main()
print(f"computed {len(computed)}")
"""


def computed(project: Project) -> int:
    return int(project.run(sys.executable, "-c", COUNTING).stdout.split("computed ")[1])


def test_no_photograph_is_held_back_for_validation(features_project: Project) -> None:
    counts = json.loads(features_project.read("outputs/class_counts.json"))
    assert {subsets["val"] for subsets in counts.values()} == {0}
    assert ",val," not in features_project.read("data/manifest.csv")
    card = features_project.read("outputs/model_card.md")
    assert "\n| class | train | test | recall | precision |\n" in card


def test_history_and_training_json_are_those_of_a_head(features_project: Project) -> None:
    rows = list(csv.DictReader(io.StringIO(features_project.read("outputs/history.csv"))))
    assert list(rows[0]) == ["step", "loss", "gradient_norm"]
    assert float(rows[-1]["gradient_norm"]) == 1e-3
    training = json.loads(features_project.read("outputs/training.json"))
    assert training["backbone"] == "efficientnet_lite0"
    assert list(training["weights_sha256"]) == ["efficientnet_lite0.npz"]
    assert list(training["head"]) == ["strength", "scale", "tau", "losses"]


def test_the_report_says_how_the_head_was_fitted(features_project: Project) -> None:
    report = features_project.read("outputs/report.html")
    assert "the solver finds wherever it starts" in report
    assert "validation (solid)" not in report
    card = features_project.read("outputs/model_card.md")
    assert r"Its backbone, efficientnet\_lite0, is pretrained and frozen." in card


def test_dvc_plots_it_without_a_warning(features_project: Project, tmp_path: Path) -> None:
    said = features_project.dvc("plots", "show", "--out", str(tmp_path))
    assert said.strip() == (tmp_path / "index.html").as_uri()
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for plot in ("confusion matrix", '"title": "recall"', '"title": "loss"'):
        assert plot in page


def test_the_model_file_is_small_and_gives_what_train_wrote_for_photographs_of_any_size(
    features_project: Project,
) -> None:
    path = features_project.folder / "models/model.keras"
    assert path.stat().st_size <= 6_000_000
    model = keras.saving.load_model(path, safe_mode=True)
    predictions = read_predictions(features_project.folder / "outputs/predictions.csv")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=UserWarning)
        for photo, predicted, expected in zip(
            predictions.paths, predictions.predicted, predictions.probabilities, strict=True
        ):
            # As large as it is: 16 pixels, half of what the backbone sees.
            opened = Image.open(features_project.folder / "data/raw" / photo).convert("RGB")
            found = np.asarray(model(np.asarray(opened)[None]))[0]
            assert predictions.classes[found.argmax()] == predicted
            assert found == pytest.approx(expected, abs=0.01)


def test_the_command_gives_what_the_stage_wrote(features_project: Project) -> None:
    stage = features_project.folder / "outputs/predictions.csv"
    expected = read_predictions(stage)
    photos = [f"data/raw/{path}" for path in expected.paths]
    done = features_project.ballast("predict", "--format", "csv", *photos)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"{len(photos)} predicted, 0 could not be read\n", "no warning"
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    written = list(csv.DictReader(io.StringIO(stage.read_text(encoding="utf-8"))))
    assert all(0 <= float(row.pop("novelty")) < 1 for row in found)
    assert [row | {"path": "", "true": ""} for row in found] == [
        row | {"path": "", "true": ""} for row in written
    ]


def test_train_again_computes_nothing_and_prints_no_warning(
    features_project: Project, tmp_path: Path
) -> None:
    project = features_project.copied(tmp_path / "project")
    model = (project.folder / "models/model.keras").read_bytes()
    (project.folder / "models/model.keras").unlink()
    assert computed(project) == 0
    assert (project.folder / "models/model.keras").read_bytes() == model


def test_a_record_that_was_lost_or_damaged_is_computed_again_to_the_same_model(
    features_project: Project, tmp_path: Path
) -> None:
    project = features_project.copied(tmp_path / "project")
    model = (project.folder / "models/model.keras").read_bytes()
    features = [
        path
        for path in sorted((project.folder / ".dvc/tmp/image_store").rglob("*-*-*"))
        if path.name.split("-")[1] == "2560"  # 1280 whole numbers of 16 bits
    ]
    for lost, damaged in zip(features[::2], features[1::2], strict=False):
        lost.unlink()
        damaged.chmod(0o644)
        damaged.write_bytes(bytes(2560))
    assert computed(project) > 2
    assert computed(project) == 0
    assert (project.folder / "models/model.keras").read_bytes() == model


def test_another_strategy_computes_features_of_new_images_alone(
    features_project: Project, tmp_path: Path
) -> None:
    project = features_project.copied(tmp_path / "project")
    before = len(project.read("data/augmented.csv").splitlines())
    project.set_params({"strategy": "weights"})
    for stage in ("oversample", "compute_weights"):
        assert project.stage(stage).returncode == 0
    assert len(project.read("data/augmented.csv").splitlines()) < before
    assert computed(project) == 0, "without oversampling: fewer variants of the same photographs"


def test_every_photograph_is_judged_by_heads_that_have_not_seen_it(
    features_project: Project,
) -> None:
    judgements = read_judgements(features_project.folder / "outputs/cross_validation.csv")
    assert {name: [*of] for name, of in judgements.items()} == {
        "baseline": [42, 43],
        "balanced": [42, 43],
    }
    photographs = [row.path for row in read_manifest(features_project.folder / "data/manifest.csv")]
    for predictions in (of for by_seed in judgements.values() for of in by_seed.values()):
        assert sorted(predictions.paths) == sorted(photographs)
    # The fold that is the test set of this run gives what its model predicts.
    tested = read_predictions(features_project.folder / "outputs/predictions.csv")
    first = judgements["balanced"][42]
    places = [first.paths.index(path) for path in tested.paths]
    assert np.array_equal(first.probabilities[places], tested.probabilities)


def test_the_answer_rests_on_every_photograph(features_project: Project) -> None:
    found = json.loads(features_project.read("outputs/answer.json"))
    assert found["cross_validated"] is True
    assert (found["trainings"], found["reference"]) == (2, "baseline")
    assert found["photographs"] == {"one": 3, "two": 10, "zero": 8}
    report = features_project.read("outputs/report.html")
    card = features_project.read("outputs/model_card.md")
    for verdict in (found["verdict"], found["difference"]["verdict"]):
        assert html.escape(verdict) in report
        assert plain(verdict) in card
    assert "These figures are those of 2 cross-validations of the strategy" in card
    assert "all photographs but those in test" in card


def test_few_figures_of_the_answer_are_metrics_and_its_recalls_are_a_plot(
    features_project: Project, tmp_path: Path
) -> None:
    found = json.loads(features_project.read("outputs/answer.json"))
    shown = json.loads(features_project.dvc("metrics", "show", "--json"))
    figures = shown[""]["data"]["outputs/cross_validation.json"]["data"]
    overall = ["accuracy", "balanced_accuracy", "macro_f1", "worst_class_recall"]
    assert figures == {
        **{name: found["metrics"][name]["value"] for name in overall},
        "difference": {name: found["difference"]["metrics"][name]["value"] for name in overall},
    }
    shown = json.loads(features_project.read("outputs/metrics.json"))
    assert shown["recall"] == {name: of["value"] for name, of in found["metrics"]["recall"].items()}
    assert {name: shown[name] for name in overall} == {name: figures[name] for name in overall}
    confusions = features_project.read("outputs/confusion.csv").splitlines()
    assert len(confusions) == 1 + 2 * 21, "each photograph in each training"
    rows = list(csv.DictReader(io.StringIO(features_project.read("outputs/class_recall.csv"))))
    keys = {(row["strategy"], row["training"], row["class"]) for row in rows}
    strategies, trainings = ("baseline", "balanced"), ("1", "2")
    assert keys == {*product(strategies, trainings, ("one", "two", "zero"))}
    for name, metrics in zip(strategies, ("reference_metrics", "metrics"), strict=True):
        of_one = [
            float(row["recall"]) for row in rows if (row["strategy"], row["class"]) == (name, "one")
        ]
        assert np.mean(of_one) == pytest.approx(found[metrics]["recall"]["one"]["value"])
    features_project.dvc("plots", "show", "--out", str(tmp_path))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '"field": "strategy"' in page


def test_judging_again_loads_no_tensorflow(features_project: Project, tmp_path: Path) -> None:
    project = features_project.copied(tmp_path / "project")
    script = (
        "import sys; from stages.{} import main; main(); assert 'tensorflow' not in sys.modules"
    )
    for stage in ("train", "cross_validate"):
        project.run(sys.executable, "-c", script.format(stage))
    assert project.outputs() == features_project.outputs()


def test_with_a_test_folder_trainings_judge_it_only_where_that_is_wanted(
    features_project: Project, tmp_path: Path
) -> None:
    project = features_project.copied(tmp_path / "project")
    raw = project.folder / "data/raw"
    for name in ("one", "two", "zero"):
        (raw / "train").mkdir(exist_ok=True)
        (raw / name).rename(raw / "train" / name)
        (raw / "test" / name).mkdir(parents=True)
        first = min((raw / "train" / name).iterdir())
        first.rename(raw / "test" / name / first.name)
    project.repro()
    found = json.loads(project.read("outputs/answer.json"))
    assert (found["trainings"], found["reference"]) == (1, None)
    assert json.loads(project.read("outputs/cross_validation.json")) == {}
    assert "has a test set" in project.stage("cross_validate").stdout

    project.set_params({"cross_validation.test_folder": True})
    project.repro()
    found = json.loads(project.read("outputs/answer.json"))
    assert (found["trainings"], found["reference"]) == (2, "baseline")
    assert found["photographs"] == {"one": 1, "two": 1, "zero": 1}
    assert found["cross_validated"] is False
    assert "of the 3 test photographs" in found["verdict"]


def test_without_a_test_fold_all_photographs_train_the_model(
    features_project: Project, tmp_path: Path
) -> None:
    project = features_project.copied(tmp_path / "project")
    project.set_params({"split.fold": None})
    project.repro()
    counts = json.loads(project.read("outputs/class_counts.json"))
    assert {name: of["train"] for name, of in counts.items()} == {"one": 3, "two": 10, "zero": 8}
    # What judges is what judged before: the folds do not depend on the split.
    for name in ("cross_validation.csv", "cross_validation.json"):
        assert project.read(f"outputs/{name}") == features_project.read(f"outputs/{name}")
    found, before = (
        {
            key: value
            for key, value in json.loads(of.read("outputs/answer.json")).items()
            if key not in ("train_photographs", "recommendations")  # of the saved model
        }
        for of in (project, features_project)
    )
    assert found == before
    card = project.read("outputs/model_card.md")
    assert "all photographs, so none is left to test it on" in card
