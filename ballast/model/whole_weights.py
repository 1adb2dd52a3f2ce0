"""Whole-number weights stored as integers: a quarter of the bytes, without compression."""

import io
import re
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

WHOLE = (np.int8, np.int16, np.int32)
DENSE = re.compile(r"(^|/)dense(_\d+)?$")  # Keras's name of such a layer


def narrowed(weights: bytes, replaced: Mapping[str, NDArray[np.float32]] | None = None) -> bytes:
    """Store float32 weights that are whole numbers as the narrowest integers that hold them.

    Keras converts what it reads to the dtype of the variable, so loading gives the same weights.
    Equal weights give equal bytes: zlib, whose versions differ in output, is not used.

    Args:
        weights: content of model.weights.h5 in a .keras file.
        replaced: other values for some datasets, by their path in the file.

    Returns:
        The file with the same groups, names, attributes and values.
    """
    file = io.BytesIO()
    with h5py.File(io.BytesIO(weights), "r") as source, h5py.File(file, "w") as target:
        _copy(source, target, replaced or {})
    return file.getvalue()


def dense_layers(weights: bytes) -> list[str]:
    """The paths of the Dense layers in a model.weights.h5."""
    found: list[str] = []
    with h5py.File(io.BytesIO(weights), "r") as file:
        file.visit(lambda name: found.append(name) if DENSE.search(name) else None)
    return found


def dataset(weights: bytes, name: str) -> NDArray[Any]:
    """An array in a model.weights.h5."""
    with h5py.File(io.BytesIO(weights), "r") as file:
        return np.asarray(file[name][()])


def _copy(
    source: h5py.Group, target: h5py.Group, replaced: Mapping[str, NDArray[np.float32]]
) -> None:
    target.attrs.update(source.attrs)
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy(item, target.create_group(name), replaced)
        else:
            values = replaced.get(item.name.lstrip("/"), item[()])
            target.create_dataset(name, data=_narrowest(values)).attrs.update(item.attrs)


def _narrowest(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != np.float32 or not np.array_equal(array, np.round(array)):
        return array
    largest = float(np.abs(array).max(initial=0))  # infinity fits no integer
    fits = (dtype for dtype in WHOLE if largest <= np.iinfo(dtype).max)
    return array.astype(next(fits, np.float32))
