"""Layers and settings that all networks share: the final layers and batch normalisation."""

from typing import Any

from ballast.keras_setup import keras

# Small data sets yield few training steps. At Keras's default momentum of 0.99, the moving averages
# used in inference lag by hundreds of steps: a network trained to an accuracy of 0.93 then
# predicted a single class.
BATCH_NORM_MOMENTUM = 0.9
DROPOUT = 0.3


def classify(features: Any, classes: int) -> Any:  # noqa: ANN401  # Keras's symbolic tensors
    """Add the final layers of a network: dropout and a softmax.

    Args:
        features: symbolic tensor of shape (batch, d).
        classes: number of classes, 2 or more.

    Returns:
        Probabilities, a symbolic tensor of shape (batch, classes).
    """
    x = keras.layers.Dropout(DROPOUT, name="dropout")(features)
    # float32, because in float16 (see prepare_training) small probabilities underflow to 0 and
    # their logarithms are infinite.
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(
        x
    )
