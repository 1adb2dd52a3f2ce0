"""Training is reproducible, keeps its best epoch, and reports why it ended."""

import numpy as np
import pytest
from msgspec.structs import replace
from stripes import PLAIN, TRAIN, in_files, trained

from ballast.core.errors import UserError
from ballast.keras_setup import keras
from ballast.model.cnn import build_cnn
from ballast.model.inference import predict
from ballast.model.inputs import ImageSet
from ballast.model.resizing import accept_any_size
from ballast.model.training import TrainingInputs, fit, training_batches


def test_training_again_gives_the_same_weights_and_another_seed_others(stripes: ImageSet) -> None:
    weights = [trained(stripes, seed=seed).get_weights() for seed in (1, 1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not np.array_equal(weights[0][0], weights[2][0])


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
        history = fit(model, TrainingInputs(train, val, np.ones(3), strategy, 1), params)
        found.append((history, [weight.tobytes() for weight in model.get_weights()]))
    assert found[0] == found[1]


@pytest.mark.parametrize("of_val", [True, False])
def test_an_image_that_went_during_training_is_told(stripes: ImageSet, of_val: bool) -> None:
    def read(_: int) -> bytes:
        raise UserError("data/raw/one/000.png: changed since it was listed")

    gone = in_files(stripes)._replace(read=read)
    train, val = (stripes, gone) if of_val else (gone, stripes)
    with pytest.raises(UserError, match=r"000\.png: changed since it was listed"):
        fit(build_cnn(16, 3), TrainingInputs(train, val, np.ones(3), PLAIN, 1), TRAIN)


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


def test_an_epoch_has_as_many_steps_with_every_strategy(stripes: ImageSet) -> None:
    """So that patience means the same with and without balancing."""
    rare = np.concatenate([np.flatnonzero(stripes.labels != 0), [0, 1]])
    images = ImageSet(stripes.pixels[rare], stripes.labels[rare])
    plain, balanced = (
        training_batches(images, batch_size=8, balanced=balanced, seed=1).steps
        for balanced in (False, True)
    )
    assert plain == balanced == -(-60 // 8)


def test_history_has_a_value_an_epoch_and_the_best_epoch_is_kept(stripes: ImageSet) -> None:
    keras.utils.set_random_seed(3)
    model = build_cnn(16, 3)
    history = fit(model, TrainingInputs(stripes, stripes, np.ones(3), PLAIN, 3), TRAIN)
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert {len(values) for values in history.values()} == {TRAIN.epochs}
    likelihoods = predict(accept_any_size(model), stripes.pixels)[np.arange(60), stripes.labels]
    assert -np.log(likelihoods).mean() == pytest.approx(min(history["val_loss"]), rel=1e-3)


def test_training_stops_early_and_halves_the_learning_rate(stripes: ImageSet) -> None:
    # Labels without any pattern: val_loss cannot fall for long.
    noise = ImageSet(stripes.pixels, np.random.default_rng(1).permutation(stripes.labels))
    keras.utils.set_random_seed(1)
    params = replace(TRAIN, epochs=60, patience=6)
    history = fit(build_cnn(16, 3), TrainingInputs(stripes, noise, np.ones(3), PLAIN, 1), params)
    best = int(np.argmin(history["val_loss"]))
    assert len(history["loss"]) < 60
    assert len(history["loss"]) - best - 1 <= 7
    assert history["learning_rate"][-1] < history["learning_rate"][0]


def test_an_early_epoch_is_never_the_best(stripes: ImageSet) -> None:
    # Labels of val turned round: the longer it trains, the worse val_loss gets.
    wrong = ImageSet(stripes.pixels, (stripes.labels + 1) % 3)
    keras.utils.set_random_seed(1)
    params = replace(TRAIN, epochs=30, min_epochs=8, patience=3)
    history = fit(build_cnn(16, 3), TrainingInputs(stripes, wrong, np.ones(3), PLAIN, 1), params)
    assert 8 + 3 <= len(history["loss"]) < 30
    assert min(history["val_loss"][:7]) < min(history["val_loss"][7:])


def test_class_weights_reach_the_loss(stripes: ImageSet) -> None:
    losses = []
    for weights in (np.ones(3), np.full(3, 2.0)):
        keras.utils.set_random_seed(1)
        once = replace(TRAIN, epochs=1, batch_size=60)
        history = fit(build_cnn(16, 3), TrainingInputs(stripes, stripes, weights, PLAIN, 1), once)
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
    history = fit(model, TrainingInputs(stripes, val, np.ones(3), strategy, 1), once)
    loss = -np.log(predict(accept_any_size(model), val.pixels)[np.arange(len(few)), val.labels])
    by_class = [loss[val.labels == 0].mean(), loss[val.labels == 1].mean()]
    expected = np.mean(by_class) if balanced else loss.mean()
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-3)


def test_it_trains_without_val_images(stripes: ImageSet) -> None:
    nothing = ImageSet(stripes.pixels[:0], stripes.labels[:0])
    params = replace(TRAIN, epochs=2)
    history = fit(build_cnn(16, 3), TrainingInputs(stripes, nothing, np.ones(3), PLAIN, 1), params)
    assert set(history) == {"loss", "accuracy", "learning_rate"}


def test_a_loss_that_is_no_number_ends_the_training_and_is_told(stripes: ImageSet) -> None:
    weights = np.array([1.0, np.inf, 1.0])
    with pytest.raises(UserError, match=r"loss became NaN at epoch 1; lower train\.learning"):
        fit(build_cnn(16, 3), TrainingInputs(stripes, stripes, weights, PLAIN, 1), TRAIN)


@pytest.mark.parametrize("val_images", [1, 2])
@pytest.mark.parametrize("balanced_batches", [True, False])
def test_it_trains_with_a_val_set_that_lacks_classes(
    stripes: ImageSet, val_images: int, balanced_batches: bool
) -> None:
    val = ImageSet(stripes.pixels[:val_images], stripes.labels[:val_images])
    strategy = replace(PLAIN, balanced_batches=balanced_batches)
    params = replace(TRAIN, epochs=2)
    history = fit(build_cnn(16, 3), TrainingInputs(stripes, val, np.ones(3), strategy, 1), params)
    assert np.isfinite(history["val_loss"]).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_it_trains_on_images_that_are_all_alike(stripes: ImageSet, classes: int) -> None:
    labels = np.arange(60, dtype=np.int64) % classes
    alike = ImageSet(np.broadcast_to(stripes.pixels[:1], stripes.pixels.shape), labels)
    model = build_cnn(16, classes)
    params = replace(TRAIN, epochs=2)
    fit(model, TrainingInputs(alike, alike, np.ones(classes), PLAIN, 1), params)
    assert np.isfinite(predict(accept_any_size(model), alike.pixels)).all()


def test_it_trains_on_one_image_a_class(stripes: ImageSet) -> None:
    one = ImageSet(stripes.pixels[:3], stripes.labels[:3])
    params = replace(TRAIN, epochs=2)
    history = fit(build_cnn(16, 3), TrainingInputs(one, one, np.ones(3), PLAIN, 1), params)
    assert np.isfinite(history["loss"]).all()
