"""Measure the features of efficientnet_lite0 in whole numbers, against the float network.

    python -m benchmarks.features
    python -m benchmarks.features --size 224 --images 512

The peer is the network as it was trained, with batch normalisation and ReLU6, through a bare
`model.predict`. Its weights are random, which costs the same time. Both compute the features of the
same random pixels in turn, --repeats times. The last line has the ratio of the medians of their
rates: above 1, the whole numbers are faster.
"""

import argparse
import statistics
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from ballast.core.files import read_text
from ballast.core.params import parse_params
from ballast.core.paths import KERAS_DOWNLOADS, PARAMS
from ballast.keras_setup import keras, make_deterministic
from ballast.model.efficientnet_lite0 import (
    Block,
    Network,
    is_depthwise,
    is_linear,
    read_network,
    walk,
)
from ballast.model.features import BATCH_SIZE, read_backbone
from ballast.model.weight_files import EXACT_WEIGHTS
from benchmarks.alternation import alternated_seconds


def main() -> None:
    """Run the benchmark; print a table and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train = parse_params(read_text(PARAMS)).train
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    make_deterministic(0, train.threads)
    shape = (arguments.images, arguments.size, arguments.size, 3)
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    exact = read_backbone(train, arguments.size, KERAS_DOWNLOADS).load()
    peer = float_network(read_network(EXACT_WEIGHTS), arguments.size)
    ways: dict[str, Callable[[], object]] = {
        "float network, model.predict": lambda: peer.predict(pixels, verbose=0),
        "whole numbers, as in train": lambda: in_batches(exact.predict_on_batch, pixels),
    }
    times = alternated_seconds(ways, arguments.repeats)
    rates = {name: arguments.images / statistics.median(found) for name, found in times.items()}
    rows = [
        [name, rates[name], arguments.images / max(found), arguments.images / min(found)]
        for name, found in times.items()
    ]
    print(tabulate(rows, headers=["images/s", "median", "min", "max"], floatfmt=".0f"))
    slower, faster = rates.values()
    print(f"ratio: {faster / slower:.2f}")


def in_batches(
    predict: Callable[[NDArray[np.uint8]], object], pixels: NDArray[np.uint8]
) -> list[NDArray[np.float32]]:
    """Predict in the batches that the stage `train` uses."""
    starts = range(0, len(pixels), BATCH_SIZE)
    return [np.asarray(predict(pixels[start : start + BATCH_SIZE])) for start in starts]


def float_network(shapes: Network, image_size: int) -> keras.Model:
    """Build the float network with random weights.

    Args:
        shapes: weights whose shapes it takes.
        image_size: side of the images in pixels.
    """
    layers = keras.layers

    def convolve(x: keras.KerasTensor, name: str, stride: int) -> keras.KerasTensor:
        kernel, bias, _ = shapes[name]
        options = {"padding": "same", "strides": stride, "use_bias": False}
        if is_depthwise(name):
            x = layers.DepthwiseConv2D(len(kernel), **options)(x)
        else:
            x = layers.Conv2D(len(bias), len(kernel), **options)(x)
        x = layers.BatchNormalization()(x)
        return x if is_linear(name) else layers.ReLU(6)(x)

    def add(x: keras.KerasTensor, y: keras.KerasTensor, _: Block) -> keras.KerasTensor:
        return layers.Add()([x, y])

    pixels = keras.Input((image_size, image_size, 3))
    maps = walk(layers.Rescaling(1 / 127, -1)(pixels), convolve, add)
    return keras.Model(pixels, layers.GlobalAveragePooling2D()(maps))


if __name__ == "__main__":
    main()
