"""The network is small, trains quickly, and accepts uint8 images."""

from pathlib import Path

import numpy as np
import pytest
from stripes import INFO

from ballast.keras_setup import keras
from ballast.model.cnn import build_cnn
from ballast.model.inference import predict
from ballast.model.inputs import ImageSet
from ballast.model.saved import model_bytes


def test_it_is_small() -> None:
    assert build_cnn(64, 3).count_params() < 50_000


def test_it_learns_in_few_steps_and_infers_as_it_trained(
    model: keras.Model, stripes: ImageSet
) -> None:
    right = predict(model, stripes.pixels).argmax(axis=1) == stripes.labels
    assert right.mean() > 0.9


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
