"""Exported models agree with Keras in their own runtimes, on images of any size."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from projects import Project

from ballast.core.manifest import read_manifest, subset_rows
from ballast.export import onnx_bytes, tflite_bytes
from ballast.keras_setup import keras
from ballast.model.inputs import load_images
from ballast.model.model_file import ModelInfo, read_info
from ballast.model.saved import input_size, load_model
from ballast.scores.predictions import read_predictions

Runner = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@pytest.fixture(scope="module")
def model(reproduced: Project) -> keras.Model:
    return load_model(reproduced.folder / "models/model.keras")


@pytest.fixture(scope="module")
def info(reproduced: Project) -> ModelInfo:
    return read_info(reproduced.folder / "models/model.keras")


@pytest.fixture(scope="module")
def exported(model: keras.Model, info: ModelInfo) -> dict[str, bytes]:
    info = info._replace(classes=["one", "two", "zero \N{SNAKE}"])
    return {"tflite": tflite_bytes(model, info), "onnx": onnx_bytes(model, info)}


@pytest.fixture(params=["tflite", "onnx"])
def run(exported: dict[str, bytes], request: pytest.FixtureRequest) -> Runner:
    data = exported[request.param]
    if request.param == "onnx":
        session = onnxruntime.InferenceSession(data)
        return lambda images: session.run(["probabilities"], {"images": images})[0]
    runner = Interpreter(model_content=data).get_signature_runner("serving_default")
    return lambda images: runner(images=images)["probabilities"]


def test_it_agrees_with_keras_on_every_test_image(
    reproduced: Project, model: keras.Model, info: ModelInfo, run: Runner
) -> None:
    rows = subset_rows(read_manifest(reproduced.folder / "data/manifest.csv"), "test")
    folder = reproduced.folder / "data/raw"
    pixels = load_images(folder, rows, info.classes, input_size(model), 1).pixels
    stage = read_predictions(reproduced.folder / "outputs/predictions.csv")
    found = run(pixels)
    assert found == pytest.approx(stage.probabilities, abs=1e-4)
    assert [info.classes[i] for i in found.argmax(axis=1)] == stage.predicted


@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 30), (9, 50), (1, 1), (301, 200)])
def test_the_resizing_inside_is_that_of_keras(
    model: keras.Model, run: Runner, height: int, width: int
) -> None:
    # Of 4 x 4 blocks: in noise, a pixel in some thousands is rounded the other way.
    blocks = np.random.default_rng(1).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    images = blocks.repeat(4, axis=1)[:, :height].repeat(4, axis=2)[:, :, :width]
    assert run(images) == pytest.approx(np.asarray(model.predict_on_batch(images)), abs=1e-3)


def test_the_class_names_are_inside(exported: dict[str, bytes]) -> None:
    names = ["one", "two", "zero \N{SNAKE}"]
    session = onnxruntime.InferenceSession(exported["onnx"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == names
    with zipfile.ZipFile(io.BytesIO(exported["tflite"])) as archive:
        assert archive.read("labels.txt").decode().splitlines() == names


def test_the_stage_is_opt_in_and_gives_the_same_bytes_in_any_process(
    reproduced: Project, info: ModelInfo, model: keras.Model
) -> None:
    assert not (reproduced.folder / "exports").exists()
    reproduced.set_params({"export": ["onnx"]})
    assert reproduced.repro() == (["export@onnx"], [])
    # tf2onnx goes by hash sets, which have another order in every process.
    assert (reproduced.folder / "exports/model.onnx").read_bytes() == onnx_bytes(model, info)
    reproduced.git("checkout", "--", "dvc.lock", "params.yaml")
    shutil.rmtree(reproduced.folder / "exports")
    assert "up to date" in reproduced.dvc("status")
    assert reproduced.git("status", "--porcelain") == ""


def test_equal_models_are_equal_files(model: keras.Model, info: ModelInfo) -> None:
    for export in (onnx_bytes, tflite_bytes):
        assert export(model, info) == export(model, info)


def test_without_the_group_it_is_one_line(reproduced: Project) -> None:
    script = (
        "import sys; sys.modules['tf2onnx'] = None; sys.argv[1:] = ['onnx'];"
        "import runpy; runpy.run_module('stages.export', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=reproduced.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "ERROR: exporting to ONNX needs the dependency group 'export'; run make export\n"
    )
    assert not Path(reproduced.folder / "exports/model.onnx").exists()
