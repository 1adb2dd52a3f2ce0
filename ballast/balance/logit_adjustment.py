"""Logit adjustment: a loss that makes up for rare classes (Menon et al. 2021, arXiv:2007.07314)."""

import numpy as np
from numpy.typing import NDArray

from ballast.keras_setup import keras

# Its logarithm is finite, and so is its inverse, which the gradient passes through.
LEAST = 1e-30


def adjusted_for_training(
    model: keras.Model, priors: NDArray[np.float64], tau: float
) -> keras.Model:
    """Put the adjustment behind a network, in training alone.

    The cross-entropy is then that of softmax(f + tau · log prior), for logits f (eq. 10 of the
    paper): a rare class has to win by a margin. At inference, in validation too, the model gives
    the softmax of f itself, as if classes were equally likely. With tau 1 that is the prediction
    which the balanced error asks for.

    Args:
        model: from pixels to probabilities of shape (batch, k).
        priors: shape (k,), each above 0.
        tau: 0 or more.

    Returns:
        Model of the same weights, which are shared, not copied.
    """
    shift = (tau * np.log(priors)).astype(np.float32)

    def adjust(probabilities: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if not training:
            return probabilities
        logits = keras.ops.log(keras.ops.maximum(probabilities, LEAST))
        return keras.activations.softmax(logits + shift)

    layer = keras.layers.Lambda(adjust, dtype="float32", name="logit_adjustment")
    return keras.Model(model.input, layer(model.output), name="training")
