"""Photographs of 12 bits in 16 go through the pipeline as the same photographs of 8 bits do."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from projects import Project

from ballast.classifier import Classifier
from ballast.core.images import decode_image
from ballast.core.manifest import read_augmented, read_manifest
from ballast.model.model_file import read_info
from ballast.scores.predictions import read_predictions

LOWEST, STEP = 7, 16  # of 256 greys
SET = [LOWEST, LOWEST + 255 * STEP]


@pytest.fixture(scope="module")
def deep(
    new_project: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, dict[str, bytes]]:
    """A project of 12 bits after training, and its photographs in 8 bits, decoded, by path."""
    project = new_project(tmp_path_factory.mktemp("deep") / "project")
    plain = {}
    for path in (project.folder / "data/raw").rglob("*.png"):
        image = Image.open(path).convert("L")
        values = np.asarray(image).astype(np.uint16) * STEP + LOWEST
        Image.fromarray(values).save(path)
        name = path.relative_to(project.folder / "data/raw").as_posix()
        plain[name] = image.convert("RGB").tobytes()
    project.set_params({"data.range": SET})
    for stage in ("split", "count_classes", "oversample", "compute_weights", "train"):
        done = project.stage(stage)
        assert done.returncode == 0, done.stderr
    return project, plain


def test_their_training_images_are_those_of_8_bits(deep: tuple[Project, dict[str, bytes]]) -> None:
    project, plain = deep
    assert json.loads(project.read("data/range.json")) == SET
    for row in read_augmented(project.folder / "data/augmented.csv"):
        if row.round_ == 0:
            made = decode_image((project.folder / "data/augmented" / row.path).read_bytes())
            expected = np.frombuffer(plain[row.source], np.uint8).reshape(16, 16, 3).astype(int)
            assert np.abs(np.asarray(made) - expected).mean() < 6, "but for JPEG's losses"


def test_the_saved_model_predicts_them_as_the_pipeline_does(
    deep: tuple[Project, dict[str, bytes]],
) -> None:
    project, plain = deep
    expected = read_predictions(project.folder / "outputs/predictions.csv")
    model = project.folder / "models/model.keras"
    assert read_info(model).greys == tuple(SET)
    classifier, raw = Classifier.load(model), project.folder / "data/raw"
    files = classifier.predict([raw / path for path in expected.paths])
    opened = classifier.predict([Image.open(raw / path) for path in expected.paths])
    arrays = [np.frombuffer(plain[path], np.uint8).reshape(16, 16, 3) for path in expected.paths]
    assert files == opened == classifier.predict(arrays)
    for one, row in zip(files, expected.probabilities, strict=True):
        assert [*one.probabilities.values()] == pytest.approx(row, abs=1e-6)


def test_without_a_range_the_photographs_say_it(deep: tuple[Project, dict[str, bytes]]) -> None:
    project, plain = deep
    greys = np.frombuffer(b"".join(plain.values()), np.uint8)
    found = [LOWEST + STEP * int(greys.min()), LOWEST + STEP * int(greys.max())]
    before = read_manifest(project.folder / "data/manifest.csv")
    project.set_params({"data.range": None})
    done = project.stage("split")
    assert json.loads(project.read("data/range.json")) == found
    report = json.loads(project.read("outputs/data_report.json"))
    assert report["range"] == report["range_set"] == found
    assert report["range_used"] > 0.5
    assert "deep greys" not in done.stderr
    assert read_manifest(project.folder / "data/manifest.csv") == before
    assert not report["near_duplicates"]


def test_a_range_of_which_little_is_used_is_a_warning(
    deep: tuple[Project, dict[str, bytes]],
) -> None:
    project, _ = deep
    project.set_params({"data.range": [0, 65535]})
    done = project.stage("split")
    warning = "WARNING: half of the deep greys use less than an eighth of the range 0 to 65535"
    assert warning in done.stderr
    assert done.returncode == 0


def test_8_bits_have_no_range(project: Project) -> None:
    done = project.stage("split")
    assert "deep greys" not in done.stderr
    assert json.loads(project.read("data/range.json")) is None
    report = json.loads(project.read("outputs/data_report.json"))
    assert {report[key] for key in ("range", "range_set", "range_used")} == {None}
