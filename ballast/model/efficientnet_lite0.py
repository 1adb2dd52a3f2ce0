"""EfficientNet-Lite0 in whole numbers: the same features, bit for bit, on every processor.

Tan & Le 2019 (arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, quantised like
Jacob et al. 2018 (arXiv:1712.05877): 8-bit weights with one scale per filter, and 8-bit feature
maps. Every value is a whole number in float32. No sum can reach 2**24 (see largest_sums), so none
is ever rounded: order, threads, vector width and FMA change nothing. Each sum is then multiplied by
a power of two, which rounds nothing, and then rounded and clipped.

efficientnet_lite0_keras.py builds the network for Keras; efficientnet_lite0_numpy.py runs it
without TensorFlow.
"""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError

# Of pretrained/efficientnet_lite0.npz, which pretrained/make_efficientnet_lite0.py makes.
SHA256 = "655769a624c14818032e0187aec7b7b81c163eaa9c515ecb24f25f84274e1dce"
MIDDLE = 127  # subtracted from pixels, so that padding with 0 is mid-grey
PIXELS = (0, 255)  # minimum and maximum
RELU6 = (0, 255)  # 255 stands for 6
LINEAR = (-255, 255)

Map = TypeVar("Map")


class Block(NamedTuple):
    """An inverted residual block (Sandler et al. 2018, arXiv:1801.04381)."""

    name: str
    side: int  # of the depthwise kernel
    stride: int
    expands: bool  # to six times the channels; only the first block does not
    filters: int
    adds: bool  # its input to its output: a residual connection


class Convolution(NamedTuple):
    """Whole-number weights, and the factors that scale their sums."""

    kernel: NDArray[np.int8]  # (side, side, channels, filters); depthwise: (side, side, filters, 1)
    bias: NDArray[np.int32]  # (filters,)
    multiplier: NDArray[np.float32]  # (filters,), powers of two


Network = dict[str, Convolution]  # by name: stem, block0_depthwise, block0_project, ..., head


def _blocks() -> tuple[Block, ...]:
    stages = (  # of Lite0: repeats, kernel side, stride of the first block, filters
        (1, 3, 1, 16),
        (2, 3, 2, 24),
        (2, 5, 2, 40),
        (3, 3, 2, 80),
        (3, 5, 1, 112),
        (4, 5, 2, 192),
        (1, 3, 1, 320),
    )
    blocks: list[Block] = []
    for repeats, side, stride, filters in stages:
        for repeat in range(repeats):
            name = f"block{len(blocks)}"
            first = repeat == 0
            blocks.append(
                Block(name, side, stride if first else 1, bool(blocks), filters, adds=not first)
            )
    return tuple(blocks)


BLOCKS = _blocks()


def read_network(path: Path) -> Network:
    """Read the weights after checking their SHA-256.

    Args:
        path: path of pretrained/efficientnet_lite0.npz.

    Raises:
        UserError: if the file cannot be read, or differs from the committed one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror}; run git checkout {path}"
        ) from None
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise UserError(f"{path}: differs from the committed file; run git checkout {path}")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        names = dict.fromkeys(name.split(".")[0] for name in arrays.files)
        return {
            name: Convolution(*(arrays[f"{name}.{field}"] for field in Convolution._fields))
            for name in names
        }


def largest_sums(network: Network) -> dict[str, int]:
    """Compute a bound on the absolute sums of each convolution, whatever the image.

    It adds the absolute values of all products and of the bias, so it also holds for partial sums
    in any order.

    Args:
        network: result of read_network.

    Returns:
        Bound by name of the convolution; float32 is exact below 2**24.
    """
    sums: dict[str, int] = {}

    def convolve(largest: int, name: str, _stride: int) -> int:
        kernel, bias, _ = network[name]
        filters_last = kernel.swapaxes(2, 3) if is_depthwise(name) else kernel
        weights = np.abs(filters_last.astype(np.int64)).sum(axis=(0, 1, 2))
        sums[name] = int((weights * largest + np.abs(bias)).max())
        return (LINEAR if is_linear(name) else RELU6)[1]

    walk(max(PIXELS[1] - MIDDLE, MIDDLE - PIXELS[0]), convolve, lambda x, y, _: x + y)
    return sums


def walk(
    x: Map, convolve: Callable[[Map, str, int], Map], add: Callable[[Map, Map, Block], Map]
) -> Map:
    """Walk through the network with any representation of a feature map.

    Args:
        x: the centred pixels.
        convolve: returns the output of a convolution for its input, its name and its stride.
        add: returns the sum of the input and the output of a block.

    Returns:
        The last feature map.
    """
    x = convolve(x, "stem", 2)
    for block in BLOCKS:
        y = convolve(x, f"{block.name}_expand", 1) if block.expands else x
        y = convolve(y, f"{block.name}_depthwise", block.stride)
        y = convolve(y, f"{block.name}_project", 1)
        x = add(x, y, block) if block.adds else y
    return convolve(x, "head", 1)


def is_depthwise(name: str) -> bool:
    """Whether a convolution filters each channel separately."""
    return name.endswith("_depthwise")


def is_linear(name: str) -> bool:
    """Whether a convolution is linear: no ReLU6 follows it."""
    return name.endswith("_project")
