"""Measure `ballast predict`, against decoding the files and model.predict alone.

    python -m benchmarks.prediction photos                models/model.keras, 1,000 photographs
    python -m benchmarks.prediction photos --model PATH --images 300

Makes --images JPEG files of 500 x 400 pixels from random crops of the photographs in a folder. Then
times both ways in turn, --repeats times: `ballast predict`, from loading the model to the last line
printed; and decoding and resizing the files one by one, then model.predict on all arrays, with the
model already loaded. Prints medians, then their ratio.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from tabulate import tabulate

from ballast.classifier import Classifier
from ballast.commands.predict import print_predictions
from ballast.core.images import decode_image, image_array
from ballast.dataset.listing import list_files
from ballast.keras_setup import keras, make_deterministic
from ballast.model.model_file import read_info
from ballast.model.saved import input_size
from benchmarks.alternation import alternated_seconds

SIZE = (500, 400)


def main() -> None:
    """Run the benchmark; print a table and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", type=Path, default=Path("models/model.keras"))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    make_deterministic(0, read_info(arguments.model).threads)
    model = Classifier.load(arguments.model).model
    with tempfile.TemporaryDirectory() as folder:
        paths = write_photographs(arguments.photos, Path(folder), arguments.images)
        ways = {
            "decoding, then model.predict": lambda: bare(model, paths),
            "ballast predict": lambda: command(arguments.model, paths),
        }
        times = alternated_seconds(ways, arguments.repeats)
    rows = [[name, statistics.median(s), min(s), max(s)] for name, s in times.items()]
    bare_median, median = (statistics.median(seconds) for seconds in times.values())
    headers = [f"{len(paths)} photographs", "median s", "min s", "max s"]
    print(tabulate(rows, headers=headers, floatfmt=".2f", tablefmt="github"))
    print(f"ratio: {median / bare_median:.2f}")


def write_photographs(source: Path, folder: Path, count: int) -> list[Path]:
    """Write JPEG files of SIZE, each a different crop of a photograph in `source`."""
    photographs = [decode_image((source / name).read_bytes()) for name in list_files(source)]
    generator = np.random.default_rng(1)
    paths = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        width, height = photograph.size
        left, top = generator.uniform(0, 0.2, 2) * photograph.size
        box = (left, top, left + 0.8 * width, top + 0.8 * height)
        paths.append(folder / f"{number:05d}.jpg")
        photograph.resize(SIZE, Image.Resampling.BICUBIC, box).save(paths[-1], quality=90)
    return paths


def bare(model: keras.Model, paths: list[Path]) -> None:
    """Decode, resize and predict, one after the other."""
    size = input_size(model)
    model.predict(np.stack([image_array(path.read_bytes(), size) for path in paths]), verbose=0)


def command(model: Path, paths: list[Path]) -> None:
    """What ballast predict does once Python has started."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        classifier = Classifier.load(model)
        print_predictions(classifier, classifier.stream, map(str, paths), "csv")


if __name__ == "__main__":
    main()
