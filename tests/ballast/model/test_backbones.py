"""Backbones: Keras's applications and saved models, with weights that the tests write."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec import convert

from ballast.core.errors import UserError
from ballast.core.params import Strategy, Train
from ballast.keras_setup import keras
from ballast.model.applications import APPLICATIONS
from ballast.model.backbones import load_backbone, unfreeze_top
from ballast.model.cnn import build_cnn
from ballast.model.fine_tuning import fit_backbone
from ballast.model.inference import predict
from ballast.model.inputs import ImageSet
from ballast.model.model_file import ModelInfo
from ballast.model.resizing import accept_any_size
from ballast.model.saved import load_model, model_bytes
from ballast.model.training import TrainingInputs
from ballast.model.weight_files import weights_hashes

INFO = ModelInfo(["a", "b", "c"], max_megapixels=30, threads=2)
PLAIN = Strategy(oversample=False, class_weights=None, balanced_batches=False)
SIZE = 32


def train_params(**params: str | float | None) -> Train:
    short = {"epochs": 2, "min_epochs": 1, "batch_size": 9, "learning_rate": 0.01, "patience": 2}
    return convert({**short, "threads": 2, "backbone_alpha": 0.35, **params}, Train)


@pytest.fixture(scope="module", autouse=True)
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of that name, at the top of a project that has nothing else."""
    before, top = Path.cwd(), tmp_path_factory.mktemp("project")
    (top / "pretrained").mkdir()
    os.chdir(top)
    yield Path("pretrained")
    os.chdir(before)


@pytest.fixture(scope="module")
def weights(pretrained: Path) -> str:
    """A file of weights that no one trained."""
    keras.utils.set_random_seed(7)
    path = pretrained / "random.weights.h5"
    keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), include_top=False, weights=None, alpha=0.35
    ).save_weights(path)
    return str(path)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """Thirty images: dark (0), grey (1) and light (2)."""
    labels = np.arange(30, dtype=np.int64) % 3
    noise = np.random.default_rng(1).integers(0, 60, (30, SIZE, SIZE, 3))
    return ImageSet((noise + 90 * labels[:, None, None, None]).astype(np.uint8), labels)


def trained(images: ImageSet, params: Train) -> tuple[bytes, keras.Model, keras.Model]:
    keras.backend.clear_session()  # automatic names of layers start anew, as in a new process
    keras.utils.set_random_seed(1)
    backbone = load_backbone(params, SIZE, Path("nowhere"))
    inputs = TrainingInputs(images, images, np.ones(3), PLAIN, 1)
    network, _ = fit_backbone(backbone, inputs, params)
    return model_bytes(accept_any_size(network), INFO), network, backbone


def test_a_frozen_backbone_keeps_its_weights_and_the_same_training_gives_the_same_bytes(
    images: ImageSet, weights: str, tmp_path: Path
) -> None:
    params = train_params(backbone="mobilenet_v2", weights=weights)
    first, network, backbone = trained(images, params)
    untouched = load_backbone(params, SIZE, tmp_path)
    for before, after in zip(untouched.get_weights(), backbone.get_weights(), strict=True):
        assert np.array_equal(before, after)
    assert trained(images, params)[0] == first
    (tmp_path / "model.keras").write_bytes(first)
    loaded = load_model(tmp_path / "model.keras")
    expected = network.predict(images.pixels, verbose=0)
    assert predict(loaded, images.pixels) == pytest.approx(expected, abs=1e-6)
    larger = images.pixels.repeat(2, axis=1)[:3]
    assert predict(loaded, larger).shape == (3, 3)


def test_fine_tuning_changes_the_top_layers_alone_and_no_normalisation(weights: str) -> None:
    backbone = load_backbone(
        train_params(backbone="mobilenet_v2", weights=weights), SIZE, Path("nowhere")
    )
    backbone.trainable = False
    unfreeze_top(backbone, 4)
    trainable = {variable.path.split("/")[-2] for variable in backbone.trainable_variables}
    assert trainable == {"Conv_1", "block_16_project"}


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet50", "densenet121"])
def test_each_backbone_scales_pixels_as_its_weights_want_them(name: str) -> None:
    function, _ = APPLICATIONS[name]
    module = {"ResNet50": "resnet50", "DenseNet121": "densenet", "MobileNetV2": "mobilenet_v2"}
    wanted = getattr(keras.applications, module[function]).preprocess_input
    params = train_params(backbone=name, backbone_alpha=1.0)
    backbone = load_backbone(params, SIZE, Path("nowhere"))
    base = next(layer for layer in backbone.layers if isinstance(layer, keras.Model))
    pixels = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.float32)
    scaled = keras.Model(backbone.input, base._inbound_nodes[-1].input_tensors[0])
    assert np.asarray(scaled(pixels)) == pytest.approx(wanted(pixels.copy()), abs=1e-4)


def test_all_names_are_keras_applications() -> None:
    for function, _ in APPLICATIONS.values():
        assert callable(getattr(keras.applications, function))


def test_any_saved_model_is_a_backbone_without_its_last_layer(
    images: ImageSet, pretrained: Path, tmp_path: Path
) -> None:
    path = pretrained / "mine.keras"
    path.write_bytes(model_bytes(accept_any_size(build_cnn(SIZE, 7)), INFO))
    params = train_params(backbone=str(path), weights=None)
    backbone = load_backbone(params, SIZE, tmp_path)
    assert backbone.output_shape == (None, 128)
    _, network, _ = trained(images, params)
    assert network.output_shape == (None, 3)
    assert list(weights_hashes(params, SIZE, tmp_path)) == ["mine.keras"]


def test_what_is_wrong_is_one_line(weights: str, pretrained: Path, tmp_path: Path) -> None:
    text = str(pretrained / "text.weights.h5")
    Path(text).write_text("no weights")
    for params, message in (
        (
            {"backbone": "mobilenet_v2", "weights": weights, "backbone_alpha": 0.5},
            "does not fit mobilenet_v2",
        ),
        ({"backbone": "mobilenet_v2", "weights": text}, "does not fit mobilenet_v2"),
        (
            {"backbone": "mobilenet_v2", "weights": "pretrained/nowhere.h5"},
            "nowhere.h5: no such file",
        ),
        ({"backbone": "mobilenet_v22"}, "did you mean mobilenet_v2"),
        ({"backbone": "resnet50"}, "must be 1 for resnet50"),
        (
            {"backbone": "xception", "backbone_alpha": 1.0},
            r"^params\.yaml: data\.image_size: 32 is too small for xception: .* 71x71; raise it$",
        ),
        ({"backbone": text, "weights": None}, "cannot be loaded as a Keras model"),
        ({"backbone": "pretrained/nowhere.keras"}, "nowhere.keras: neither a known backbone"),
    ):
        with pytest.raises(UserError, match=message) as raised:
            load_backbone(train_params(**params), SIZE, tmp_path)
        assert "\n" not in str(raised.value)


def test_without_a_network_imagenet_says_what_to_download_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    params = train_params(backbone="mobilenet_v2", weights="imagenet")
    folder = tmp_path / "mobilenet_v2-0.35-32" / "models"
    with pytest.raises(UserError) as raised:
        load_backbone(params, SIZE, tmp_path)
    address, file = str(raised.value).split("fetch ")[1].split(" and save it as ")
    assert address.startswith("https://")
    assert Path(file).parent == folder
    assert Path(file).name == address.rsplit("/", 1)[1]


def test_imagenet_weights_that_were_put_there_are_used_and_their_hash_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Keras takes a file that is in its cache, and checks no hash of this one.
    params = train_params(backbone="mobilenet_v2", weights="imagenet")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(UserError) as raised:
        load_backbone(params, SIZE, tmp_path)
    file = Path(str(raised.value).split(" and save it as ")[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(3)
    base = keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), include_top=False, weights=None, alpha=0.35
    )
    base.save(file)
    backbone = load_backbone(params, SIZE, tmp_path)
    for found, expected in zip(backbone.get_weights(), base.get_weights(), strict=True):
        assert np.array_equal(found, expected)
    hashes = weights_hashes(params, SIZE, tmp_path)
    assert list(hashes) == [file.name]
    assert len(hashes[file.name]) == 64
