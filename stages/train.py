"""Train the network on the augmented images, and keep the weights of its best epoch."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from joblib import cpu_count
from tqdm import tqdm

from ballast.augment.shards import image_reader
from ballast.core import paths
from ballast.core.errors import one_line_errors
from ballast.core.files import read_json, read_text, write_bytes, write_csv, write_json
from ballast.core.manifest import (
    class_names,
    read_augmented,
    read_image,
    read_manifest,
    subset_rows,
)
from ballast.core.params import parse_params
from ballast.core.source import code_deps, source_hash
from ballast.keras_setup import keras, prepare_training
from ballast.model.backbones import weights_hashes
from ballast.model.cnn import accept_any_size
from ballast.model.inputs import image_files, load_within
from ballast.model.live import live_values
from ballast.model.networks import train_network
from ballast.model.saved import ModelInfo, model_bytes
from ballast.model.training import TrainingInputs


def main() -> None:
    """Read data/augmented, class weights and val photographs; write models/ and the history."""
    params = parse_params(read_text(paths.PARAMS))
    settings, size = params.train, params.data.image_size
    workers = params.runtime.workers or cpu_count()
    rows = read_manifest(paths.MANIFEST)
    classes = class_names(rows)
    weights = read_json(paths.CLASS_WEIGHTS)
    images, val_images = read_augmented(paths.AUGMENTED_LIST), subset_rows(rows, "val")
    read_val = partial(read_image, Path(params.data.raw))
    train, val = load_within(
        params.runtime.image_memory * 2**20,
        image_files(image_reader(paths.AUGMENTED), images, classes, size, workers),
        image_files(read_val, val_images, classes, size, workers),
    )

    prepare_training(params.seed, settings.threads)
    total = settings.epochs + settings.fine_tune_epochs
    progress = tqdm(total=total, unit=" epochs", mininterval=1)

    def show(_: int, logs: Mapping[str, float]) -> None:
        progress.set_postfix(logs, refresh=False)
        progress.update()

    with progress, live_values(paths.LIVE) as live:
        inputs = TrainingInputs(
            train,
            val,
            np.array([weights[name] for name in classes]),
            params.active_strategy,
            params.seed,
            [keras.callbacks.LambdaCallback(on_epoch_end=show), *live],
        )
        model, history = train_network(inputs, settings, size, paths.KERAS_DOWNLOADS)

    stages = yaml.safe_load(read_text(Path("dvc.yaml")))["stages"]
    info = ModelInfo(classes, params.data.max_megapixels, settings.threads)
    write_bytes(paths.MODEL, model_bytes(accept_any_size(model), info))
    write_json(paths.CLASSES, classes)
    training = {
        "backbone": settings.backbone,
        "weights": settings.weights,
        "weights_sha256": weights_hashes(settings, size, paths.KERAS_DOWNLOADS),
        "code_sha256": source_hash(code_deps(stages, ["train"])),
    }
    write_json(paths.TRAINING, training)
    epochs = range(1, len(history["loss"]) + 1)
    columns = [[f"{value:.6g}" for value in values] for values in history.values()]
    write_csv(paths.HISTORY, ["epoch", *history], zip(epochs, *columns, strict=True))


if __name__ == "__main__":
    with one_line_errors():
        main()
