"""Whole-number weights stored as integers: a quarter of the bytes, without compression."""

import io
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

WHOLE = (np.int8, np.int16, np.int32)


def narrowed(weights: bytes) -> bytes:
    """Store float32 weights that are whole numbers as the narrowest integers that hold them.

    Keras converts what it reads to the dtype of the variable, so loading gives the same weights.
    Equal weights give equal bytes: zlib, whose versions differ in output, is not used.

    Args:
        weights: content of model.weights.h5 in a .keras file.

    Returns:
        The file with the same groups, names, attributes and values.
    """
    file = io.BytesIO()
    with h5py.File(io.BytesIO(weights), "r") as source, h5py.File(file, "w") as target:
        _copy(source, target)
    return file.getvalue()


def _copy(source: h5py.Group, target: h5py.Group) -> None:
    target.attrs.update(source.attrs)
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy(item, target.create_group(name))
        else:
            target.create_dataset(name, data=_narrowest(item[()])).attrs.update(item.attrs)


def _narrowest(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != np.float32 or not np.array_equal(array, np.round(array)):
        return array
    largest = float(np.abs(array).max(initial=0))  # infinity fits no integer
    fits = (dtype for dtype in WHOLE if largest <= np.iinfo(dtype).max)
    return array.astype(next(fits, np.float32))
