"""What a trained model says of images."""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError
from ballast.keras_setup import keras
from ballast.model.inputs import ImageFiles, ordered_batches, pixel_batches

# Fixed, because the batch size can change the last bits of a probability.
BATCH_SIZE = 64
# Ballast's own entry of a .keras file; Keras passes over it.
INFO = "ballast.json"


class ModelInfo(NamedTuple):
    """What a model file says besides the network, so that it can be used by itself."""

    classes: list[str]  # in the order of the network's outputs
    max_megapixels: float  # larger images are refused
    threads: int  # that it was trained with; others can change the last bits of a probability


def read_info(path: Path) -> ModelInfo:
    """Read what model_bytes wrote beside the network.

    Raises:
        UserError: as load_model does, or where another program wrote the file.
    """
    _refuse_damage(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return ModelInfo(**json.loads(archive.read(INFO)))
    except (KeyError, ValueError, TypeError):
        raise UserError(f"{path}: no model of Ballast's, without class names inside") from None


def load_model(path: Path) -> keras.Model:
    """Load a model in Keras's safe mode: nothing in the file is executed.

    Raises:
        UserError: where there is none, or its bytes are damaged.
    """
    _refuse_damage(path)
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _refuse_damage(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except FileNotFoundError:
        raise UserError(f"{path}: no model yet; run dvc repro, or dvc pull models") from None
    except (OSError, zipfile.BadZipFile):
        damaged = path.name
    if damaged:
        raise UserError(f"{path}: half written or damaged; run ballast check, then dvc repro")


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
