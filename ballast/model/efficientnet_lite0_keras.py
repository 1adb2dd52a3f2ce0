"""EfficientNet-Lite0 in whole numbers as a Keras model."""

import numpy as np

from ballast.keras_setup import keras
from ballast.model.efficientnet_lite0 import (
    LINEAR,
    MIDDLE,
    RELU6,
    Block,
    Network,
    is_depthwise,
    is_linear,
    walk,
)

# Also under mixed precision, which a GPU turns on: float16 cannot hold these sums.
EXACT = {"dtype": "float32"}


def build_features(network: Network, image_size: int) -> keras.Model:
    """Build the network from pixels to features.

    Args:
        network: result of read_network.
        image_size: side of the images in pixels, 32 to 512.

    Returns:
        Model from RGB images of shape (n, image_size, image_size, 3), whole numbers from 0 to 255,
        to the sums over the last feature map: float32 of shape (n, 1280), whole numbers of 0 or
        more, with the same bits in any batch, on any processor. The model is frozen.
    """
    maps = build_maps(network, image_size)
    features = keras.ops.sum(maps.output, axis=(1, 2))
    return keras.Model(maps.input, features, name="efficientnet_lite0")


def build_maps(network: Network, image_size: int) -> keras.Model:
    """Build the network like build_features, but without the sums over the last feature map.

    Returns:
        Model from images to feature maps: float32 of shape (n, side, side, 1280), whole numbers
        from 0 to 255; the side is image_size / 32, rounded up.
    """
    layers, ops = keras.layers, keras.ops

    def convolve(x: keras.KerasTensor, name: str, stride: int) -> keras.KerasTensor:
        kernel, bias, multiplier = network[name]
        side, filters = len(kernel), len(bias)
        linear = is_linear(name)
        # TensorFlow fuses bias and ReLU into the convolution.
        activation = None if linear else "relu"
        options = {**EXACT, "padding": "same", "strides": stride, "activation": activation}
        if is_depthwise(name):
            layer = layers.DepthwiseConv2D(side, name=name, **options)
        else:
            layer = layers.Conv2D(filters, side, name=name, **options)
        x = layer(x)
        layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
        x = layers.Rescaling(multiplier.tolist(), name=f"{name}_scale", **EXACT)(x)
        x = ops.round(x)
        return ops.clip(x, *LINEAR) if linear else ops.minimum(x, RELU6[1])

    def add(x: keras.KerasTensor, y: keras.KerasTensor, block: Block) -> keras.KerasTensor:
        return layers.Add(name=f"{block.name}_add", **EXACT)([x, y])

    pixels = keras.Input((image_size, image_size, 3), name="pixels", **EXACT)
    maps = walk(layers.Rescaling(1.0, -MIDDLE, name="centre", **EXACT)(pixels), convolve, add)
    model = keras.Model(pixels, maps, name="efficientnet_lite0_maps")
    model.trainable = False
    return model
