"""Weights stored as integers have the same values in fewer bytes."""

import io
from typing import Any

import h5py
import numpy as np
import pytest

from ballast.model.whole_weights import narrowed


def weights_file(**arrays: Any) -> bytes:  # noqa: ANN401  # anything h5py takes
    file = io.BytesIO()
    with h5py.File(file, "w") as weights:
        group = weights.create_group("layers/dense/vars")
        group.attrs["name"] = "dense"
        for name, array in arrays.items():
            group.create_dataset(name, data=array).attrs["trainable"] = True
    return file.getvalue()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([-127, 0, 127], "int8"),
        ([-128, 0], "int16"),  # ranges are symmetric: int8 is -127 to 127
        ([40_000], "int32"),
        ([2**31], "float32"),
        ([0.5, 1], "float32"),
        ([np.inf], "float32"),
        ([np.nan], "float32"),
        ([], "int8"),
    ],
)
def test_values_stay_and_types_are_the_narrowest(values: list[float], dtype: str) -> None:
    data = narrowed(weights_file(kernel=np.array(values, np.float32)))
    with h5py.File(io.BytesIO(data)) as weights:
        kernel = weights["layers/dense/vars/kernel"]
        assert kernel.dtype == dtype
        assert np.array_equal(kernel[()].astype(np.float32), values, equal_nan=True)
        assert kernel.attrs["trainable"]
        assert weights["layers/dense/vars"].attrs["name"] == "dense"


def test_other_types_stay() -> None:
    data = narrowed(weights_file(seed=np.array([1, 2], np.uint32), names=[b"a", b"b"]))
    with h5py.File(io.BytesIO(data)) as weights:
        assert weights["layers/dense/vars/seed"].dtype == np.uint32
        assert list(weights["layers/dense/vars/names"]) == [b"a", b"b"]


def test_equal_weights_are_equal_bytes_and_narrow_ones_stay() -> None:
    data = narrowed(weights_file(kernel=np.ones((3, 3), np.float32)))
    assert data == narrowed(weights_file(kernel=np.ones((3, 3), np.float32)))
    assert narrowed(data) == data
