"""Building, training and saving the network that is set in params."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ballast.core.params import Params, Train
from ballast.core.paths import KERAS_DOWNLOADS, LIVE
from ballast.keras_setup import keras, prepare_training
from ballast.model.backbones import load_backbone
from ballast.model.cnn import build_cnn
from ballast.model.fine_tuning import fit_backbone
from ballast.model.inference import predict
from ballast.model.inputs import ImageFiles, load_within
from ballast.model.live import epoch_progress, live_values
from ballast.model.model_file import ModelInfo
from ballast.model.resizing import accept_any_size
from ballast.model.saved import model_bytes, parsed_model
from ballast.model.training import TrainingInputs, fit


def trained_file(
    params: Params,
    class_weights: NDArray[np.float64],
    train: ImageFiles,
    val: ImageFiles,
    test: ImageFiles,
    info: ModelInfo,
) -> tuple[bytes, dict[str, list[float]], NDArray[np.float64]]:
    """Train a network, save it, and predict the test images with what was saved.

    Shows the progress, and writes the values of the latest epoch to outputs/live.

    Args:
        params: all of them.
        class_weights: in the loss, shape (k,).
        train: training images.
        val: validation images; may be none.
        test: test images, at least one.
        info: metadata of the file.

    Returns:
        The .keras file, the history that fit returns, and probabilities of shape (n, k).

    Raises:
        UserError: as train_network does.
    """
    settings, size = params.train, params.data.image_size
    prepare_training(params.seed, settings.threads)
    train_set, val_set = load_within(params.runtime.image_memory * 2**20, train, val)
    epochs = settings.epochs + settings.fine_tune_epochs
    with epoch_progress(epochs) as progress, live_values(LIVE) as live:
        inputs = TrainingInputs(
            train_set,
            val_set,
            class_weights,
            params.active_strategy,
            params.seed,
            [progress, *live],
        )
        network, history = train_network(inputs, settings, size, KERAS_DOWNLOADS)
    data = model_bytes(accept_any_size(network), info)
    return data, history, predict(parsed_model(data), test)


def train_network(
    inputs: TrainingInputs, params: Train, image_size: int, downloads: Path
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Build and train a network.

    Args:
        inputs: images, class weights and strategy.
        params: backbone, weights and training params.
        image_size: side in pixels.
        downloads: folder for Keras's downloads.

    Returns:
        Model from pixels to probabilities, and the history that fit returns.

    Raises:
        UserError: if the backbone or an image cannot be loaded, or a loss becomes NaN.
    """
    if params.backbone == "cnn":
        model = build_cnn(image_size, len(inputs.class_weights))
        return model, fit(model, inputs, params)
    return fit_backbone(load_backbone(params, image_size, downloads), inputs, params)
