"""The exact backbone never rounds a sum, and its features equal those of integer arithmetic."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ballast.core.errors import UserError
from ballast.keras_setup import keras
from ballast.model.efficientnet_lite0 import (
    BLOCKS,
    SHA256,
    Network,
    largest_sums,
    read_network,
)
from ballast.model.efficientnet_lite0_keras import build_features, build_maps
from ballast.model.efficientnet_lite0_numpy import feature_maps
from ballast.model.model_file import ModelInfo
from ballast.model.saved import model_bytes
from ballast.model.weight_files import EXACT_FEATURES
from ballast.model.whole_weights import narrowed

FILE = Path(__file__).parents[3] / "pretrained" / "efficientnet_lite0.npz"
SIZES = (32, 47)  # an even and an odd side, which are padded differently
Ints = NDArray[np.int64]


@pytest.fixture(scope="module")
def network() -> Network:
    return read_network(FILE)


@pytest.fixture(scope="module")
def models(network: Network) -> dict[int, keras.Model]:
    return {size: build_features(network, size) for size in SIZES}


def convolved(x: Ints, kernel: Ints, stride: int) -> Ints:
    """Convolve one image in int64; TensorFlow's "same" pads more on the right and below.

    Args:
        x: (height, width, channels).
        kernel: (side, side, channels, filters), or (side, side, channels, 1) if depthwise.
        stride: 1 or 2.
    """
    side = len(kernel)
    outputs = [-(-length // stride) for length in x.shape[:2]]
    pads = [
        max((output - 1) * stride + side - length, 0)
        for output, length in zip(outputs, x.shape, strict=False)
    ]
    x = np.pad(x, [*((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
    y: Ints = np.zeros((), np.int64)
    for row in range(side):
        for column in range(side):
            part = x[
                row : row + stride * (outputs[0] - 1) + 1 : stride,
                column : column + stride * (outputs[1] - 1) + 1 : stride,
            ]
            weights = kernel[row, column]
            products: Ints = part * weights[:, 0] if weights.shape[1] == 1 else part @ weights
            y = y + products
    return y


def integer_features(network: Network, image: NDArray[np.uint8]) -> Ints:
    """Features of one image in int64, except for the scaling, which is float32 by IEEE 754."""

    def convolve(x: Ints, name: str, stride: int = 1) -> Ints:
        kernel, bias, multiplier = network[name]
        sums = convolved(x, kernel.astype(np.int64), stride) + bias
        assert np.abs(sums).max() < 2**24
        scaled: Ints = np.rint(sums.astype(np.float32) * multiplier).astype(np.int64)
        low, high = (-255, 255) if name.endswith("_project") else (0, 255)
        clipped: Ints = scaled.clip(low, high)
        return clipped

    x = convolve(image.astype(np.int64) - 127, "stem", 2)
    for block in BLOCKS:
        y = convolve(x, f"{block.name}_expand") if block.expands else x
        y = convolve(y, f"{block.name}_depthwise", block.stride)
        y = convolve(y, f"{block.name}_project")
        x = x + y if block.adds else y
    features: Ints = convolve(x, "head").sum(axis=(0, 1))
    return features


def extremes(size: int) -> NDArray[np.uint8]:
    """Images whose sums are large: black, white, one colour each, checkerboards and noise."""
    rows, columns = np.indices((size, size))
    checks = [((rows // side + columns // side) % 2)[..., None] * 255 for side in (1, 2, 5)]
    colours = [np.eye(3)[channel] * 255 for channel in range(3)]
    noise = np.random.default_rng(1).integers(0, 256, (size, size, 3))
    shape = (size, size, 3)
    images = [np.zeros(shape), np.full(shape, 255), *checks, *colours, noise, (noise > 127) * 255]
    return np.stack([np.broadcast_to(image, shape) for image in images]).astype(np.uint8)


def small_file(model: keras.Model) -> bytes:
    """A .keras file with whole-number weights stored as integers."""
    file = io.BytesIO()
    data = model_bytes(model, ModelInfo(["a", "b"], max_megapixels=30, threads=2))
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            whole = narrowed(content) if entry.filename == "model.weights.h5" else content
            target.writestr(entry, whole)
    return file.getvalue()


def test_the_file_is_the_one_that_was_committed_and_small() -> None:
    data = FILE.read_bytes()
    assert hashlib.sha256(data).hexdigest() == SHA256
    assert len(data) <= 5_000_000


@pytest.mark.parametrize("damaged", [True, False])
def test_another_file_or_none_is_one_clear_line(damaged: bool, tmp_path: Path) -> None:
    path = tmp_path / "efficientnet_lite0.npz"
    if damaged:
        path.write_bytes(FILE.read_bytes()[:-1])
    with pytest.raises(UserError, match="git checkout"):
        read_network(path)


def test_no_image_can_make_a_sum_that_float32_would_round(network: Network) -> None:
    sums = largest_sums(network)
    assert list(sums) == list(network)
    assert max(sums.values()) < 2**24


def test_multipliers_are_powers_of_two_so_that_scaling_rounds_nothing(network: Network) -> None:
    for convolution in network.values():
        assert set(np.frexp(convolution.multiplier)[0]) == {0.5}


@pytest.mark.parametrize("size", SIZES)
def test_features_of_extreme_images_are_those_of_integer_arithmetic(
    models: dict[int, keras.Model], network: Network, size: int
) -> None:
    images = extremes(size)
    features = models[size].predict(images, verbose=0)
    assert features.shape == (len(images), EXACT_FEATURES)
    assert features.dtype == np.float32
    assert np.array_equal(features, [integer_features(network, image) for image in images])


@pytest.mark.parametrize("size", [*SIZES, 160])
def test_without_tensorflow_the_last_maps_are_the_same(network: Network, size: int) -> None:
    images = extremes(size)
    maps = feature_maps(network, images)
    assert maps.dtype == np.float32
    assert np.array_equal(maps, build_maps(network, size).predict(images, verbose=0))


@settings(max_examples=12, deadline=None)
@given(
    size=st.sampled_from(SIZES),
    seed=st.integers(0, 2**32 - 1),
    least=st.integers(0, 255),
    most=st.integers(0, 255),
)
def test_features_of_any_image_are_those_of_integer_arithmetic(
    models: dict[int, keras.Model], network: Network, size: int, seed: int, least: int, most: int
) -> None:
    least, most = sorted((least, most))
    image = np.random.default_rng(seed).integers(least, most, (size, size, 3), np.uint8, True)
    features = models[size].predict(image[None], verbose=0)
    expected = integer_features(network, image)
    assert np.array_equal(features[0], expected)
    assert np.array_equal(feature_maps(network, image[None])[0].sum(axis=(0, 1)), expected)


def test_features_do_not_depend_on_the_batch(models: dict[int, keras.Model]) -> None:
    images, model = extremes(32), models[32]
    alone = np.concatenate([model.predict_on_batch(image[None]) for image in images])
    for batch_size in (2, 3, len(images)):
        assert np.array_equal(model.predict(images, batch_size=batch_size, verbose=0), alone)
    backwards = model.predict(images[::-1].astype(np.float32), verbose=0)
    assert np.array_equal(backwards[::-1], alone)


def test_features_are_the_sums_over_the_last_map(
    models: dict[int, keras.Model], network: Network
) -> None:
    maps = build_maps(network, 47).predict(extremes(47), verbose=0)
    assert maps.shape[1:] == (2, 2, EXACT_FEATURES)
    assert maps.min() == 0
    assert maps.max() <= 255
    assert np.array_equal(maps.sum(axis=(1, 2)), models[47].predict(extremes(47), verbose=0))


def test_a_saved_model_is_small_and_loads_in_safe_mode_to_the_same_features(
    models: dict[int, keras.Model], tmp_path: Path
) -> None:
    model = models[32]
    data = small_file(model)
    assert len(data) <= 6_000_000
    (tmp_path / "model.keras").write_bytes(data)
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert {weight.dtype for weight in loaded.weights} == {"float32"}
    assert not loaded.trainable_weights
    images = extremes(32)
    assert np.array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    assert small_file(loaded) == data


def test_mixed_precision_changes_nothing(network: Network, models: dict[int, keras.Model]) -> None:
    images = np.random.default_rng(4).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    keras.config.set_dtype_policy("mixed_float16")  # like prepare_training if there is a GPU
    try:
        mixed = build_features(network, 32)
    finally:
        keras.config.set_dtype_policy("float32")
    expected = np.asarray(models[32].predict_on_batch(images))
    assert np.asarray(mixed.predict_on_batch(images)).tobytes() == expected.tobytes()
