"""Training a network on balanced or plain batches."""

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
    """A dataset of (uint8 pixels, int64 labels, …), and the errors raised while reading it."""

    dataset: tf.data.Dataset
    steps: int  # batches per epoch
    errors: list[UserError]  # kept here, since TensorFlow passes on only an error's message


def training_batches(
    images: ImageSet | ImageFiles, batch_size: int, balanced: bool, seed: int
) -> Batches:
    """Make endless training batches.

    With any strategy, an epoch has as many steps as if every class were as large as the largest.
    Otherwise patience, counted in epochs, would grant a strategy that oversamples more steps.

    Args:
        images: all training images; those in files are decoded during training.
        batch_size: 1 or more; the last batch of a pass over the images may be smaller.
        balanced: whether classes alternate (see balanced_epoch); otherwise images are shuffled.
        seed: the seed in params, which alone determines the order.
    """
    order = balanced_epoch if balanced else shuffled_epoch
    counts = np.unique(images.labels, return_counts=True)[1]
    steps = math.ceil(len(counts) * int(counts.max()) / batch_size)

    def batches_of_indices() -> Iterator[NDArray[np.int64]]:
        for passed in count():
            indices = order(images.labels, seed, passed)
            for start in range(0, len(indices), batch_size):
                yield indices[start : start + batch_size]

    return _batches(images, batches_of_indices, steps)


def val_batches(images: ImageSet | ImageFiles, balanced: bool) -> Batches:
    """Make the validation batches: one epoch in order, with sample weights as a third tensor.

    Args:
        images: at least one image.
        balanced: whether all classes have the same total weight; otherwise all images have the
            same weight.
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
    """Training and validation images, and how classes are balanced."""

    train: ImageSet | ImageFiles
    val: ImageSet | ImageFiles  # may be empty
    class_weights: NDArray[np.float64]  # in the loss, shape (k,)
    strategy: Strategy  # balanced_batches, balanced_val and logit_adjustment are used
    seed: int  # the seed in params
    callbacks: Sequence[keras.callbacks.Callback] = ()  # additional ones, such as a progress bar


def fit(model: keras.Model, inputs: TrainingInputs, params: Train) -> dict[str, list[float]]:
    """Train a network in place and restore the weights of its best epoch.

    The best epoch has the lowest val_loss. With `balanced_val`, every class has the same weight in
    val_loss; otherwise the rare class hardly influences when training stops. The first
    `min_epochs` - 1 epochs are never the best, since the val_loss of a few images can dip by chance
    long before the network converges. Training stops `patience` epochs after the best.

    The learning rate is halved after patience / 3 epochs without a lower training loss, which is
    less noisy than val_loss. Without val images, the training loss is used instead of val_loss.

    Args:
        model: model from pixels to probabilities of shape (batch, k).
        inputs: images, class weights and strategy.
        params: epochs, batch size, learning rate and patience.

    Returns:
        loss, accuracy, learning_rate and, with val images, val_loss and val_accuracy, each with one
        value per epoch.

    Raises:
        UserError: if a loss becomes NaN, or an image file cannot be read.
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
        # One call per epoch: steps of this network are short, and a call takes a fifth of a step.
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
    """Make a dataset of the batches whose indices `order` yields.

    It uses a Python generator instead of Dataset.map over the indices. Parallel calls of Pillow's
    decoder in Dataset.map had 0.6 of the speed (docs/training-input.md), and images in memory would
    exist twice, as an array and as a tensor.
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
    # The autotuning thread sleeps for doubling intervals, and closing an iterator waits for it.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
