"""The last feature map of the exact backbone, whose cells add up to the features."""

import numpy as np
from numpy.typing import NDArray

from ballast.keras_setup import keras

BATCH_SIZE = 64
LAST_LAYER = "head_scale"  # before the rounding of the last feature map


def maps_network(features: keras.Model) -> keras.Model | None:
    """The network from pixels to the last feature map; it shares the weights.

    Args:
        features: a Backbone's network or a Probe's features.

    Returns:
        As build_maps does; None if it is not the exact backbone.
    """
    for network in (features, *features.layers):  # a probe has the backbone as a layer
        if isinstance(network, keras.Model) and LAST_LAYER in {x.name for x in network.layers}:
            summed = network.output._keras_history.operation  # adds up the cells
            return keras.Model(network.input, summed.input, name="maps")
    return None


def feature_maps(network: keras.Model, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Compute the last feature maps of n photographs, shape (n, side, side, d).

    Args:
        network: from maps_network.
        pixels: RGB of shape (n, size, size, 3).
    """
    parts = [
        np.asarray(network.predict_on_batch(pixels[start : start + BATCH_SIZE]))
        for start in range(0, len(pixels), BATCH_SIZE)
    ]
    return np.asarray(np.concatenate(parts), np.uint8)
