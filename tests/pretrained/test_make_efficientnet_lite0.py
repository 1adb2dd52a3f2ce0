"""The script for the weights file: what it reads, what it refuses, and what it writes."""

import collections
import hashlib
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ballast.model.efficientnet_lite0 import SHA256
from pretrained import make_efficientnet_lite0
from pretrained.make_efficientnet_lite0 import (
    MAGIC,
    PRODUCT,
    PROTOCOL,
    main,
    npz_bytes,
    quantise,
    read_weights,
)


class Name(NamedTuple):
    """A name that is pickled like a function or class, which need not exist."""

    module: str
    name: str


class View(NamedTuple):
    """A tensor: a view of a storage."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: Name = Name("torch", "FloatStorage")
    rebuild: Name = Name("torch._utils", "_rebuild_tensor_v2")


class Pickled(NamedTuple):
    """A persistent reference, here to a storage."""

    parts: tuple[Any, ...]


def pickled(value: Any) -> bytes:  # noqa: ANN401  # anything
    """Pickle by hand with protocol 2, so that names need not exist."""
    if isinstance(value, Name):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Pickled):
        return pickled(value.parts) + b"Q"
    if isinstance(value, View):
        storage = Pickled(("storage", value.dtype, value.storage, "cpu", 0, None))
        hooks: tuple[Any, ...] = (False, collections.OrderedDict())
        arguments = (storage, value.offset, value.shape, value.strides, *hooks)
        return pickled(value.rebuild) + pickled(arguments) + b"R"
    if type(value) is tuple:
        return b"(" + b"".join(map(pickled, value)) + b"t"
    if isinstance(value, dict):
        items = b"".join(pickled(key) + pickled(item) for key, item in value.items())
        return b"}(" + items + b"u"
    return pickle.dumps(value, protocol=2)[2:-1]


def weights_file(
    folder: Path, tensors: dict[str, Any], *, magic: int = MAGIC, size: int = 6
) -> tuple[Path, str]:
    """Write a file in PyTorch's old format with one storage, "0", of the numbers 0, 1, 2, ..."""
    parts = (magic, PROTOCOL, {"little_endian": True}, tensors, ["0"])
    data = b"".join(b"\x80\x02" + pickled(part) + b"." for part in parts)
    data += struct.pack("<q", size) + np.arange(size, dtype="<f4").tobytes()
    path = folder / "weights.pth"
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def test_it_reads_views_of_a_storage_by_their_strides(tmp_path: Path) -> None:
    tensors = {"plain": View("0", 0, (2, 3), (3, 1)), "turned": View("0", 1, (2, 2), (1, 3))}
    weights = read_weights(*weights_file(tmp_path, tensors))
    assert weights["plain"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert weights["turned"].tolist() == [[1, 4], [2, 5]]


def test_it_reads_nothing_of_a_file_with_another_sha256(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = weights_file(tmp_path, {"plain": View("0", 0, (6,), (1,))})
    monkeypatch.setattr(make_efficientnet_lite0, "_Unpickler", None)
    with pytest.raises(ValueError, match="SHA-256"):
        read_weights(path, "0" * 64)


@pytest.mark.parametrize(
    "name",
    [
        Name("os", "system"),
        Name("builtins", "eval"),
        Name("torch", "DoubleStorage"),
        Name("torch._utils", "_rebuild_parameter"),
        Name("collections", "defaultdict"),
        Name("collections", "OrderedDict.fromkeys"),
    ],
)
def test_it_refuses_every_other_name(name: Name, tmp_path: Path) -> None:
    file = weights_file(tmp_path, {"plain": View("0", 0, (6,), (1,), rebuild=name)})
    with pytest.raises(pickle.UnpicklingError, match=name.name):
        read_weights(*file)


def test_it_runs_nothing_that_a_pickle_names(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        read_weights(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not (tmp_path / "made").exists()


def test_it_refuses_a_storage_of_another_type(tmp_path: Path) -> None:
    ordered = Name("collections", "OrderedDict")
    file = weights_file(tmp_path, {"plain": View("0", 0, (6,), (1,), dtype=ordered)})
    with pytest.raises(pickle.UnpicklingError, match="storage"):
        read_weights(*file)


@pytest.mark.parametrize("view", [View("0", 0, (7,), (1,)), View("0", 3, (2, 2), (2, 1))])
def test_it_refuses_a_view_that_reaches_beyond_its_storage(view: View, tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_weights(*weights_file(tmp_path, {"plain": view}))


def test_it_refuses_another_format(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="format"):
        read_weights(*weights_file(tmp_path, {}, magic=1))


def random_weights(seed: int) -> dict[str, Any]:
    """Random weights with the real names and shapes, and with one filter of zeros."""
    generator = np.random.default_rng(seed)
    weights: dict[str, Any] = {}
    with np.load(PRODUCT) as arrays:
        for name in dict.fromkeys(file.split(".")[0] for file in arrays.files):
            convolution, norm = make_efficientnet_lite0._names(name)
            depthwise = name.endswith("_depthwise")
            axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
            shape = arrays[f"{name}.kernel"].transpose(axes).shape
            weights[f"{convolution}.weight"] = generator.normal(size=shape).astype(np.float32)
            weights[f"{convolution}.weight"][0] = 0
            for part in ("weight", "bias", "running_mean", "running_var"):
                values = generator.uniform(0.5, 1.5, shape[0])
                weights[f"{norm}.{part}"] = values.astype(np.float32)
    return weights


def test_whole_numbers_times_their_scale_are_the_weights() -> None:
    weights = random_weights(1)
    network = quantise(weights)
    kernel, bias, multiplier = network["stem"]
    folded, folded_bias = make_efficientnet_lite0._folded(weights, "stem")
    scales = multiplier * (6 / 255) / (1 / 128)
    errors = kernel * scales - folded.transpose(2, 3, 1, 0)
    assert (np.abs(errors) <= scales * 0.5001).all()
    assert np.abs(kernel[..., 1:]).max() > 63
    assert bias / 128 * scales == pytest.approx(folded_bias, abs=float(scales.max()) / 128)


def test_equal_weights_give_equal_files() -> None:
    first, again = (npz_bytes(quantise(random_weights(1))) for _ in range(2))
    assert first == again
    with np.load(io.BytesIO(first), allow_pickle=False) as arrays:
        assert {str(arrays[name].dtype) for name in arrays.files} == {"int8", "int32", "float32"}


def test_it_writes_nothing_but_the_committed_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "efficientnet_lite0.npz"
    monkeypatch.setattr(make_efficientnet_lite0, "PRODUCT", made)
    monkeypatch.setattr(make_efficientnet_lite0, "read_weights", lambda *_: random_weights(1))
    with pytest.raises(SystemExit, match=SHA256):
        main(["weights.pth"])
    assert not made.exists()


def test_without_the_wheel_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_efficientnet_lite0, "PACKAGE", "no_such_package")
    with pytest.raises(SystemExit, match="not installed"):
        main([])
