"""Logit adjustment: a loss that compensates for imbalance (Menon et al. 2021, arXiv:2007.07314)."""

import numpy as np
from numpy.typing import NDArray

from ballast.keras_setup import keras

# Minimum probability: its logarithm is finite, and so is its inverse, which is in the gradient.
LEAST = 1e-30


def adjusted_for_training(
    model: keras.Model, priors: NDArray[np.float64], tau: float
) -> keras.Model:
    """Append the adjustment to a network; it is active in training only.

    The cross-entropy is then that of softmax(f + tau · log prior) for logits f (eq. 10 of the
    paper): a rare class has to win by a margin. At inference, including validation, the model
    returns the softmax of f itself, as if all classes were equally likely. With tau 1, this is the
    optimal prediction for the balanced error.

    Args:
        model: maps pixels to probabilities of shape (batch, k).
        priors: shape (k,), each above 0.
        tau: strength, 0 or more.

    Returns:
        A model that shares its weights with `model`.
    """
    shift = (tau * np.log(priors)).astype(np.float32)

    def adjust(probabilities: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if not training:
            return probabilities
        logits = keras.ops.log(keras.ops.maximum(probabilities, LEAST))
        return keras.activations.softmax(logits + shift)

    layer = keras.layers.Lambda(adjust, dtype="float32", name="logit_adjustment")
    return keras.Model(model.input, layer(model.output), name="training")
