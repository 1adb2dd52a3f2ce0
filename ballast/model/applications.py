"""The backbones that have a name: Keras's applications; needs no TensorFlow."""

from difflib import get_close_matches
from pathlib import Path

from ballast.core.errors import UserError
from ballast.core.params import EXACT_BACKBONE

# The input scaling that Keras's applications expect, as scale and offset per channel. "caffe" has
# the channel order blue, green, red; "inside" means that the model scales its input itself.
SCALINGS: dict[str, tuple[list[float], list[float]]] = {
    "inside": ([1.0] * 3, [0.0] * 3),
    "signed": ([1 / 127.5] * 3, [-1.0] * 3),
    "caffe": ([1.0] * 3, [-103.939, -116.779, -123.68]),
    "torch": (
        [1 / 58.395, 1 / 57.12, 1 / 57.375],
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
    ),
}
# Name in params.yaml: name in Keras and scaling.
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


def refuse_unknown(backbone: str) -> None:
    """Refuse a backbone that is neither a name nor a file.

    Raises:
        UserError: naming the nearest name.
    """
    names = ("cnn", EXACT_BACKBONE, *APPLICATIONS)
    if backbone in names or Path(backbone).is_file():
        return
    known = get_close_matches(backbone, names, n=1)
    hint = f"did you mean {known[0]}" if known else "docs/backbones.md lists the names"
    raise UserError(
        f"params.yaml: train.backbone: {backbone}: neither a known backbone nor a file; {hint}"
    )
