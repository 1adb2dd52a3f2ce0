"""The network and its file: small, callable on uint8 images, the same bytes for the same model."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from ballast.core.errors import UserError
from ballast.core.params import Strategy, Train
from ballast.keras_setup import keras
from ballast.model.cnn import accept_any_size, build_cnn
from ballast.model.inference import predict
from ballast.model.inputs import ImageFiles, ImageSet
from ballast.model.saved import ModelInfo, input_size, load_model, model_bytes, read_info
from ballast.model.training import fit, training_batches

INFO = ModelInfo(["across", "down", "plain \N{SNAKE}"], max_megapixels=30, threads=2)
PLAIN = Strategy(oversample=False, class_weights="none", balanced_batches=False)
TRAIN = Train(epochs=12, min_epochs=1, batch_size=9, learning_rate=0.01, patience=12, threads=2)


@pytest.fixture(scope="module")
def stripes() -> ImageSet:
    """Sixty 16 x 16 images: stripes across (0), stripes down (1), plain (2); any colour."""
    generator = np.random.default_rng(1)
    pixels = np.empty((60, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(60, dtype=np.int64) % 3
    wave = np.where(np.arange(16) % 4 < 2, 1.0, 0.2)
    for image, label in zip(pixels, labels, strict=True):
        colour = generator.uniform(100, 255, 3)
        pattern = [wave[:, None], wave[None, :], np.full((1, 1), 0.6)][label]
        image[:] = np.broadcast_to(pattern, (16, 16))[:, :, None] * colour
    return ImageSet(pixels, labels)


def trained(images: ImageSet, *, seed: int = 1) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = build_cnn(16, 3)
    fit(model, images, images, np.ones(3), PLAIN, seed, TRAIN)
    return model


@pytest.fixture(scope="module")
def model(stripes: ImageSet) -> keras.Model:
    return accept_any_size(trained(stripes))


def test_it_is_small() -> None:
    assert build_cnn(64, 3).count_params() < 50_000


def test_it_learns_in_few_steps_and_infers_as_it_trained(
    model: keras.Model, stripes: ImageSet
) -> None:
    right = predict(model, stripes.pixels).argmax(axis=1) == stripes.labels
    assert right.mean() > 0.9


def test_a_saved_model_loads_in_safe_mode_and_takes_uint8_images_of_any_size(
    model: keras.Model, stripes: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "model.keras").write_bytes(model_bytes(model, INFO))
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert input_size(loaded) == 16
    assert read_info(tmp_path / "model.keras") == INFO
    expected = predict(model, stripes.pixels)
    assert np.array_equal(predict(load_model(tmp_path / "model.keras"), stripes.pixels), expected)
    larger = stripes.pixels.repeat(3, axis=1).repeat(3, axis=2)[:3, :, :40]
    assert np.asarray(loaded(larger)).shape == (3, 3)
    assert expected.sum(axis=1) == pytest.approx(np.ones(60))


def test_a_plain_call_predicts_and_changes_nothing(
    model: keras.Model, stripes: ImageSet, tmp_path: Path
) -> None:
    before = model_bytes(model, INFO)
    (tmp_path / "model.keras").write_bytes(before)
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    expected = predict(model, stripes.pixels)
    for _ in range(2):
        assert np.asarray(loaded(stripes.pixels)) == pytest.approx(expected, abs=1e-5)
    assert model_bytes(loaded, INFO) == before


def test_the_same_model_is_the_same_file_whenever_it_is_saved(model: keras.Model) -> None:
    first = model_bytes(model, INFO)
    time.sleep(2.1)  # a zip's clock ticks every two seconds
    assert model_bytes(model, INFO) == first


def test_a_model_that_was_loaded_saves_to_the_same_file(model: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(model_bytes(model, INFO))
    assert model_bytes(load_model(tmp_path / "model.keras"), INFO) == model_bytes(model, INFO)


def test_training_again_gives_the_same_weights_and_another_seed_others(stripes: ImageSet) -> None:
    weights = [trained(stripes, seed=seed).get_weights() for seed in (1, 1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not np.array_equal(weights[0][0], weights[2][0])


def in_files(images: ImageSet) -> ImageFiles:
    files = []
    for pixels in images.pixels:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        files.append(file.getvalue())
    return ImageFiles(files.__getitem__, images.labels, size=16, workers=2)


def test_images_left_in_files_give_the_weights_and_the_history_of_those_in_memory(
    stripes: ImageSet,
) -> None:
    strategy = replace(PLAIN, balanced_batches=True)
    params = replace(TRAIN, epochs=2)
    few = ImageSet(stripes.pixels[:50], stripes.labels[:50])
    found = []
    for train, val in ((stripes, few), (in_files(stripes), in_files(few))):
        keras.utils.set_random_seed(1)
        model = build_cnn(16, 3)
        history = fit(model, train, val, np.ones(3), strategy, 1, params)
        found.append((history, [weight.tobytes() for weight in model.get_weights()]))
    assert found[0] == found[1]


def test_predictions_of_images_in_files_are_those_of_images_in_memory(
    model: keras.Model, stripes: ImageSet
) -> None:
    twice = ImageSet(stripes.pixels.repeat(2, axis=0), stripes.labels.repeat(2))
    assert np.array_equal(predict(model, in_files(twice)), predict(model, twice.pixels))


@pytest.mark.parametrize("of_val", [True, False])
def test_an_image_that_went_during_training_is_told(stripes: ImageSet, of_val: bool) -> None:
    def read(_: int) -> bytes:
        raise UserError("data/raw/one/000.png: changed since it was listed")

    gone = in_files(stripes)._replace(read=read)
    train, val = (stripes, gone) if of_val else (gone, stripes)
    with pytest.raises(UserError, match=r"000\.png: changed since it was listed"):
        fit(build_cnn(16, 3), train, val, np.ones(3), PLAIN, 1, TRAIN)


def test_batches_come_from_tf_data_balanced_epoch_after_epoch(stripes: ImageSet) -> None:
    few = np.r_[np.flatnonzero(stripes.labels == 0), [1, 4, 2]]
    rare = ImageSet(stripes.pixels[few], stripes.labels[few])
    dataset, steps, _ = training_batches(rare, batch_size=7, balanced=True, seed=1)
    batches = [labels.numpy() for _, labels in dataset.take(2 * steps)]
    assert steps == -(-60 // 7)
    for epoch in (batches[:steps], batches[steps:]):
        assert np.bincount(np.concatenate(epoch)).tolist() == [20, 20, 20]
        for labels in epoch:
            counts = np.bincount(labels, minlength=3)
            assert counts.max() - counts.min() <= 1


def test_a_batch_holds_the_pixels_of_its_labels(stripes: ImageSet) -> None:
    dataset, steps, _ = training_batches(stripes, batch_size=8, balanced=False, seed=1)
    label_of = {image.tobytes(): label for image, label in zip(*stripes, strict=True)}
    shown = 0
    for pixels, labels in dataset.take(steps):
        for image, label in zip(pixels.numpy(), labels.numpy(), strict=True):
            assert label_of[image.tobytes()] == label
            shown += 1
    assert shown == 60


def test_history_has_a_value_an_epoch_and_the_best_epoch_is_kept(stripes: ImageSet) -> None:
    keras.utils.set_random_seed(3)
    model = build_cnn(16, 3)
    history = fit(model, stripes, stripes, np.ones(3), PLAIN, 3, TRAIN)
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert {len(values) for values in history.values()} == {TRAIN.epochs}
    likelihoods = predict(model, stripes.pixels)[np.arange(60), stripes.labels]
    assert -np.log(likelihoods).mean() == pytest.approx(min(history["val_loss"]), rel=1e-3)


def test_training_stops_early_and_halves_the_learning_rate(stripes: ImageSet) -> None:
    # Labels without any pattern: val_loss cannot fall for long.
    noise = ImageSet(stripes.pixels, np.random.default_rng(1).permutation(stripes.labels))
    keras.utils.set_random_seed(1)
    params = replace(TRAIN, epochs=60, patience=6)
    history = fit(build_cnn(16, 3), stripes, noise, np.ones(3), PLAIN, 1, params)
    best = int(np.argmin(history["val_loss"]))
    assert len(history["loss"]) < 60
    assert len(history["loss"]) - best - 1 <= 7
    assert history["learning_rate"][-1] < history["learning_rate"][0]


def test_an_early_epoch_is_never_the_best(stripes: ImageSet) -> None:
    # Labels of val turned round: the longer it trains, the worse val_loss gets.
    wrong = ImageSet(stripes.pixels, (stripes.labels + 1) % 3)
    keras.utils.set_random_seed(1)
    params = replace(TRAIN, epochs=30, min_epochs=8, patience=3)
    history = fit(build_cnn(16, 3), stripes, wrong, np.ones(3), PLAIN, 1, params)
    assert 8 + 3 <= len(history["loss"]) < 30
    assert min(history["val_loss"][:7]) < min(history["val_loss"][7:])


def test_class_weights_reach_the_loss(stripes: ImageSet) -> None:
    losses = []
    for weights in (np.ones(3), np.full(3, 2.0)):
        keras.utils.set_random_seed(1)
        once = replace(TRAIN, epochs=1, batch_size=60)
        history = fit(build_cnn(16, 3), stripes, stripes, weights, PLAIN, 1, once)
        losses.append(history["loss"][0])
    assert losses[1] == pytest.approx(2 * losses[0], rel=1e-4)


@pytest.mark.parametrize("balanced", [True, False])
def test_val_counts_every_class_alike_or_every_image(stripes: ImageSet, balanced: bool) -> None:
    few = np.r_[np.flatnonzero(stripes.labels == 0), [1]]
    val = ImageSet(stripes.pixels[few], stripes.labels[few])
    keras.utils.set_random_seed(1)
    model = build_cnn(16, 3)
    once = replace(TRAIN, epochs=1)
    strategy = replace(PLAIN, balanced_val=balanced)
    history = fit(model, stripes, val, np.ones(3), strategy, 1, once)
    loss = -np.log(predict(model, val.pixels)[np.arange(len(few)), val.labels])
    by_class = [loss[val.labels == 0].mean(), loss[val.labels == 1].mean()]
    expected = np.mean(by_class) if balanced else loss.mean()
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-3)


def test_it_trains_without_val_images(stripes: ImageSet) -> None:
    nothing = ImageSet(stripes.pixels[:0], stripes.labels[:0])
    params = replace(TRAIN, epochs=2)
    history = fit(build_cnn(16, 3), stripes, nothing, np.ones(3), PLAIN, 1, params)
    assert set(history) == {"loss", "accuracy", "learning_rate"}


def test_a_loss_that_is_no_number_ends_the_training_and_is_told(stripes: ImageSet) -> None:
    weights = np.array([1.0, np.inf, 1.0])
    with pytest.raises(
        UserError, match=r"loss is no number from epoch 1 on; lower train\.learning"
    ):
        fit(build_cnn(16, 3), stripes, stripes, weights, PLAIN, 1, TRAIN)


@pytest.mark.parametrize("val_images", [1, 2])
@pytest.mark.parametrize("balanced_batches", [True, False])
def test_it_trains_with_a_val_set_that_lacks_classes(
    stripes: ImageSet, val_images: int, balanced_batches: bool
) -> None:
    val = ImageSet(stripes.pixels[:val_images], stripes.labels[:val_images])
    strategy = replace(PLAIN, balanced_batches=balanced_batches)
    params = replace(TRAIN, epochs=2)
    history = fit(build_cnn(16, 3), stripes, val, np.ones(3), strategy, 1, params)
    assert np.isfinite(history["val_loss"]).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_it_trains_on_images_that_are_all_alike(stripes: ImageSet, classes: int) -> None:
    labels = np.arange(60, dtype=np.int64) % classes
    alike = ImageSet(np.broadcast_to(stripes.pixels[:1], stripes.pixels.shape), labels)
    model = build_cnn(16, classes)
    params = replace(TRAIN, epochs=2)
    fit(model, alike, alike, np.ones(classes), PLAIN, 1, params)
    assert np.isfinite(predict(model, alike.pixels)).all()


def test_it_trains_on_one_image_a_class(stripes: ImageSet) -> None:
    one = ImageSet(stripes.pixels[:3], stripes.labels[:3])
    params = replace(TRAIN, epochs=2)
    history = fit(build_cnn(16, 3), one, one, np.ones(3), PLAIN, 1, params)
    assert np.isfinite(history["loss"]).all()


def test_what_was_trained_in_mixed_precision_is_a_file_of_float32(
    model: keras.Model, stripes: ImageSet, tmp_path: Path
) -> None:
    keras.config.set_dtype_policy("mixed_float16")  # as prepare_training does where there is a GPU
    try:
        network = accept_any_size(build_cnn(16, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.layers[-1].get_layer("stem_convolution").compute_dtype == "float16"
    network.set_weights(model.get_weights())
    (tmp_path / "model.keras").write_bytes(model_bytes(network, INFO))
    loaded = load_model(tmp_path / "model.keras")
    assert {layer.compute_dtype for layer in loaded.layers[-1].layers} == {"float32"}
    assert np.array_equal(predict(loaded, stripes.pixels), predict(model, stripes.pixels))
