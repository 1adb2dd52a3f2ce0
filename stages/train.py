"""Train the network on the augmented images, and keep its best epoch."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from joblib import cpu_count
from tqdm import tqdm

from ballast.backend import keras, make_deterministic
from ballast.errors import one_line_errors
from ballast.files import read_json, read_text, write_bytes, write_csv, write_json
from ballast.image_sets import image_files, load_within
from ballast.live import live_values
from ballast.manifest import class_names, read_augmented, read_image, read_manifest, subset_rows
from ballast.model_file import model_bytes
from ballast.network import accept_any_size, build_cnn
from ballast.params import parse_params
from ballast.shards import image_reader
from ballast.training import fit


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

    make_deterministic(params.seed, params.train.threads)
    model = build_cnn(size, len(classes))
    progress = tqdm(total=params.train.epochs, unit=" epochs", mininterval=1)

    def show(_: int, logs: Mapping[str, float]) -> None:
        progress.set_postfix(logs, refresh=False)
        progress.update()

    with live_values(Path("outputs/live")) as live:
        history = fit(
            model,
            train,
            val,
            np.array([weights[name] for name in classes]),
            params.active_strategy,
            params.seed,
            params.train,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=show), *live],
        )
    progress.close()

    write_bytes(Path("models/model.keras"), model_bytes(accept_any_size(model)))
    write_json(Path("models/classes.json"), classes)
    epochs = range(1, len(history["loss"]) + 1)
    columns = [[f"{value:.6g}" for value in values] for values in history.values()]
    write_csv(
        Path("outputs/history.csv"),
        ["epoch", *history],
        zip(epochs, *columns, strict=True),
    )


if __name__ == "__main__":
    with one_line_errors():
        main()
