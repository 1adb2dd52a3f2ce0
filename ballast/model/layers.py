"""What every network trained by gradient shares: its last layers, and how it normalises."""

from typing import Any

from ballast.keras_setup import keras

# Small sets give few steps. At Keras's momentum of 0.99 the moving averages that inference uses
# lag by hundreds of steps: a network trained to 0.93 then predicted a single class.
BATCH_NORM_MOMENTUM = 0.9
DROPOUT = 0.3


def classify(features: Any, classes: int) -> Any:  # noqa: ANN401  # Keras's symbolic tensors
    """Add the last layers of a network.

    Args:
        features: symbolic, shape (batch, d).
        classes: 2 or more.

    Returns:
        Probabilities, symbolic, shape (batch, classes).
    """
    x = keras.layers.Dropout(DROPOUT, name="dropout")(features)
    # In float16 (see prepare_training) a small probability would be 0, and its logarithm infinite.
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(
        x
    )
