"""Predict the class of every test photograph, or of images given on the command line."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from joblib import cpu_count
from tabulate import tabulate

from ballast.backend import make_deterministic
from ballast.decoding_cost import most_bytes
from ballast.errors import UserError, one_line_errors, warn
from ballast.files import read_json, read_text
from ballast.folders import is_folder, list_files, unreadable
from ballast.image_sets import image_files
from ballast.images import ImageError, decode_image, resize_image, without_warnings
from ballast.inference import input_size, load_model, predict
from ballast.manifest import read_image, read_manifest, subset_rows
from ballast.params import Params, parse_params
from ballast.predictions import Predictions, write_predictions


def main(arguments: Sequence[str]) -> None:
    """Write outputs/predictions.csv, or print a table for the paths in `arguments`."""
    parser = argparse.ArgumentParser(prog="python -m stages.predict", description=__doc__)
    parser.add_argument("paths", nargs="*", metavar="PATH", help="an image, or a folder of images")
    paths: list[str] = parser.parse_args(arguments).paths
    params = parse_params(read_text(Path("params.yaml")))
    make_deterministic(params.seed, params.train.threads)
    if paths:
        with without_warnings():
            predict_paths(paths, params.data.max_megapixels)
    else:
        predict_test_set(params)


def predict_test_set(params: Params) -> None:
    """Read the manifest, the model and the test photographs; write outputs/predictions.csv."""
    manifest = Path("data/manifest.csv")
    rows = subset_rows(read_manifest(manifest), "test")
    if not rows:
        raise UserError(
            f"{manifest}: not as a stage wrote it; run python -m stages.check, then dvc repro"
        )
    model, classes = load_model(Path("models/model.keras")), read_json(Path("models/classes.json"))
    workers = params.runtime.workers or cpu_count()
    read = partial(read_image, Path(params.data.raw))
    probabilities = predict(model, image_files(read, rows, classes, input_size(model), workers))
    predictions = Predictions(
        classes, [row.path for row in rows], [row.class_ for row in rows], probabilities
    )
    write_predictions(Path("outputs/predictions.csv"), predictions)
    print(f"{len(rows)} test photographs predicted")


def predict_paths(paths: Sequence[str], max_megapixels: float) -> None:
    """Print a table of predictions; name the files that are no images on stderr.

    Raises:
        UserError: where there is no model or no such file, or nothing could be read.
    """
    model, classes = load_model(Path("models/model.keras")), read_json(Path("models/classes.json"))
    size = input_size(model)
    names, pixels = [], []
    for path in _files(paths):
        try:
            problem = unreadable(path)
            if problem or path.stat().st_size > most_bytes(max_megapixels):
                raise ImageError(problem or "larger than any image of data.max_megapixels")
            image = decode_image(path.read_bytes(), max_megapixels, size)
        except (ImageError, OSError) as error:
            warn(f"{path}: {error}")
        else:
            pixels.append(np.asarray(resize_image(image, size)))
            names.append(str(path))
    if not names:
        raise UserError(f"{', '.join(paths)}: no image that can be read")
    probabilities = predict(model, np.stack(pixels))
    table = Predictions(classes, names, [""] * len(names), probabilities)
    rows = zip(names, table.predicted, *probabilities.T, strict=True)
    print(tabulate(rows, headers=["path", "predicted", *classes], floatfmt=".3f"))


def _files(names: Sequence[str]) -> Iterator[Path]:
    for name in names:
        path = Path(name)
        if not name or unreadable(path) == "gone":
            raise UserError(f"{name}: no such file or folder")
        if is_folder(path):
            yield from (path / below for below in list_files(path))
        else:
            yield path


if __name__ == "__main__":
    with one_line_errors():
        main(sys.argv[1:])
