"""Training on a backbone: the head on its features first, then its top layers at a lower rate."""

import numpy as np
from msgspec.structs import replace

from ballast.core.params import Train
from ballast.keras_setup import keras
from ballast.model.backbones import add_head, unfreeze_top
from ballast.model.inference import BATCH_SIZE
from ballast.model.inputs import ImageFiles, ImageSet, ordered_batches, pixel_batches
from ballast.model.training import TrainingInputs, fit
from ballast.scores.history import best_loss


def fit_backbone(
    backbone: keras.Model, inputs: TrainingInputs, params: Train
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train a network on a backbone.

    With `weights: null` all of it is trained at once. Otherwise the backbone is frozen, and every
    image goes through it once, for its features; the head is trained on those. Then, for
    `fine_tune_epochs`, the last `fine_tune_layers` layers of the backbone are trained with the
    head, at `fine_tune_rate` of the learning rate. Where that makes the best val_loss no better,
    it is undone.

    Args:
        backbone: as load_backbone returns it.
        inputs: images, class weights and strategy.
        params: of the training.

    Returns:
        The network from pixels to probabilities, and what fit returns, of one phase after the
        other.

    Raises:
        UserError: as fit does.
    """
    network, head = add_head(backbone, len(inputs.class_weights))
    # Of the same layers, but without the optimizer's state, which Keras would save with them.
    trained = keras.Model(network.input, network.output, name=network.name)
    if not params.is_pretrained:
        history = fit(network, inputs, params)
        return trained, history
    backbone.trainable = False
    features = inputs._replace(
        train=_features(backbone, inputs.train), val=_features(backbone, inputs.val)
    )
    history = fit(head, features, params)
    if not params.fine_tune_epochs:
        return trained, history
    before = network.get_weights()
    unfreeze_top(backbone, params.fine_tune_layers)
    lower = replace(
        params,
        epochs=params.fine_tune_epochs,
        min_epochs=1,
        learning_rate=params.learning_rate * params.fine_tune_rate,
    )
    tuned = fit(network, inputs, lower)
    if best_loss(tuned, lower.min_epochs) >= best_loss(history, params.min_epochs):
        network.set_weights(before)
    return trained, {name: values + tuned[name] for name, values in history.items()}


def _features(backbone: keras.Model, images: ImageSet | ImageFiles) -> ImageSet:
    """The features of n images in place of their pixels: float32, shape (n, d)."""
    features = np.empty((len(images.labels), *backbone.output_shape[1:]), dtype=np.float32)
    order = list(ordered_batches(len(features), BATCH_SIZE))
    for indices, pixels in zip(order, pixel_batches(images, order), strict=True):
        features[indices] = backbone.predict_on_batch(pixels)
    return ImageSet(features, images.labels)
