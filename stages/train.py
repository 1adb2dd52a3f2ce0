"""Train the network on the augmented images, and keep its best epoch."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from joblib import cpu_count
from numpy.typing import NDArray
from tqdm import tqdm

from ballast.augment.shards import image_reader
from ballast.core.errors import one_line_errors
from ballast.core.files import read_json, read_text, write_bytes, write_csv, write_json
from ballast.core.manifest import (
    class_names,
    read_augmented,
    read_image,
    read_manifest,
    subset_rows,
)
from ballast.core.params import Params, parse_params
from ballast.core.source import source_hash
from ballast.keras_setup import keras, prepare_training
from ballast.model.backbones import load_backbone, weights_hashes
from ballast.model.cnn import accept_any_size, build_cnn
from ballast.model.fine_tuning import fit_backbone
from ballast.model.inference import ModelInfo
from ballast.model.inputs import ImageFiles, ImageSet, image_files, load_within
from ballast.model.live import live_values
from ballast.model.saved import model_bytes
from ballast.model.training import fit

CACHE = Path(".keras")  # of what Keras downloads


def main() -> None:
    """Read data/augmented, the weights and the val photographs; write models/ and the history."""
    params = parse_params(read_text(Path("params.yaml")))
    size, workers = params.data.image_size, params.runtime.workers or cpu_count()
    rows = read_manifest(Path("data/manifest.csv"))
    classes = class_names(rows)
    weights = read_json(Path("outputs/class_weights.json"))
    images, val_images = read_augmented(Path("data/augmented.csv")), subset_rows(rows, "val")
    read, read_val = (
        image_reader(Path("data/augmented")),
        partial(read_image, Path(params.data.raw)),
    )
    train, val = load_within(
        params.runtime.image_memory * 2**20,
        image_files(read, images, classes, size, workers),
        image_files(read_val, val_images, classes, size, workers),
    )

    prepare_training(params.seed, params.train.threads)
    total = params.train.epochs + params.train.fine_tune_epochs
    progress = tqdm(total=total, unit=" epochs", mininterval=1)

    def show(_: int, logs: Mapping[str, float]) -> None:
        progress.set_postfix(logs, refresh=False)
        progress.update()

    with progress, live_values(Path("outputs/live")) as live:
        model, history = fit_network(
            train,
            val,
            np.array([weights[name] for name in classes]),
            params,
            [keras.callbacks.LambdaCallback(on_epoch_end=show), *live],
        )

    info = ModelInfo(classes, params.data.max_megapixels, params.train.threads)
    write_bytes(Path("models/model.keras"), model_bytes(accept_any_size(model), info))
    write_json(Path("models/classes.json"), classes)
    training = {
        "backbone": params.train.backbone,
        "weights": params.train.weights,
        "weights_sha256": weights_hashes(params.train, size, CACHE),
        "code_sha256": code_hash(),
    }
    write_json(Path("outputs/training.json"), training)
    epochs = range(1, len(history["loss"]) + 1)
    columns = [[f"{value:.6g}" for value in values] for values in history.values()]
    write_csv(
        Path("outputs/history.csv"),
        ["epoch", *history],
        zip(epochs, *columns, strict=True),
    )


def fit_network(
    train: ImageSet | ImageFiles,
    val: ImageSet | ImageFiles,
    weights: NDArray[np.float64],
    params: Params,
    callbacks: Sequence[keras.callbacks.Callback],
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Build and train the network that params ask for."""
    size, strategy, seed = params.data.image_size, params.active_strategy, params.seed
    if params.train.backbone == "cnn":
        model = build_cnn(size, len(weights))
        return model, fit(model, train, val, weights, strategy, seed, params.train, callbacks)
    backbone = load_backbone(params.train, size, CACHE)
    return fit_backbone(backbone, train, val, weights, strategy, seed, params.train, callbacks)


def code_hash() -> str:
    """SHA-256 of the code that dvc.yaml names as this stage's."""
    deps = yaml.safe_load(read_text(Path("dvc.yaml")))["stages"]["train"]["deps"]
    return source_hash(Path(dep) for dep in deps if dep.startswith(("ballast", "stages")))


if __name__ == "__main__":
    with one_line_errors():
        main()
