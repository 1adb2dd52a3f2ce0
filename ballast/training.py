"""Fitting a network to balanced or plain batches."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ballast.backend import keras, tf
from ballast.epochs import balanced_epoch, shuffled_epoch
from ballast.errors import UserError
from ballast.image_sets import ImageSet
from ballast.inference import BATCH_SIZE
from ballast.logit_adjustment import adjusted_for_training, class_priors
from ballast.params import Strategy, Train


def training_batches(
    images: ImageSet, batch_size: int, balanced: bool, seed: int
) -> tuple[tf.data.Dataset, int]:
    """Endless batches, epoch after epoch.

    Args:
        images: all training images.
        batch_size: 1 or more; the last batch of an epoch may be smaller.
        balanced: classes in turn (see balanced_epoch), else shuffled.
        seed: params' seed; it alone decides the order.

    Returns:
        Dataset of (uint8 pixels, int64 labels), and the number of batches in an epoch.
    """
    order = balanced_epoch if balanced else shuffled_epoch
    steps = math.ceil(len(order(images.labels, seed, 0)) / batch_size)

    def batches_of_indices() -> Iterator[NDArray[np.int64]]:
        epoch = 0
        while True:
            indices = order(images.labels, seed, epoch)
            for start in range(0, len(indices), batch_size):
                yield indices[start : start + batch_size]
            epoch += 1

    pixels, labels = tf.constant(images.pixels), tf.constant(images.labels)
    indices = tf.data.Dataset.from_generator(
        batches_of_indices, output_signature=tf.TensorSpec((None,), tf.int64)
    )
    batches = indices.map(lambda chosen: (tf.gather(pixels, chosen), tf.gather(labels, chosen)))
    return _without_autotuning(batches.prefetch(2)), steps


def fit(
    model: keras.Model,
    train: ImageSet,
    val: ImageSet,
    weights: NDArray[np.float64],
    strategy: Strategy,
    seed: int,
    params: Train,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, list[float]]:
    """Train a network in place and leave it with the weights of its best epoch.

    The best epoch is that of the lowest val_loss. With `balanced_val` every class counts alike in
    it, whatever its share of val: else the rare class has no say in when to stop. The first
    `min_epochs` - 1 are never the best, since a val_loss of a few images dips by luck long before
    the network has settled. Training stops `patience` epochs after the best.
    The learning rate is halved after patience / 3 epochs without a better training loss, which is
    the steadier one. Without val images the training loss stands in for val_loss.

    Args:
        model: from pixels to probabilities of shape (batch, k).
        train: training images.
        val: validation images; may be none.
        weights: class weights in the loss, shape (k,).
        strategy: of it, balanced_batches, balanced_val and logit_adjustment.
        seed: params' seed.
        params: epochs, batch size, learning rate and patience.
        callbacks: more of them, to show progress say.

    Returns:
        loss, accuracy, val_loss and val_accuracy (with val images) and learning_rate, each with
        one value an epoch.

    Raises:
        UserError: where a loss is no number any more.
    """
    batches, steps = training_batches(train, params.batch_size, strategy.balanced_batches, seed)
    monitor = "val_loss" if len(val.labels) else "loss"
    schedule = [
        keras.callbacks.ReduceLROnPlateau(
            monitor="loss", factor=0.5, patience=max(1, params.patience // 3)
        ),
        keras.callbacks.EarlyStopping(
            monitor=monitor,
            patience=params.patience,
            start_from_epoch=min(params.min_epochs, params.epochs) - 1,
            restore_best_weights=True,
        ),
        keras.callbacks.TerminateOnNaN(),
    ]
    if strategy.logit_adjustment:
        priors = class_priors(train.labels, weights, balanced=strategy.balanced_batches)
        model = adjusted_for_training(model, priors, strategy.logit_adjustment)
    model.compile(
        optimizer=keras.optimizers.Adam(params.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # An epoch in one call: a step of this network is short, and each call costs a fifth of it.
        steps_per_execution=steps,
    )
    history = model.fit(
        batches,
        epochs=params.epochs,
        steps_per_epoch=steps,
        validation_data=_val_batches(val, strategy.balanced_val) if len(val.labels) else None,
        class_weight=dict(enumerate(weights.tolist())),
        callbacks=[*schedule, *callbacks],
        verbose=0,
    )
    for name in ("loss", "val_loss"):
        values = np.array(history.history.get(name, []))
        if not np.isfinite(values).all():
            raise UserError(
                f"training: {name} is no number from epoch {np.isfinite(values).argmin() + 1} on;"
                " lower train.learning_rate in params.yaml"
            )
    return {name: [float(v) for v in values] for name, values in history.history.items()}


def _val_batches(val: ImageSet, balanced: bool) -> tf.data.Dataset:
    counts = np.bincount(val.labels)
    alike = len(val.labels) / (np.count_nonzero(counts) * counts[val.labels])
    weights = alike if balanced else np.ones_like(alike)
    examples = (val.pixels, val.labels, weights.astype(np.float32))
    return _without_autotuning(tf.data.Dataset.from_tensor_slices(examples).batch(BATCH_SIZE))


def _without_autotuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    # Its thread sleeps in doubling steps, and the end of an iterator waits for it to wake.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
