"""The probe is an ordinary Keras model, from which its parts can be extracted unchanged."""

import gc
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from stripes import INFO

from ballast.keras_setup import keras
from ballast.model.cnn import build_cnn
from ballast.model.head_fitting import GRID, Calibration, Head
from ballast.model.inference import predict
from ballast.model.logits import Floats, linear_probabilities
from ballast.model.model_file import ModelInfo, with_head
from ballast.model.probe import build_probe, probe_of
from ballast.model.resizing import accept_any_size
from ballast.model.saved import load_model, model_bytes

SIZE, FEATURES, CLASSES = 16, 12, 3


@pytest.fixture(scope="module")
def head() -> Head:
    """Weights and bias on the grid."""
    random = np.random.default_rng(1)
    weights = np.rint(random.normal(0, 2000, (FEATURES, CLASSES))) * GRID
    bias = np.rint(random.normal(0, 500, CLASSES)) * GRID
    return Head(weights, bias, Calibration(10.0, 1.5, 0.5, {}), [])


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    """A small, untrained one."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    maps = keras.layers.Conv2D(FEATURES, 4, 4, activation="relu", name="maps")(pixels)
    return keras.Model(pixels, keras.ops.sum(maps, axis=(1, 2)), name="backbone")


@pytest.fixture(scope="module")
def probe(backbone: keras.Model, head: Head) -> keras.Model:
    """The head on the backbone."""
    return build_probe(backbone, head.weights, head.bias)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Noise, and a black image, whose features are all 0."""
    noise = np.random.default_rng(2).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    return np.concatenate([noise, np.zeros_like(noise[:1])])


def test_the_model_gives_the_probabilities_of_the_head(
    probe: keras.Model, backbone: keras.Model, head: Head, images: NDArray[np.uint8]
) -> None:
    features = np.asarray(backbone.predict_on_batch(images))
    expected = linear_probabilities(features, head.weights, head.bias)
    assert np.asarray(probe.predict_on_batch(images)) == pytest.approx(expected, abs=1e-5)


def test_its_parts_are_those_that_it_was_built_of(
    probe: keras.Model, backbone: keras.Model, head: Head, images: NDArray[np.uint8]
) -> None:
    parts = probe_of(probe)
    assert parts is not None
    assert np.array_equal(parts.weights, head.weights)
    assert np.array_equal(parts.bias, head.bias)
    expected = backbone.predict_on_batch(images)
    assert np.array_equal(parts.features.predict_on_batch(images), expected)


def test_its_features_are_compiled_once_and_freed_with_it(
    backbone: keras.Model, head: Head
) -> None:
    network = build_probe(backbone, head.weights, head.bias)
    first, second = probe_of(network), probe_of(network)
    assert first is not None
    assert second is not None
    assert first.features is second.features
    network.get_layer("logits").set_weights([head.weights * 2, head.bias])
    changed = probe_of(network)
    assert changed is not None
    assert np.array_equal(changed.weights, head.weights * 2)
    freed = weakref.ref(network)
    del network
    gc.collect()
    assert freed() is None


def test_a_network_is_no_probe() -> None:
    assert probe_of(build_cnn(SIZE, CLASSES)) is None


def test_predictions_are_computed_in_float64_of_the_features(
    probe: keras.Model, backbone: keras.Model, head: Head, images: NDArray[np.uint8]
) -> None:
    parts = probe_of(probe)
    assert parts is not None
    features = np.asarray(backbone.predict_on_batch(images))
    found = predict(accept_any_size(probe), images)
    assert found.dtype == np.float64
    assert np.array_equal(found, linear_probabilities(features, parts.weights, parts.bias))
    expected = linear_probabilities(features, head.weights, head.bias)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(images)), abs=1e-12)


def test_logits_of_any_size_have_finite_probabilities(probe: keras.Model) -> None:
    parts = probe_of(probe)
    assert parts is not None
    features = np.full((1, FEATURES), 1e6, np.float32)
    found = linear_probabilities(features, parts.weights * 1e6, parts.bias)
    assert np.isfinite(found).all()


def test_saved_and_loaded_it_predicts_the_same_and_without_a_warning(
    probe: keras.Model, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = tmp_path / "model.keras"
    model = accept_any_size(probe)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=UserWarning)
        path.write_bytes(model_bytes(model, INFO))
        loaded = load_model(path)
        expected = predict(model, images)
        assert np.array_equal(predict(loaded, images), expected)
        assert np.asarray(loaded(images)) == pytest.approx(expected, abs=1e-5)
        assert np.asarray(loaded(images.repeat(2, axis=1))).shape == expected.shape
    assert probe_of(loaded.layers[-1]) is not None
    assert model_bytes(loaded, INFO) == path.read_bytes()


def test_a_head_put_into_a_blank_file_gives_the_file_of_the_whole(
    backbone: keras.Model, head: Head
) -> None:
    def whole(weights: Floats, bias: Floats, info: ModelInfo) -> bytes:
        keras.backend.clear_session()  # Keras numbers names per process
        return model_bytes(accept_any_size(build_probe(backbone, weights, bias)), info)

    info = ModelInfo(["x", "y", "z"], 1.0, 7)
    blank = whole(np.zeros_like(head.weights), np.zeros_like(head.bias), INFO)
    for weights, bias in (
        (head.weights, head.bias),
        (np.rint(head.weights), np.rint(head.bias)),  # whole numbers, which are kept as such
    ):
        assert with_head(blank, weights, bias, info) == whole(weights, bias, info)
