"""Backbones: pretrained or standard networks that turn pixels into features."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ballast.core.errors import UserError
from ballast.core.params import EXACT_BACKBONE, Train
from ballast.keras_setup import keras
from ballast.model.applications import APPLICATIONS, SCALINGS, refuse_unknown
from ballast.model.efficientnet_lite0 import read_network
from ballast.model.efficientnet_lite0_keras import build_features
from ballast.model.layers import BATCH_NORM_MOMENTUM, classify
from ballast.model.weight_files import EXACT_WEIGHTS, downloads_folder


def load_backbone(train: Train, image_size: int, cache: Path) -> keras.Model:
    """Load the backbone set in params, with its weights and its scaling of pixels.

    Args:
        train: its backbone, weights and backbone_alpha are used. A backbone that is not a known
            name is the path of a saved Keras model, which receives pixels from 0 to 255; its final
            Dense layer, trained for other classes, is removed.
        image_size: input side in pixels.
        cache: folder for downloads.

    Returns:
        Model from RGB images of shape (batch, image_size, image_size, 3), values 0 to 255, to
        features of shape (batch, d).

    Raises:
        UserError: if there is no such backbone or file, or the weights do not fit the network or
            cannot be downloaded.
    """
    if train.backbone == EXACT_BACKBONE:
        return build_features(read_network(EXACT_WEIGHTS), image_size)
    if train.backbone in APPLICATIONS:
        base, scaling = _application(train, image_size, cache), APPLICATIONS[train.backbone][1]
    else:
        base, scaling = _saved(train), "inside"
    layers = keras.layers
    images = keras.Input((image_size, image_size, 3), name="pixels")
    scale, offset = SCALINGS[scaling]
    x = keras.ops.flip(images, axis=-1) if scaling == "caffe" else images
    if scaling != "inside":
        x = layers.Rescaling(scale, offset, name="rescale")(x)
    try:
        # Keep the moving averages of batch normalisation: a frozen backbone must not change, and
        # fine-tuning on few small batches would degrade them.
        x = base(x, training=False if train.is_pretrained else None)
    except ValueError as error:
        raise UserError(
            f"params.yaml: train.backbone: {train.backbone} does not accept images of"
            f" data.image_size {image_size}: {_line(error)}"
        ) from None
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(images, layers.Flatten(name="features")(x), name="features")


def add_head(backbone: keras.Model, classes: int) -> tuple[keras.Model, keras.Model]:
    """Add an untrained classification head to a backbone.

    Returns:
        The network, from pixels to probabilities, and its head, from features to probabilities.
        Both share the head's weights.
    """
    features = keras.Input(backbone.output_shape[1:], name="inputs")
    head = keras.Model(features, classify(features, classes), name="head")
    network = keras.Model(backbone.input, head(backbone.output), name=backbone.layers[-2].name)
    return network, head


def unfreeze_top(backbone: keras.Model, layers: int) -> None:
    """Unfreeze the last `layers` layers with weights, except batch normalisation."""
    base = next(layer for layer in backbone.layers if isinstance(layer, keras.Model))
    weighted = [
        layer
        for layer in base._flatten_layers(include_self=False)  # including nested models
        if layer.weights and not isinstance(layer, keras.Model)
    ]
    backbone.trainable = True
    for place, layer in enumerate(weighted):
        norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = place >= len(weighted) - layers and not norm


def _application(train: Train, image_size: int, cache: Path) -> keras.Model:
    name, _ = APPLICATIONS[train.backbone]
    options: dict[str, Any] = {"include_top": False, "pooling": "avg"}
    if train.backbone.startswith("mobilenet"):
        options["alpha"] = train.backbone_alpha
    elif train.backbone_alpha != 1:
        raise UserError(f"params.yaml: train.backbone_alpha: must be 1 for {train.backbone}")
    cache = downloads_folder(train, image_size, cache)
    imagenet = "imagenet" if train.weights == "imagenet" else None
    try:
        with _keras_home(cache), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes other than ImageNet's
            base = getattr(keras.applications, name)(
                input_shape=(image_size, image_size, 3), weights=imagenet, **options
            )
    except ValueError as error:
        small = re.match(r"Input size must be at least \d+x\d+", str(error))
        if small:
            raise UserError(
                f"params.yaml: data.image_size: {image_size} is too small for {train.backbone}:"
                f" {small[0]}; raise it"
            ) from None
        raise UserError(f"params.yaml: train.backbone: {train.backbone}: {_line(error)}") from None
    except Exception as error:  # Keras raises a plain Exception if a download fails
        url = re.search(r"https?://\S+[^\s:]", str(error))
        if not url:
            raise
        file = cache / "models" / url[0].rsplit("/", 1)[-1]
        raise UserError(
            f"params.yaml: train.weights: imagenet: cannot be downloaded; fetch {url[0]} and save"
            f" it as {file}"
        ) from None
    if train.weights and not imagenet:
        _load_weights(base, Path(train.weights), train.backbone)
    for layer in base.layers:
        if not train.weights and isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    return base


def _load_weights(base: keras.Model, path: Path, name: str) -> None:
    if not path.is_file():
        raise UserError(f"params.yaml: train.weights: {path}: no such file")
    try:
        base.load_weights(path)
    except Exception as error:  # many types: an extra layer, another shape, not an HDF5 file
        raise UserError(
            f"params.yaml: train.weights: {path}: does not fit {name} without its top at this"
            f" backbone_alpha: {_line(error)}"
        ) from None


def _saved(train: Train) -> keras.Model:
    refuse_unknown(train.backbone)
    path = Path(train.backbone)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # many types: a Lambda, a custom layer, not a Keras file
        raise UserError(
            f"params.yaml: train.backbone: {path}: cannot be loaded as a Keras model:"
            f" {_line(error)}; save it as .keras, with only Keras's own layers"
        ) from None
    if model.name == "classifier" and isinstance(model.layers[-1], keras.Model):  # Ballast's own
        model = model.layers[-1]
    if isinstance(model.layers[-1], keras.layers.Dense):
        model = keras.Model(model.input, model.layers[-1].input, name="saved")
    return model


@contextmanager
def _keras_home(cache: Path) -> Iterator[None]:
    """Set Keras's download folder: there is no argument for it, only a variable read at import."""
    config = keras.src.backend.config
    before = config._KERAS_DIR
    config._KERAS_DIR = str(cache)
    try:
        yield
    finally:
        config._KERAS_DIR = before


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else f"{text[:157]}..."
