"""Prediction with a trained model."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.keras_setup import keras
from ballast.model.inputs import ImageFiles, ordered_batches, pixel_batches
from ballast.model.logits import linear_probabilities
from ballast.model.probe import probe_of

# Fixed, because the batch size can change the last bits of the probabilities.
BATCH_SIZE = 64


class Outputs(NamedTuple):
    """What a model makes of n images."""

    probabilities: NDArray[np.float64]  # shape (n, k) for k classes; each row sums to 1
    features: NDArray[np.float32] | None  # that a linear head was given, shape (n, d)


def of_features(model: keras.Model, features: NDArray[np.float32]) -> Outputs:
    """What a model with a linear head makes of features of shape (n, d)."""
    probe = probe_of(model.layers[-1])
    assert probe is not None
    return Outputs(linear_probabilities(features, probe.weights, probe.bias), features)


def predict(model: keras.Model, images: NDArray[np.uint8] | ImageFiles) -> NDArray[np.float64]:
    """Predict the class probabilities of images, shape (n, k); arguments as of outputs."""
    return outputs(model, images).probabilities


def outputs(model: keras.Model, images: NDArray[np.uint8] | ImageFiles) -> Outputs:
    """Compute the class probabilities of images, and the features that they come from.

    Args:
        model: result of accept_any_size, saved and loaded or not.
        images: at least one; uint8 RGB of shape (n, size, size, 3), or files, which are read a few
            batches at a time.

    Raises:
        UserError: as pixel_batches does.
    """
    if isinstance(images, ImageFiles):
        batches = pixel_batches(images, ordered_batches(len(images.labels), BATCH_SIZE))
    else:
        batches = (images[chosen] for chosen in ordered_batches(len(images), BATCH_SIZE))
    probe = probe_of(model.layers[-1])
    network = probe.features if probe else model.layers[-1]
    found = np.concatenate([network.predict_on_batch(batch) for batch in batches])
    if probe:
        return of_features(model, found)
    exact: NDArray[np.float64] = found.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    return Outputs(exact, None)
