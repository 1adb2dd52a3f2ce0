"""Fixtures: striped images, and a network trained on them."""

import pytest
from stripes import striped_images, trained

from ballast.keras_setup import keras
from ballast.model.inputs import ImageSet
from ballast.model.resizing import accept_any_size


@pytest.fixture(scope="module")
def stripes() -> ImageSet:
    """Sixty images of three classes."""
    return striped_images()


@pytest.fixture(scope="module")
def model(stripes: ImageSet) -> keras.Model:
    """A network that was trained on them."""
    return accept_any_size(trained(stripes))
