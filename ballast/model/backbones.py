"""Networks made for larger sets, as the part of a network that turns pixels into features."""

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ballast.core.errors import UserError
from ballast.core.params import EXACT_BACKBONE, Train
from ballast.core.source import BALLAST
from ballast.keras_setup import keras
from ballast.model.efficientnet_lite0 import build_features, read_network
from ballast.model.layers import BATCH_NORM_MOMENTUM, classify

EXACT_WEIGHTS = BALLAST.parent / "pretrained/efficientnet_lite0.npz"
# What the weights of Keras's applications were trained on, by scale and offset of each channel.
# Caffe's are of blue, green and red.
SCALINGS: dict[str, tuple[list[float], list[float]]] = {
    "inside": ([1.0] * 3, [0.0] * 3),
    "signed": ([1 / 127.5] * 3, [-1.0] * 3),
    "caffe": ([1.0] * 3, [-103.939, -116.779, -123.68]),
    "torch": (
        [1 / 58.395, 1 / 57.12, 1 / 57.375],
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
    ),
}
# By name in params.yaml: Keras's name, and its scaling.
APPLICATIONS: dict[str, tuple[str, str]] = {
    "convnext_base": ("ConvNeXtBase", "inside"),
    "convnext_small": ("ConvNeXtSmall", "inside"),
    "convnext_tiny": ("ConvNeXtTiny", "inside"),
    "densenet121": ("DenseNet121", "torch"),
    "densenet169": ("DenseNet169", "torch"),
    "densenet201": ("DenseNet201", "torch"),
    **{f"efficientnet_b{n}": (f"EfficientNetB{n}", "inside") for n in range(8)},
    **{f"efficientnet_v2_b{n}": (f"EfficientNetV2B{n}", "inside") for n in range(4)},
    "efficientnet_v2_l": ("EfficientNetV2L", "inside"),
    "efficientnet_v2_m": ("EfficientNetV2M", "inside"),
    "efficientnet_v2_s": ("EfficientNetV2S", "inside"),
    "inception_resnet_v2": ("InceptionResNetV2", "signed"),
    "inception_v3": ("InceptionV3", "signed"),
    "mobilenet": ("MobileNet", "signed"),
    "mobilenet_v2": ("MobileNetV2", "signed"),
    "mobilenet_v3_large": ("MobileNetV3Large", "inside"),
    "mobilenet_v3_small": ("MobileNetV3Small", "inside"),
    "nasnet_mobile": ("NASNetMobile", "signed"),
    "resnet50": ("ResNet50", "caffe"),
    "resnet50_v2": ("ResNet50V2", "signed"),
    "resnet101": ("ResNet101", "caffe"),
    "resnet101_v2": ("ResNet101V2", "signed"),
    "resnet152": ("ResNet152", "caffe"),
    "resnet152_v2": ("ResNet152V2", "signed"),
    "vgg16": ("VGG16", "caffe"),
    "vgg19": ("VGG19", "caffe"),
    "xception": ("Xception", "signed"),
}


def load_backbone(train: Train, image_size: int, cache: Path) -> keras.Model:
    """Load the backbone that params name, with its weights and its own scaling of pixels.

    Args:
        train: backbone, weights and backbone_alpha of it. A backbone that is no name is the path of
            a saved Keras model, which gets pixels from 0 to 255; its last Dense layer, which knows
            other classes, is left out.
        image_size: side of the input in pixels.
        cache: folder for what is downloaded.

    Returns:
        Model from RGB images of shape (batch, image_size, image_size, 3), values 0 to 255, to
        features of shape (batch, d).

    Raises:
        UserError: where there is no such backbone or file, the weights belong to another network,
            or cannot be downloaded.
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
        # Averages of the normalisation stay what they are: a frozen backbone must not change, and a
        # few batches of few images would spoil them in one that is tuned.
        x = base(x, training=False if train.is_pretrained else None)
    except ValueError as error:
        raise UserError(
            f"train.backbone: {train.backbone} takes no images of data.image_size {image_size}:"
            f" {_line(error)}"
        ) from None
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(images, layers.Flatten(name="features")(x), name="features")


def weights_hashes(train: Train, image_size: int, cache: Path) -> dict[str, str]:
    """SHA-256, by name, of the files that load_backbone read or downloaded."""
    files = [Path(name) for name in (train.backbone, train.weights) if name and "/" in name]
    if train.backbone == EXACT_BACKBONE:
        files = [EXACT_WEIGHTS]
    if train.weights == "imagenet":
        files = sorted((_keras_folder(train, image_size, cache) / "models").iterdir())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _keras_folder(train: Train, image_size: int, cache: Path) -> Path:
    """A folder for one file of weights: by name alone, several could be meant."""
    return cache / f"{train.backbone}-{train.backbone_alpha:g}-{image_size}"


def add_head(backbone: keras.Model, classes: int) -> tuple[keras.Model, keras.Model]:
    """Put an untrained layer for the classes on a backbone.

    Returns:
        The network, from pixels to probabilities, and its head, from features to probabilities;
        they share the head's weights.
    """
    features = keras.Input(backbone.output_shape[1:], name="inputs")
    head = keras.Model(features, classify(features, classes), name="head")
    network = keras.Model(backbone.input, head(backbone.output), name=backbone.layers[-2].name)
    return network, head


def unfreeze_top(backbone: keras.Model, layers: int) -> None:
    """Let the last `layers` layers that have weights be trained, but no normalisation."""
    base = next(layer for layer in backbone.layers if isinstance(layer, keras.Model))
    weighted = [
        layer
        for layer in base._flatten_layers(include_self=False)  # also of models within
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
        raise UserError(f"params.yaml: train.backbone_alpha: {train.backbone} has one width, 1")
    cache = _keras_folder(train, image_size, cache)
    imagenet = "imagenet" if train.weights == "imagenet" else None
    try:
        with _keras_home(cache), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that imagenet weights were not trained on
            base = getattr(keras.applications, name)(
                input_shape=(image_size, image_size, 3), weights=imagenet, **options
            )
    except ValueError as error:
        raise UserError(f"params.yaml: train.backbone: {train.backbone}: {_line(error)}") from None
    except Exception as error:  # Keras raises no other kind where a download fails
        url = re.search(r"https?://\S+[^\s:]", str(error))
        if not url:
            raise
        file = cache / "models" / url[0].rsplit("/", 1)[-1]
        raise UserError(
            f"train.weights: imagenet: no network, or it failed; download {url[0]} and put it at"
            f" {file}"
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
    except Exception as error:  # of many kinds: a layer too many, another shape, no HDF5 file
        raise UserError(
            f"train.weights: {path}: not the weights of {name} without its top, of this"
            f" backbone_alpha: {_line(error)}"
        ) from None


def _saved(train: Train) -> keras.Model:
    path = Path(train.backbone)
    if not path.is_file():
        known = get_close_matches(train.backbone, APPLICATIONS, n=1)
        hint = f"did you mean {known[0]}" if known else "docs/backbones.md lists the names"
        raise UserError(
            f"params.yaml: train.backbone: {train.backbone}: no backbone of that name, and no such"
            f" file; {hint}"
        )
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # of many kinds: a Lambda, a custom layer, no Keras file
        raise UserError(f"train.backbone: {path}: no saved Keras model: {_line(error)}") from None
    if model.name == "classifier" and isinstance(model.layers[-1], keras.Model):  # Ballast's own
        model = model.layers[-1]
    if isinstance(model.layers[-1], keras.layers.Dense):
        model = keras.Model(model.input, model.layers[-1].input, name="saved")
    return model


@contextmanager
def _keras_home(cache: Path) -> Iterator[None]:
    """Where Keras keeps downloads; it has no argument for that, and reads the environment once."""
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
