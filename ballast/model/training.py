"""Fitting a network to balanced or plain batches."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count, tee
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.balance.batches import balanced_epoch, shuffled_epoch
from ballast.balance.logit_adjustment import adjusted_for_training
from ballast.balance.priors import class_priors
from ballast.core.errors import UserError
from ballast.core.params import Strategy, Train
from ballast.keras_setup import keras, tf
from ballast.model.inference import BATCH_SIZE
from ballast.model.inputs import ImageFiles, ImageSet, batch_shape, ordered_batches, pixel_batches


class Batches(NamedTuple):
    """A data set of (uint8 pixels, int64 labels, …), and what it met while it was read."""

    dataset: tf.data.Dataset
    steps: int  # batches in an epoch
    errors: list[UserError]  # TensorFlow passes on the words of an error, but not the error


def training_batches(
    images: ImageSet | ImageFiles, batch_size: int, balanced: bool, seed: int
) -> Batches:
    """Endless batches, epoch after epoch.

    Args:
        images: all training images; those in files are decoded while the network trains.
        batch_size: 1 or more; the last batch of an epoch may be smaller.
        balanced: classes in turn (see balanced_epoch), else shuffled.
        seed: params' seed; it alone decides the order.
    """
    order = balanced_epoch if balanced else shuffled_epoch
    steps = math.ceil(len(order(images.labels, seed, 0)) / batch_size)

    def batches_of_indices() -> Iterator[NDArray[np.int64]]:
        for epoch in count():
            indices = order(images.labels, seed, epoch)
            for start in range(0, len(indices), batch_size):
                yield indices[start : start + batch_size]

    return _batches(images, batches_of_indices, steps)


def val_batches(images: ImageSet | ImageFiles, balanced: bool) -> Batches:
    """One epoch in order, with the weight of each image as a third tensor.

    Args:
        images: one or more.
        balanced: every class has the same weight in all, else every image.
    """
    counts = np.bincount(images.labels)
    alike = len(images.labels) / (np.count_nonzero(counts) * counts[images.labels])
    weights = (alike if balanced else np.ones_like(alike)).astype(np.float32)
    steps = math.ceil(len(images.labels) / BATCH_SIZE)
    order = partial(ordered_batches, len(images.labels), BATCH_SIZE)
    batches = _batches(images, order, steps, weights)
    finite = tf.data.experimental.assert_cardinality(steps)
    return batches._replace(dataset=batches.dataset.apply(finite))


class TrainingInputs(NamedTuple):
    """What a network is trained on, and how its classes are balanced."""

    train: ImageSet | ImageFiles
    val: ImageSet | ImageFiles  # may be empty
    class_weights: NDArray[np.float64]  # in the loss, shape (k,)
    strategy: Strategy  # of it, balanced_batches, balanced_val and logit_adjustment
    seed: int  # params' seed
    callbacks: Sequence[keras.callbacks.Callback] = ()  # additional ones, such as a progress bar


def fit(model: keras.Model, inputs: TrainingInputs, params: Train) -> dict[str, list[float]]:
    """Train a network in place and leave it with the weights of its best epoch.

    The best epoch is that of the lowest val_loss. With `balanced_val` every class counts alike in
    it, whatever its share of val: else the rare class has no say in when to stop. The first
    `min_epochs` - 1 are never the best, since a val_loss of a few images dips by luck long before
    the network has settled. Training stops `patience` epochs after the best.
    The learning rate is halved after patience / 3 epochs without a better training loss, which is
    the steadier one. Without val images the training loss stands in for val_loss.

    Args:
        model: from pixels to probabilities of shape (batch, k).
        inputs: images, class weights and strategy.
        params: epochs, batch size, learning rate and patience.

    Returns:
        loss, accuracy, val_loss and val_accuracy (with val images) and learning_rate, each with
        one value an epoch.

    Raises:
        UserError: where a loss becomes NaN, or an image's file cannot be read.
    """
    train, val, weights, strategy, seed, callbacks = inputs
    batches = training_batches(train, params.batch_size, strategy.balanced_batches, seed)
    val_set = val_batches(val, strategy.balanced_val) if len(val.labels) else None
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
        steps_per_execution=batches.steps,
    )
    try:
        history = model.fit(
            batches.dataset,
            epochs=params.epochs,
            steps_per_epoch=batches.steps,
            validation_data=val_set.dataset if val_set else None,
            class_weight=dict(enumerate(weights.tolist())),
            callbacks=[*schedule, *callbacks],
            verbose=0,
        )
    except tf.errors.OpError:
        for error in [*batches.errors, *(val_set.errors if val_set else [])]:
            raise error from None
        raise
    for name in ("loss", "val_loss"):
        values = np.array(history.history.get(name, []))
        if not np.isfinite(values).all():
            raise UserError(
                f"training: {name} became NaN at epoch {np.isfinite(values).argmin() + 1};"
                " lower train.learning_rate in params.yaml"
            )
    return {name: [float(v) for v in values] for name, values in history.history.items()}


def _batches(
    images: ImageSet | ImageFiles,
    order: Callable[[], Iterator[NDArray[np.int64]]],
    steps: int,
    *columns: NDArray[np.float32],
) -> Batches:
    """Make a data set of the batches whose indices `order` gives.

    A Python generator, not Dataset.map over the indices: with Pillow's decoder in parallel calls
    that had 0.6 of the speed (docs/training-input.md); and the images in memory would be there
    twice, as an array and as a tensor.
    """
    errors: list[UserError] = []
    all_columns: list[NDArray[Any]] = [images.labels, *columns]

    def generate() -> Iterator[tuple[NDArray[Any], ...]]:
        indices, again = tee(order())
        try:
            for chosen, pixels in zip(indices, pixel_batches(images, again), strict=True):
                yield (pixels, *(column[chosen] for column in all_columns))
        except UserError as error:
            errors.append(error)
            raise

    dtype = images.pixels.dtype if isinstance(images, ImageSet) else np.uint8
    signature = (
        tf.TensorSpec(batch_shape(images), tf.as_dtype(dtype)),
        *(tf.TensorSpec((None,), tf.as_dtype(column.dtype)) for column in all_columns),
    )
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return Batches(_without_autotuning(dataset.prefetch(2)), steps, errors)


def _without_autotuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    # Its thread sleeps in doubling steps, and the end of an iterator waits for it to wake.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
