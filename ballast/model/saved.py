"""Saving models reproducibly, and loading them."""

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ballast.core.files import writing
from ballast.keras_setup import keras
from ballast.model.model_file import (
    INFO,
    WEIGHTS,
    ModelInfo,
    archive,
    info_bytes,
    refuse_damage,
)
from ballast.model.whole_weights import narrowed


def model_bytes(model: keras.Model, info: ModelInfo) -> bytes:
    """Serialise a model so that equal models yield equal bytes.

    Keras writes the current time into the metadata and into every zip entry, and memory addresses
    into the config. Here the time is removed from the metadata and fixed in the zip, and addresses
    are replaced by sequential numbers. A model trained in mixed precision is saved as float32,
    which is fast and reproducible on every machine. keras.saving.load_model reads the result.

    Args:
        model: a built model with explicit layer names, since Keras numbers automatic names per
            process.
        info: metadata, saved as a separate entry; see read_info.

    Returns:
        The bytes of a .keras file.

    Raises:
        UserError: if the temporary folder is full.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with writing(path):
            model.save(path)
        with zipfile.ZipFile(path) as file:
            entries = {name: file.read(name) for name in sorted(file.namelist())}
    metadata = json.loads(entries["metadata.json"])
    del metadata["date_saved"]
    entries["metadata.json"] = json.dumps(metadata).encode()
    config = _portable(json.loads(entries["config.json"]), {})
    entries["config.json"] = json.dumps(config).encode()
    entries[WEIGHTS] = narrowed(entries[WEIGHTS])
    entries[INFO] = info_bytes(info)
    return archive(entries)


def _portable(value: Any, numbers: dict[int, int]) -> Any:  # noqa: ANN401  # any JSON
    """Replace each shared_object_id, a memory address, by its rank of first appearance.

    It is removed from dtype policies, which compare by value and are not shared after loading.
    float16 computation of mixed precision becomes float32, like the weights.
    """
    if isinstance(value, list):
        return [_portable(item, numbers) for item in value]
    if value in ("float16", "mixed_float16"):
        return "float32"
    if not isinstance(value, dict):
        return value
    address = value.get("shared_object_id")
    if address is not None:
        value = {key: item for key, item in value.items() if key != "shared_object_id"}
        if value.get("class_name") != "DTypePolicy":
            value["shared_object_id"] = numbers.setdefault(address, len(numbers))
    return {key: _portable(item, numbers) for key, item in value.items()}


def parsed_model(data: bytes) -> keras.Model:
    """Load what model_bytes returned."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with writing(path):
            path.write_bytes(data)
        return load_model(path)


def load_model(path: Path) -> keras.Model:
    """Load a model in Keras's safe mode, which executes no code from the file.

    Raises:
        UserError: if the file is missing or damaged.
    """
    refuse_damage(path)
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def input_size(model: keras.Model) -> int:
    """Side in pixels of the images that a saved model resizes its input to."""
    return int(model.layers[-1].input_shape[1])
