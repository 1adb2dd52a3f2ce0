"""Predict the class of every test photograph."""

from functools import partial
from pathlib import Path

from joblib import cpu_count

from ballast.core import paths
from ballast.core.errors import UserError, one_line_errors
from ballast.core.files import read_text
from ballast.core.manifest import read_image, read_manifest, subset_rows
from ballast.core.params import parse_params
from ballast.keras_setup import make_deterministic
from ballast.model.inference import predict
from ballast.model.inputs import image_files
from ballast.model.saved import input_size, load_model, read_info
from ballast.scores.predictions import Predictions, write_predictions


def main() -> None:
    """Read the manifest, the model and the test photographs; write outputs/predictions.csv."""
    params = parse_params(read_text(paths.PARAMS))
    path = paths.MODEL
    info = read_info(path)
    manifest = paths.MANIFEST
    rows = subset_rows(read_manifest(manifest), "test")
    if not rows:
        raise UserError(f"{manifest}: edited or damaged; run ballast check, then dvc repro")
    make_deterministic(params.seed, info.threads)
    model = load_model(path)
    workers = params.runtime.workers or cpu_count()
    read = partial(read_image, Path(params.data.raw))
    images = image_files(read, rows, info.classes, input_size(model), workers)
    predictions = Predictions(
        info.classes,
        [row.path for row in rows],
        [row.class_ for row in rows],
        predict(model, images),
    )
    write_predictions(paths.PREDICTIONS, predictions)
    print(f"{len(rows)} test photographs predicted")


if __name__ == "__main__":
    with one_line_errors():
        main()
