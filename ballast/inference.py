"""What a trained model says of images."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ballast.backend import keras
from ballast.errors import UserError
from ballast.image_sets import ImageFiles, ordered_batches, pixel_batches

# Fixed, because the batch size can change the last bits of a probability.
BATCH_SIZE = 64


def load_model(path: Path) -> keras.Model:
    """Load a model in Keras's safe mode: nothing in the file is executed.

    Raises:
        UserError: where there is none, or its bytes are damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except FileNotFoundError:
        raise UserError(f"{path}: no model yet; run dvc repro, or dvc pull models") from None
    except (OSError, zipfile.BadZipFile):
        damaged = path.name
    if damaged:
        raise UserError(
            f"{path}: half written or damaged; run python -m stages.check, then dvc repro"
        )
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def input_size(model: keras.Model) -> int:
    """Side in pixels of the images that a saved model works on."""
    return int(model.get_layer("resize").height)


def predict(model: keras.Model, images: NDArray[np.uint8] | ImageFiles) -> NDArray[np.float64]:
    """Predict probabilities.

    Args:
        model: from pixels to probabilities.
        images: one or more; uint8 RGB of shape (n, size, size, 3), or files, of which some batches
            at a time are in memory.

    Returns:
        Shape (n, k) for n images and k classes; each row sums to 1.

    Raises:
        UserError: as pixel_batches does.
    """
    if isinstance(images, ImageFiles):
        batches = pixel_batches(images, ordered_batches(len(images.labels), BATCH_SIZE))
    else:
        batches = (images[chosen] for chosen in ordered_batches(len(images), BATCH_SIZE))
    probabilities = np.concatenate([model.predict_on_batch(batch) for batch in batches])
    exact: NDArray[np.float64] = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    return exact
