"""Logit adjustment: the loss of Menon et al. 2021 in training, plain probabilities after it."""

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.special import log_softmax

from ballast.balance.logit_adjustment import adjusted_for_training
from ballast.balance.priors import class_priors
from ballast.core.params import Strategy, Train
from ballast.keras_setup import keras
from ballast.model.cnn import build_cnn
from ballast.model.inference import predict
from ballast.model.inputs import ImageSet
from ballast.model.resizing import accept_any_size
from ballast.model.training import TrainingInputs, fit

LABELS = np.array([0] * 6 + [1] * 3 + [2], dtype=np.int64)
ADJUSTED = Strategy(
    oversample=False, class_weights=None, balanced_batches=False, logit_adjustment=1.0
)
ONCE = Train(epochs=1, min_epochs=1, batch_size=10, learning_rate=0.01, patience=1, threads=2)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """Ten 16 x 16 images of noise, of three classes."""
    pixels = np.random.default_rng(1).integers(0, 256, (10, 16, 16, 3), dtype=np.uint8)
    return ImageSet(pixels, LABELS)


def dense_model() -> keras.Model:
    """From logits to probabilities, without weights: dropout would blur what is compared."""
    logits = keras.Input((3,), name="logits")
    return keras.Model(logits, keras.layers.Softmax(name="probabilities")(logits))


def cross_entropy(model: keras.Model, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    probabilities = np.asarray(model(logits, training=True), dtype=np.float64)
    return np.asarray(-np.log(probabilities[np.arange(len(LABELS)), LABELS]))


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_the_loss_in_training_is_that_of_the_papers_equation_10(tau: float) -> None:
    logits = np.random.default_rng(1).normal(0, 3, (10, 3)).astype(np.float32)
    priors = np.array([0.6, 0.3, 0.1])
    found = cross_entropy(adjusted_for_training(dense_model(), priors, tau), logits)
    expected = -log_softmax(logits + tau * np.log(priors), axis=1)[np.arange(10), LABELS]
    assert found == pytest.approx(expected, rel=1e-4)


def test_probabilities_that_are_0_in_float32_have_a_finite_loss_and_gradient() -> None:
    logits = np.array([[0, 200, -200]] * 10, dtype=np.float32)
    model = adjusted_for_training(dense_model(), np.array([0.6, 0.3, 0.1]), 1.0)
    assert np.isfinite(np.asarray(model(logits, training=True))).all()


def test_at_inference_nothing_is_adjusted(images: ImageSet) -> None:
    model = build_cnn(16, 3)
    adjusted = adjusted_for_training(model, np.array([0.6, 0.3, 0.1]), 1.0)
    assert np.array_equal(
        predict(accept_any_size(adjusted), images.pixels),
        predict(accept_any_size(model), images.pixels),
    )


def test_training_shows_the_adjusted_loss_and_validation_the_plain_one(images: ImageSet) -> None:
    def losses(tau: float) -> tuple[float, float]:
        keras.utils.set_random_seed(1)
        strategy = replace(ADJUSTED, logit_adjustment=tau, balanced_val=False)
        model = build_cnn(16, 3)
        history = fit(model, TrainingInputs(images, images, np.ones(3), strategy, 1), ONCE)
        likelihoods = predict(accept_any_size(model), images.pixels)[np.arange(10), LABELS]
        assert history["val_loss"][0] == pytest.approx(-np.log(likelihoods).mean(), rel=1e-3)
        return history["loss"][0], history["val_loss"][0]

    assert losses(0.0)[0] != pytest.approx(losses(1.0)[0], rel=1e-3)


@pytest.mark.parametrize(
    ("labels", "weights", "balanced"),
    [
        (np.arange(9, dtype=np.int64) % 3, [1, 1, 1], False),  # oversampled
        (LABELS, [1, 1, 1], True),
        (LABELS, [10 / 18, 10 / 9, 10 / 3], False),  # balanced weights
    ],
)
def test_what_is_balanced_already_is_not_corrected_twice(
    labels: NDArray[np.int64], weights: list[float], balanced: bool
) -> None:
    priors = class_priors(labels, np.array(weights), balanced=balanced)
    assert priors == pytest.approx([1 / 3] * 3)
    logits = np.random.default_rng(1).normal(0, 3, (10, 3)).astype(np.float32)
    found = cross_entropy(adjusted_for_training(dense_model(), priors, 1.0), logits)
    assert found == pytest.approx(cross_entropy(dense_model(), logits), rel=1e-4)


def test_it_leaves_the_network_that_it_was_given_trained(images: ImageSet) -> None:
    keras.utils.set_random_seed(1)
    model = build_cnn(16, 3)
    before = model.get_weights()
    fit(model, TrainingInputs(images, images, np.ones(3), ADJUSTED, 1), ONCE)
    assert not np.array_equal(model.get_weights()[0], before[0])
    assert "logit_adjustment" not in {layer.name for layer in model.layers}
