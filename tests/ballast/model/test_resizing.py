"""Resizing inside a model equals Pillow's, bit for bit, for any size."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ballast.keras_setup import keras
from ballast.model.resizing import resize

SIZE = 32


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    """The resizing, saved and loaded in safe mode."""
    path: Path = tmp_path_factory.mktemp("model") / "resizing.keras"
    images = keras.Input((None, None, 3), dtype="uint8", name="images")
    keras.Model(images, resize(images, SIZE), name="resizing").save(path)
    return keras.saving.load_model(path, safe_mode=True)


def resized(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize an image with Pillow."""
    bilinear = Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(bilinear)


def noise(height: int, width: int, seed: int, levels: int) -> NDArray[np.uint8]:
    """Noise of `levels` values from 0 to 255; with 2, black and white."""
    values = np.random.default_rng(seed).integers(0, levels, (height, width, 3))
    return (values * 255 // (levels - 1)).astype(np.uint8)


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([2, 256]),
)
def test_any_image_is_resized_as_pillow_does(
    model: keras.Model, height: int, width: int, seed: int, levels: int
) -> None:
    assume(height <= 100 * width)
    image = noise(height, width, seed, levels)
    assert np.array_equal(np.asarray(model(image[None]))[0], resized(image))


@pytest.mark.parametrize(("height", "width"), [(201, 2), (300, 2), (301, 3), (1000, 4)])
def test_a_strip_is_resized_as_pillow_does_but_for_rounding(
    model: keras.Model, height: int, width: int
) -> None:
    image = noise(height, width, 0, 2)
    # int16, since a difference of uint8 cannot be negative.
    off = np.asarray(model(image[None]))[0].astype(np.int16) - resized(image)
    assert 0 < np.abs(off).max() <= 2
    assert np.array_equal(
        np.asarray(model(image[None, : 100 * width]))[0], resized(image[: 100 * width])
    )


@pytest.mark.parametrize(("height", "width"), [(SIZE, SIZE), (1, 1), (1, 64 * SIZE), (512, 1024)])
def test_so_are_the_smallest_and_the_largest(model: keras.Model, height: int, width: int) -> None:
    white = np.full((height, width, 3), 255, np.uint8)
    for image in (white, noise(height, width, 1, 2)):
        assert np.array_equal(np.asarray(model(image[None]))[0], resized(image))


def test_images_of_a_batch_do_not_depend_on_each_other(model: keras.Model) -> None:
    images = np.stack([noise(50, 70, seed, 256) for seed in range(3)])
    assert np.array_equal(model(images), np.stack([resized(image) for image in images]))
