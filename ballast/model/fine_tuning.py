"""Training with a backbone: first the head, then the top layers at a lower learning rate."""

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
    """Train a network that consists of a backbone and a new head.

    With `weights: null`, the whole network is trained at once. Otherwise the backbone is frozen:
    each image passes through it once, and the head is trained on the resulting features. Then the
    last `fine_tune_layers` layers of the backbone are fine-tuned together with the head, for
    `fine_tune_epochs` epochs at `fine_tune_rate` times the learning rate. If fine-tuning does not
    lower the best val_loss, it is undone.

    Args:
        backbone: result of load_backbone.
        inputs: images, class weights and strategy.
        params: training params.

    Returns:
        The network from pixels to probabilities, and the history as fit returns it, with the epochs
        of both phases one after the other.

    Raises:
        UserError: as fit does.
    """
    network, head = add_head(backbone, len(inputs.class_weights))
    # A copy that shares the layers but has no optimizer state, which Keras would save, too.
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
    """Compute the features of n images: float32, shape (n, d), in place of their pixels."""
    features = np.empty((len(images.labels), *backbone.output_shape[1:]), dtype=np.float32)
    order = list(ordered_batches(len(features), BATCH_SIZE))
    for indices, pixels in zip(order, pixel_batches(images, order), strict=True):
        features[indices] = backbone.predict_on_batch(pixels)
    return ImageSet(features, images.labels)
