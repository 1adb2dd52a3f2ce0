"""The file of a trained model, a .keras archive: what needs no TensorFlow, which loads slowly."""

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError
from ballast.core.files import at_top
from ballast.core.greys import Range, as_range
from ballast.core.paths import MODEL
from ballast.model.logits import Floats
from ballast.model.whole_weights import dataset, dense_layers, narrowed

WEIGHTS = "model.weights.h5"
# Ballast's entry in a .keras file; Keras ignores it.
INFO = "ballast.json"
# How files of other programs begin: the place, the bytes, and what they are.
OTHERS = (
    (0, b"\x89HDF", "an HDF5 file, such as Keras's older format"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\x80", "a pickle, such as older files of PyTorch"),
    (0, b"\x08", "an ONNX model, or another protocol buffer"),
)
# An entry at the end of its name, in zip archives of other programs.
OTHER_ENTRIES = (
    ("/data.pkl", "a PyTorch model"),
    (".npy", "a NumPy archive"),
    ("config.json", "a Keras model of another program, or of an older Ballast"),
)
# What reading a damaged zip archive raises: a flipped byte can also name another method of
# compression, or say that an entry is encrypted.
DAMAGE = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
)


class ModelInfo(NamedTuple):
    """Metadata in a model file that prediction needs."""

    classes: list[str]  # in the order of the network's outputs
    max_megapixels: float  # larger images are rejected
    threads: int  # used in training; another number can change the last bits of a probability
    greys: Range | None = None  # of deep greys that the model was trained on


def archive(entries: Mapping[str, bytes]) -> bytes:
    """Zip the entries of a model file; equal entries yield equal bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, on every platform
            archive.writestr(entry, data)
    return file.getvalue()


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Serialise arrays for npz_arrays; equal arrays yield equal bytes.

    What np.savez writes depends on the Python: until 3.11.3, zipfile gave its entries other sizes.
    """
    entries = {}
    for name, values in arrays.items():
        content = io.BytesIO()
        np.save(content, values, allow_pickle=False)
        entries[f"{name}.npy"] = content.getvalue()
    return archive(entries)


def npz_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """Read arrays that npz_bytes serialised.

    Raises:
        ValueError: if the bytes are damaged, or something else.
    """
    try:
        # np.load would believe the header of an array before zipfile has compared its checksum.
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            entries = {name: io.BytesIO(opened.read(name)) for name in opened.namelist()}
        return {
            name.removesuffix(".npy"): np.load(content, allow_pickle=False)
            for name, content in entries.items()
        }
    except DAMAGE as error:
        raise ValueError(f"no arrays of npz_bytes: {error}") from error


def with_entries(file: bytes, added: Mapping[str, bytes]) -> bytes:
    """Add entries to a model file, or replace them."""
    with zipfile.ZipFile(io.BytesIO(file)) as opened:
        entries = {name: opened.read(name) for name in opened.namelist()}
    return archive({**entries, **added})


def with_head(blank: bytes, weights: Floats, bias: Floats, info: ModelInfo) -> bytes:
    """Put a linear head and its metadata into a model file.

    Args:
        blank: a file with a probe (see build_probe) whose head has the same shape.
        weights: shape (d, k); exact in float32.
        bias: shape (k,).
        info: metadata.

    Returns:
        The file that model_bytes would make of the probe with this head.
    """
    with zipfile.ZipFile(io.BytesIO(blank)) as file:
        stored = file.read(WEIGHTS)
    (head,) = dense_layers(stored)
    values = {f"{head}/vars/0": weights, f"{head}/vars/1": bias}
    replaced = {name: array.astype(np.float32) for name, array in values.items()}
    return with_entries(blank, {WEIGHTS: narrowed(stored, replaced), INFO: info_bytes(info)})


def info_bytes(info: ModelInfo) -> bytes:
    """The metadata as they are saved."""
    entries = info._asdict()
    if info.greys is None:  # as in files of versions that had no range
        del entries["greys"]
    return json.dumps(entries, ensure_ascii=False).encode()


def read_info(path: Path) -> ModelInfo:
    """Read the metadata that model_bytes saved with the network.

    Raises:
        UserError: as load_model does, or if another program saved the model.
    """
    refuse_damage(path)
    try:
        with zipfile.ZipFile(path) as archive:
            info = ModelInfo(**json.loads(archive.read(INFO)))
            return info._replace(greys=as_range(info.greys))
    except (KeyError, ValueError, TypeError):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        kinds = [kind for end, kind in OTHER_ENTRIES if any(name.endswith(end) for name in names)]
        what = kinds[0] if kinds else "a zip archive"
        raise UserError(f"{path}: not saved by Ballast: {what}, without class names") from None


def read_linear_head(path: Path) -> tuple[Floats, Floats]:
    """Read the weights, shape (d, k), and the bias, (k,), of a linear head on the exact backbone.

    Raises:
        UserError: as refuse_damage does.
    """
    refuse_damage(path)
    with zipfile.ZipFile(path) as archive:
        stored = archive.read(WEIGHTS)
    (head,) = dense_layers(stored)
    weights, bias = (dataset(stored, f"{head}/vars/{number}") for number in (0, 1))
    return weights.astype(np.float64), bias.astype(np.float64)


def _other_program(path: Path) -> str | None:
    """What a file or folder is that is not a zip archive; None if it is nothing known."""
    if path.is_dir():
        saved = (path / "saved_model.pb").exists()
        return "a SavedModel of TensorFlow" if saved else "a folder"
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError:
        return None
    return next((kind for place, begin, kind in OTHERS if start[place:].startswith(begin)), None)


def _is_no_archive(path: Path) -> bool:
    """Whether a file begins as no zip archive does, not even one that was cut off."""
    try:
        with path.open("rb") as file:
            return not b"PK\x03\x04".startswith(file.read(4))
    except OSError:
        return False


def _where_it_is(path: Path) -> str:
    """What to do about a model file that does not exist."""
    if path != MODEL:
        return "no such file"
    if not at_top():
        return "no such file; run from the top of the project, or give --model"
    return "no model yet; run dvc repro, or dvc pull models"


def refuse_damage(path: Path) -> None:
    """Raise an error if a model file is missing or damaged.

    Raises:
        UserError: as said.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except FileNotFoundError:
        raise UserError(f"{path}: {_where_it_is(path)}") from None
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except DAMAGE:
        other = _other_program(path)
        if other:
            raise UserError(f"{path}: not saved by Ballast: {other}") from None
        # What a stage wrote was a .keras file once.
        if path != MODEL and _is_no_archive(path):
            raise UserError(f"{path}: not a .keras file") from None
        damaged = path.name
    if damaged:
        raise UserError(f"{path}: incomplete or damaged; run ballast check, then dvc repro")
