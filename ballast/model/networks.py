"""Building and training the network that is set in params."""

from pathlib import Path

from ballast.core.params import Train
from ballast.keras_setup import keras
from ballast.model.backbones import load_backbone
from ballast.model.cnn import build_cnn
from ballast.model.fine_tuning import fit_backbone
from ballast.model.training import TrainingInputs, fit


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
