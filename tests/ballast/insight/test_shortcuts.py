"""Shortcuts: a place that decides a class is named, and honest photographs are not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ballast.core.images import image_array
from ballast.insight.shortcuts import (
    LEAST,
    PAIRS,
    LogitsOf,
    in_turn,
    places,
    shortcuts,
    spread,
)
from ballast.keras_setup import keras
from ballast.model.efficientnet_lite0 import read_network
from ballast.model.efficientnet_lite0_keras import build_features
from ballast.model.head_fitting import fit_head
from ballast.model.logits import Floats, linear_logits
from ballast.model.weight_files import EXACT_WEIGHTS
from ballast.scores.explanations import Shortcut

ROOT = Path(__file__).parents[3]
SIZE = 20
Pixels = NDArray[np.uint8]


def looking_at(mask: NDArray[np.bool_]) -> LogitsOf:
    """A model that sees the mean red of a place as class 0, green as 1 and blue as 2."""
    return lambda pixels: pixels[:, mask].astype(np.float64).mean(axis=1) / 10


def noise(labels: NDArray[np.int64]) -> Pixels:
    random = np.random.default_rng(1)
    pixels = random.integers(0, 100, (len(labels), SIZE, SIZE, 3), dtype=np.uint8)
    pixels[np.arange(len(labels)), :, :, labels] += 100  # the class is everywhere
    return pixels


def found(model: LogitsOf, pixels: Pixels, labels: NDArray[np.int64]) -> list[Shortcut]:
    classes = [f"class {c}" for c in range(3)]
    return shortcuts(model(pixels), labels, classes, pixels.__getitem__, model)


LABELS = np.arange(30) % 3


@pytest.mark.parametrize("place", places(SIZE))
def test_the_place_that_a_model_looks_at_is_named(place: str) -> None:
    names = {one.place for one in found(looking_at(places(SIZE)[place]), noise(LABELS), LABELS)}
    assert names == {place}


def test_all_evidence_and_all_photographs_come_along() -> None:
    (first, *_) = found(looking_at(places(SIZE)["top left"]), noise(LABELS), LABELS)
    assert first == Shortcut("class 0", "top left", 1.0, PAIRS, PAIRS)


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(np.ones((SIZE, SIZE), dtype=bool), id="everywhere"),
        pytest.param(np.pad(np.ones((10, 10), dtype=bool), 5), id="in the middle"),
    ],
)
def test_a_model_that_looks_elsewhere_has_no_shortcut(mask: NDArray[np.bool_]) -> None:
    assert not found(looking_at(mask), noise(LABELS), LABELS)


def test_of_two_classes_the_one_with_the_mark_is_named() -> None:
    # Class 0 has a red corner; class 1 has nothing but its absence.
    labels = np.arange(20) % 2
    pixels = np.random.default_rng(1).integers(0, 100, (20, SIZE, SIZE, 3), dtype=np.uint8)
    pixels[labels == 0, :5, :5] = (250, 0, 0)
    corner = np.zeros((SIZE, SIZE), dtype=bool)
    corner[:5, :5] = True

    def model(those: Pixels) -> Floats:
        red = those[:, corner, 0].astype(np.float64).max(axis=1)
        return np.stack([red / 10 - 15, 0 * red], axis=1)

    named = shortcuts(model(pixels), labels, ["mark", "none"], pixels.__getitem__, model)
    assert [(one.class_, one.place) for one in named] == [("mark", "top left")]


def test_nothing_is_said_of_wrong_answers_few_photographs_or_a_model_that_knows_nothing() -> None:
    model, pixels = looking_at(places(SIZE)["top left"]), noise(LABELS)
    assert not found(model, pixels, (LABELS + 1) % 3)
    few = np.flatnonzero((LABELS != 0) | (np.arange(30) < 3 * (LEAST - 1)))
    assert "class 0" not in {one.class_ for one in found(model, pixels[few], LABELS[few])}
    assert not found(lambda those: model(those) / 1000, pixels, LABELS)


def test_the_same_photographs_are_pasted_for_every_model_and_wrong_answers_do_not_count() -> None:
    corner, pixels = looking_at(places(SIZE)["top left"]), noise(LABELS)
    images: list[bytes] = []

    def noting(model: LogitsOf) -> LogitsOf:
        def logits_of(those: Pixels) -> Floats:
            images.append(those.tobytes())
            return model(those)

        return logits_of

    def wrong_for_one(those: Pixels) -> Floats:
        logits = corner(those).copy()
        if len(those) == len(LABELS):  # the photographs themselves, not pasted ones
            logits[0] = (-9, 9, 0)
        return logits

    (first, *_) = found(noting(corner), pixels, LABELS)
    seen, images[:] = images[1:], []
    (second, *_) = found(noting(wrong_for_one), pixels, LABELS)
    assert images[1:] == seen
    assert (first.pasted, first.turned) == (PAIRS, PAIRS)
    assert second.pasted < PAIRS
    assert second.turned == second.pasted


@given(st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_every_class_gives_as_many_photographs_to_paste_into(sizes: Sequence[int]) -> None:
    starts = np.cumsum([0, *sizes])
    classes = [np.arange(size) + start for size, start in zip(sizes, starts, strict=False)]
    chosen = in_turn(classes)
    assert len(chosen) == PAIRS
    counts = [int(np.isin(chosen, one).sum()) for one in classes]
    assert max(counts) - min(counts) <= 1
    for one in classes:
        assert len({*spread(one).tolist()}) == min(len(one), PAIRS)


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    return build_features(read_network(EXACT_WEIGHTS), 96)


def judged(backbone: keras.Model, pixels: Pixels, labels: NDArray[np.int64]) -> list[Shortcut]:
    """What is said of a head that is fitted to photographs."""

    def features(those: Pixels) -> Floats:
        return np.asarray(backbone.predict_on_batch(those), np.float64)

    k = int(labels.max()) + 1
    seen, weights = features(pixels), 1 / np.bincount(labels)[labels]
    head = fit_head(seen, labels, np.arange(len(labels)), weights, np.zeros(k), balanced=True)

    def logits_of(those: Pixels) -> Floats:
        return linear_logits(features(those), head.weights, head.bias)

    classes = [f"class {c}" for c in range(k)]
    return shortcuts(logits_of(pixels), labels, classes, pixels.__getitem__, logits_of)


def sample(*classes: str) -> tuple[Pixels, NDArray[np.int64]]:
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((ROOT / "data/sample/train" / name).glob("*.jpg"))
    ]
    pixels = np.stack([image_array(path.read_bytes(), 96) for path, _ in files])
    return pixels, np.array([label for _, label in files])


def test_the_sample_has_no_shortcut(backbone: keras.Model) -> None:
    assert not judged(backbone, *sample("dog", "human", "snake"))


def test_a_frame_around_half_of_the_snakes_is_found(backbone: keras.Model) -> None:
    pixels, _ = sample("snake")
    framed = np.arange(len(pixels)) % 2
    assert not judged(backbone, pixels, framed)
    border = places(96)["border"] & ~np.pad(np.ones((86, 86), dtype=bool), 5)
    pixels[framed == 1] = np.where(
        border[:, :, None], np.array([240, 220, 30], np.uint8), pixels[framed == 1]
    )
    (said,) = judged(backbone, pixels, framed)
    assert (said.class_, said.place) == ("class 1", "border")
