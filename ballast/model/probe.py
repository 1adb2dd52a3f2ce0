"""A classifier with a linear head on frozen features (a linear probe), as an ordinary Keras model.

The Keras model computes in float32, like every runtime that it is exported to. Ballast itself
extracts the backbone and the head and computes logits in float64. With the exact backbone, these
multiply whole numbers by multiples of a grid, so they have the same bits on every processor.
"""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ballast.keras_setup import keras
from ballast.model.logits import Floats

FEATURES, LENGTH, LOGITS = "features", "unit_length", "logits"

# By network: Keras compiles a model anew at its first batch, which takes as long as 30 images.
_features_of: WeakKeyDictionary[keras.Model, keras.Model] = WeakKeyDictionary()


class Probe(NamedTuple):
    """The parts of a classifier with a linear head."""

    features: keras.Model  # from pixels to features of shape (n, d)
    weights: Floats  # shape (d, k)
    bias: Floats  # shape (k,)


def build_probe(features: keras.Model, weights: Floats, bias: Floats) -> keras.Model:
    """Put a linear head on a backbone.

    Args:
        features: model from pixels to features of shape (n, d); its weights are shared, not copied.
        weights: shape (d, k); exact in float32.
        bias: shape (k,).

    Returns:
        Model from pixels to probabilities of shape (n, k).
    """
    x = keras.layers.UnitNormalization(dtype="float32", name=LENGTH)(features(features.input))
    dense = keras.layers.Dense(len(bias), dtype="float32", name=LOGITS)
    probabilities = keras.layers.Softmax(dtype="float32", name="probabilities")(dense(x))
    dense.set_weights([weights.astype(np.float32), bias.astype(np.float32)])
    return keras.Model(features.input, probabilities, name="probe")


def probe_of(network: keras.Model) -> Probe | None:
    """The parts of a network from build_probe, saved and loaded or not; None for other networks."""
    if LENGTH not in {layer.name for layer in network.layers}:
        return None
    features = _features_of.get(network)
    if features is None:
        features = keras.Model(network.input, network.get_layer(LENGTH).input, name=FEATURES)
        _features_of[network] = features
    weights, bias = network.get_layer(LOGITS).get_weights()
    return Probe(features, weights.astype(np.float64), bias.astype(np.float64))
