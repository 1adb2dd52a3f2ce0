"""Predictions are the same from memory and from files."""

import numpy as np
from stripes import in_files

from ballast.keras_setup import keras
from ballast.model.inference import outputs, predict
from ballast.model.inputs import ImageSet


def test_predictions_of_images_in_files_are_those_of_images_in_memory(
    model: keras.Model, stripes: ImageSet
) -> None:
    twice = ImageSet(stripes.pixels.repeat(2, axis=0), stripes.labels.repeat(2))
    assert np.array_equal(predict(model, in_files(twice)), predict(model, twice.pixels))


def test_features_are_given_of_linear_heads_alone(model: keras.Model, stripes: ImageSet) -> None:
    found = outputs(model, stripes.pixels)
    assert found.features is None
    assert np.array_equal(found.probabilities, predict(model, stripes.pixels))
