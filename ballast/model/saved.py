"""Model files: saved with bytes that depend on the model alone, and loaded again."""

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from ballast.core.errors import UserError
from ballast.core.files import writing
from ballast.keras_setup import keras
from ballast.model.whole_weights import narrowed

# Ballast's own entry of a .keras file; Keras passes over it.
INFO = "ballast.json"


class ModelInfo(NamedTuple):
    """What a model file says besides the network, so that it can be used by itself."""

    classes: list[str]  # in the order of the network's outputs
    max_megapixels: float  # larger images are refused
    threads: int  # that it was trained with; others can change the last bits of a probability


def model_bytes(model: keras.Model, info: ModelInfo) -> bytes:
    """Save a model so that equal models are equal files.

    Keras writes the time of saving into the metadata and into every entry of the zip, and memory
    addresses into the config; here they are left out, fixed and numbered. A model that was trained
    in mixed precision becomes one of float32, which every machine computes alike and fast.
    keras.saving.load_model reads the result.

    Args:
        model: built; every layer named by hand, since automatic names count up in a process.
        info: goes into an entry of its own, see read_info.

    Returns:
        The bytes of a .keras file.

    Raises:
        UserError: where the folder for temporary files has no room.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with writing(path):
            model.save(path)
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(entries["metadata.json"])
    del metadata["date_saved"]
    entries["metadata.json"] = json.dumps(metadata).encode()
    config = _portable(json.loads(entries["config.json"]), {})
    entries["config.json"] = json.dumps(config).encode()
    entries["model.weights.h5"] = narrowed(entries["model.weights.h5"])
    entries[INFO] = json.dumps(info._asdict(), ensure_ascii=False).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, also where this is not
            archive.writestr(entry, data)
    return file.getvalue()


def _portable(value: Any, numbers: dict[int, int]) -> Any:  # noqa: ANN401  # any JSON
    """Replace shared_object_id, which is Python's id(), by the order of first appearance.

    A dtype policy loses it: policies are equal by value, and loaded ones are not shared. What mixed
    precision computes in float16 becomes float32, as its weights are.
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


def read_info(path: Path) -> ModelInfo:
    """Read what model_bytes wrote beside the network.

    Raises:
        UserError: as load_model does, or where another program wrote the file.
    """
    _refuse_damage(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return ModelInfo(**json.loads(archive.read(INFO)))
    except (KeyError, ValueError, TypeError):
        raise UserError(f"{path}: no model of Ballast's, without class names inside") from None


def load_model(path: Path) -> keras.Model:
    """Load a model in Keras's safe mode: nothing in the file is executed.

    Raises:
        UserError: where there is none, or its bytes are damaged.
    """
    _refuse_damage(path)
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _refuse_damage(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except FileNotFoundError:
        raise UserError(f"{path}: no model yet; run dvc repro, or dvc pull models") from None
    except (OSError, zipfile.BadZipFile):
        damaged = path.name
    if damaged:
        raise UserError(f"{path}: half written or damaged; run ballast check, then dvc repro")


def input_size(model: keras.Model) -> int:
    """Side in pixels of the images that a saved model works on."""
    return int(model.layers[-1].input_shape[1])
