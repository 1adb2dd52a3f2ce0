"""Model files: the same model gives the same bytes, and loads as the same model."""

import time
from pathlib import Path

import numpy as np
import pytest
from stripes import INFO

from ballast.keras_setup import keras
from ballast.model.cnn import build_cnn
from ballast.model.inference import predict
from ballast.model.inputs import ImageSet
from ballast.model.model_file import read_info
from ballast.model.resizing import accept_any_size
from ballast.model.saved import input_size, load_model, model_bytes


def test_a_saved_model_loads_in_safe_mode_and_takes_uint8_images_of_any_size(
    model: keras.Model, stripes: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "model.keras").write_bytes(model_bytes(model, INFO))
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert input_size(loaded) == 16
    assert read_info(tmp_path / "model.keras") == INFO
    (tmp_path / "deep.keras").write_bytes(model_bytes(model, INFO._replace(greys=(0.0, 4095.5))))
    assert read_info(tmp_path / "deep.keras").greys == (0.0, 4095.5)
    expected = predict(model, stripes.pixels)
    assert np.array_equal(predict(load_model(tmp_path / "model.keras"), stripes.pixels), expected)
    larger = stripes.pixels.repeat(3, axis=1).repeat(3, axis=2)[:3, :, :40]
    assert np.asarray(loaded(larger)).shape == (3, 3)
    assert expected.sum(axis=1) == pytest.approx(np.ones(60))


def test_the_same_model_is_the_same_file_whenever_it_is_saved(model: keras.Model) -> None:
    first = model_bytes(model, INFO)
    time.sleep(2.1)  # a zip's clock ticks every two seconds
    assert model_bytes(model, INFO) == first


def test_a_model_that_was_loaded_saves_to_the_same_file(model: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(model_bytes(model, INFO))
    assert model_bytes(load_model(tmp_path / "model.keras"), INFO) == model_bytes(model, INFO)


def test_what_was_trained_in_mixed_precision_is_a_file_of_float32(
    model: keras.Model, stripes: ImageSet, tmp_path: Path
) -> None:
    keras.config.set_dtype_policy("mixed_float16")  # as prepare_training does where there is a GPU
    try:
        network = accept_any_size(build_cnn(16, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.layers[-1].get_layer("stem_convolution").compute_dtype == "float16"
    network.set_weights(model.get_weights())
    (tmp_path / "model.keras").write_bytes(model_bytes(network, INFO))
    loaded = load_model(tmp_path / "model.keras")
    assert {layer.compute_dtype for layer in loaded.layers[-1].layers} == {"float32"}
    assert np.array_equal(predict(loaded, stripes.pixels), predict(model, stripes.pixels))
