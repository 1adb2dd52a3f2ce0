"""EfficientNet-Lite0 in whole numbers with NumPy: for a few images, before TensorFlow would load.

Keras and TensorFlow take about 5 s to import and to build the network, then 6 ms for an image of
160 pixels; this form takes 24 ms from the start (two cores of a Xeon). Both give the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from ballast.model.efficientnet_lite0 import (
    LINEAR,
    MIDDLE,
    RELU6,
    Network,
    is_depthwise,
    is_linear,
    walk,
)

Map = NDArray[np.float32]  # (height, width, channels), whole numbers


def feature_maps(network: Network, pixels: NDArray[np.uint8]) -> Map:
    """Run the network on one image after the other: a batch would leave the processor's cache.

    Args:
        network: result of read_network.
        pixels: RGB images of shape (n, size, size, 3).

    Returns:
        The last feature maps, whole numbers from 0 to 255, shape (n, side, side, 1280); the side is
        size / 32, rounded up.
    """
    kernels = {name: one.kernel.astype(np.float32) for name, one in network.items()}

    def convolve(x: Map, name: str, stride: int) -> Map:
        _, bias, multiplier = network[name]
        sums = _sums(x, kernels[name], bias, stride, depthwise=is_depthwise(name))
        sums *= multiplier
        np.rint(sums, out=sums)
        return np.clip(sums, *(LINEAR if is_linear(name) else RELU6), out=sums)

    images = pixels.astype(np.float32) - np.float32(MIDDLE)
    return np.stack([walk(image, convolve, lambda x, y, _: x + y) for image in images])


def _sums(x: Map, kernel: Map, bias: NDArray[np.int32], stride: int, *, depthwise: bool) -> Map:
    """Convolve and add the bias; like TensorFlow's "same", pad more on the right and below."""
    side, channels = len(kernel), x.shape[-1]
    height, width = (-(-length // stride) for length in x.shape[:2])
    if side > 1:
        pads = [
            max((output - 1) * stride + side - length, 0)
            for output, length in zip((height, width), x.shape, strict=False)
        ]
        x = np.pad(x, [*((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
    parts = [
        x[
            row : row + stride * (height - 1) + 1 : stride,
            column : column + stride * (width - 1) + 1 : stride,
        ]
        for row in range(side)
        for column in range(side)
    ]
    if depthwise:
        sums = np.tile(bias.astype(np.float32), (height, width, 1))
        product = np.empty_like(sums)
        for part, weights in zip(parts, kernel.reshape(-1, channels), strict=True):
            sums += np.multiply(part, weights, out=product)
        return sums
    # Products with all weights at once are those of two matrices.
    columns = np.concatenate(parts, axis=-1).reshape(height * width, -1)
    sums = columns @ kernel.reshape(side * side * channels, -1)
    sums += bias
    return sums.reshape(height, width, -1)
