"""Measure how fast images reach the network, and how much memory training uses.

    python -m benchmarks.training_input                 both parts, 8 minutes
    python -m benchmarks.training_input --only speed
    python -m benchmarks.training_input --only memory --images 5000 50000

Speed: images per second through Keras's fit with a trivial network, for 1,000 JPEGs of 64 pixels in
classes of 500, 400 and 100. Compares in turn: Ballast's plain and balanced batches, from memory and
from files; imbalanced-learn's BalancedBatchGenerator, from arrays in memory, with RandomOverSampler
for as many images per epoch, both with one call of TensorFlow per epoch, as in Ballast, and with
one per batch, Keras's default; Keras's image_dataset_from_directory; and tf.data's parallel map.
The first epoch, which compiles, does not count.

Memory: the peak of `python -m stages.train`, one epoch of the shipped network, for both numbers of
--images, with a budget (runtime.image_memory) that holds neither set, and with one that holds the
smaller.

Prints medians of --rounds; the last line holds the ratios.
"""

import argparse
import hashlib
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image
from tabulate import tabulate

from ballast.core.files import read_text, write_json
from ballast.core.manifest import AugmentedRow, Row, image_reader, write_augmented, write_manifest
from ballast.core.params import Params, Strategy, parse_params
from ballast.model.inputs import ImageFiles, ImageSet, image_files, load_within

if TYPE_CHECKING:
    from ballast.keras_setup import keras

SIZE = 64
BATCH_SIZE = 24
COUNTS = {"dog": 100, "human": 400, "snake": 500}
# After the first: enough for some seconds each, since shorter times are unreliable.
EPOCHS_IN_MEMORY, EPOCHS_FROM_FILES = 40, 10
ROOT = Path(__file__).parent.parent


def main() -> None:
    """Run the benchmark; print tables and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, nargs=2, default=[5_000, 50_000])
    parser.add_argument("--only", choices=["speed", "memory"])
    arguments = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory(prefix="ballast-input-") as scratch:
        if arguments.only != "memory":
            ratios += speed(Path(scratch), arguments.rounds)
        if arguments.only != "speed":
            ratios += memory(Path(scratch), arguments.images, arguments.rounds)
    print(", ".join(ratios))


def write_jpegs(folder: Path, counts: dict[str, int]) -> list[AugmentedRow]:
    """Write images of a few patterns; different bytes after the end marker make each unique."""
    generator, rows = np.random.default_rng(1), []
    pixels = generator.integers(0, 256, (32, 8, 8, 3), dtype=np.uint8)
    patterns = []
    for small in pixels:
        file = io.BytesIO()
        image = Image.fromarray(small).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        image.save(file, "JPEG", quality=90, subsampling=0)
        patterns.append(file.getvalue())
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            path, data = f"{name}/{number:06d}.jpg", patterns[number % 32] + b"%d" % number
            (folder / path).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            rows.append(AugmentedRow(path, name, path, 0, digest))
    return rows


def speed(scratch: Path, rounds: int) -> list[str]:
    """Measure each way to feed the network, in turn.

    Returns:
        The ratios.
    """
    # Imported here, because the memory part does not need TensorFlow in this process.
    from ballast.keras_setup import make_deterministic

    params = parse_params(read_text(ROOT / "params.yaml"))
    make_deterministic(params.seed, params.train.threads)
    folder = scratch / "images"
    rows = write_jpegs(folder, COUNTS)
    files = image_files(image_reader(folder), rows, [*COUNTS], SIZE, os.cpu_count() or 1)
    (loaded,) = load_within(2**30, files)
    assert isinstance(loaded, ImageSet)
    ways: dict[str, Callable[[], float]] = {
        "plain, in memory": lambda: ballast_speed(params, loaded, balanced=False),
        "balanced, in memory": lambda: ballast_speed(params, loaded, balanced=True),
        "plain, from files": lambda: ballast_speed(params, files, balanced=False),
        "balanced, from files": lambda: ballast_speed(params, files, balanced=True),
        "imbalanced-learn, an epoch a call": lambda: imblearn_speed(loaded, epoch_a_call=True),
        "imbalanced-learn, a batch a call": lambda: imblearn_speed(loaded, epoch_a_call=False),
        "image_dataset_from_directory": lambda: directory_speed(folder),
        "tf.data's parallel map, from files": lambda: map_speed(files),
    }
    found = defaultdict(list)
    for round_ in range(rounds):
        for name in [*ways][:: -1 if round_ % 2 else 1]:
            found[name].append(ways[name]())
            print(f"round {round_ + 1}, {name}: {found[name][-1]:.0f}", file=sys.stderr)
    medians = {name: statistics.median(values) for name, values in found.items()}
    table = [[name, medians[name], min(found[name]), max(found[name])] for name in ways]
    headers = ["", "images/s, median", "min", "max"]
    print(tabulate(table, headers=headers, floatfmt=".0f", tablefmt="github"), "\n")
    peer = max(medians[name] for name in ways if name.startswith("imbalanced-learn"))
    return [
        f"balanced to plain {medians['balanced, in memory'] / medians['plain, in memory']:.2f}"
        f" (from files {medians['balanced, from files'] / medians['plain, from files']:.2f})",
        f"balanced to imbalanced-learn {medians['balanced, in memory'] / peer:.2f}",
    ]


def trivial_network(*, flat: bool = False) -> "keras.Model":
    """Build a network that averages every eighth pixel, followed by one dense layer.

    Args:
        flat: whether images are vectors.
    """
    from ballast.keras_setup import keras

    inputs = keras.Input((SIZE * SIZE * 3,) if flat else (SIZE, SIZE, 3))
    images = keras.layers.Reshape((SIZE, SIZE, 3))(inputs) if flat else inputs
    few = keras.layers.GlobalAveragePooling2D()(images[:, ::8, ::8])
    return keras.Model(inputs, keras.layers.Dense(len(COUNTS), activation="softmax")(few))


def ballast_speed(params: Params, images: ImageSet | ImageFiles, *, balanced: bool) -> float:
    """Images per second through ballast.model.training.fit."""
    from ballast.keras_setup import keras
    from ballast.model.training import TrainingInputs, fit

    epochs = 1 + (EPOCHS_FROM_FILES if isinstance(images, ImageFiles) else EPOCHS_IN_MEMORY)
    ends: list[float] = []
    inputs = TrainingInputs(
        images,
        ImageSet(np.empty((0, SIZE, SIZE, 3), np.uint8), np.empty(0, np.int64)),
        np.ones(len(COUNTS)),
        Strategy(oversample=False, class_weights=None, balanced_batches=balanced),
        params.seed,
        [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.perf_counter()))],
    )
    settings = replace(params.train, epochs=epochs, patience=epochs, batch_size=BATCH_SIZE)
    fit(trivial_network(), inputs, settings)
    shown = max(COUNTS.values()) * len(COUNTS) if balanced else sum(COUNTS.values())
    return shown * (epochs - 1) / (ends[-1] - ends[0])


def keras_speed(
    batches: Any,  # noqa: ANN401  # of any library
    steps: int,
    shown: int,
    *,
    epochs: int,
    steps_a_call: int,
    flat: bool = False,
) -> float:
    """Images per second through Keras's fit."""
    from ballast.keras_setup import keras

    ends: list[float] = []
    model = trivial_network(flat=flat)
    model.compile(
        keras.optimizers.Adam(),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_a_call,
    )
    model.fit(
        batches,
        epochs=epochs + 1,
        steps_per_epoch=steps,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.perf_counter()))
        ],
    )
    return shown * epochs / (ends[-1] - ends[0])


def imblearn_speed(images: ImageSet, *, epoch_a_call: bool) -> float:
    """Images per second of BalancedBatchGenerator, which accepts only vectors."""
    from imblearn.keras import BalancedBatchGenerator
    from imblearn.over_sampling import RandomOverSampler

    generator = BalancedBatchGenerator(
        images.pixels.reshape(len(images.pixels), -1),
        images.labels,
        sampler=RandomOverSampler(random_state=1),
        batch_size=BATCH_SIZE,
        random_state=1,
    )
    steps = len(generator)
    return keras_speed(
        generator,
        steps,
        steps * BATCH_SIZE,
        epochs=EPOCHS_IN_MEMORY,
        steps_a_call=steps if epoch_a_call else 1,
        flat=True,
    )


def directory_speed(folder: Path) -> float:
    """Images per second of Keras's own loader, which decodes with TensorFlow."""
    from ballast.keras_setup import keras

    batches = keras.utils.image_dataset_from_directory(
        folder, image_size=(SIZE, SIZE), batch_size=BATCH_SIZE, seed=1, verbose=False
    ).repeat()
    count = sum(COUNTS.values())
    steps = -(-count // BATCH_SIZE)
    return keras_speed(batches, steps, count, epochs=EPOCHS_FROM_FILES, steps_a_call=steps)


def map_speed(files: ImageFiles) -> float:
    """Images per second of Pillow's decoder in a parallel Dataset.map."""
    from ballast.core.images import image_array
    from ballast.keras_setup import tf

    def decode(index: int) -> NDArray[np.uint8]:
        return image_array(files.read(index), SIZE)

    def load(index: Any) -> Any:  # noqa: ANN401  # a tensor
        pixels = tf.numpy_function(decode, [index], tf.uint8, stateful=False)
        return tf.ensure_shape(pixels, (SIZE, SIZE, 3)), tf.gather(files.labels, index)

    count = len(files.labels)
    indices = tf.data.Dataset.range(count).shuffle(count, seed=1).repeat()
    batches = indices.map(load, num_parallel_calls=files.workers).batch(BATCH_SIZE).prefetch(2)
    steps = -(-count // BATCH_SIZE)
    shown = steps * BATCH_SIZE
    return keras_speed(batches, steps, shown, epochs=EPOCHS_FROM_FILES, steps_a_call=steps)


def memory(scratch: Path, numbers: Sequence[int], rounds: int) -> list[str]:
    """Measure the peak memory of the train stage for both numbers of images and both budgets.

    Returns:
        The ratios.
    """
    few, many = numbers
    mebibytes = few * SIZE**2 * 3 / 2**20
    budgets = [int(mebibytes / 2), int(mebibytes * 2)]
    folders = {number: make_project(scratch / str(number), number) for number in numbers}
    peaks = defaultdict(list)
    for round_ in range(rounds):
        cases = [(budget, number) for budget in budgets for number in numbers]
        for budget, number in cases[:: -1 if round_ % 2 else 1]:
            peak = peak_of_train(folders[number], budget)
            peaks[budget, number].append(peak)
            told = f"round {round_ + 1}, {number} images, {budget} MiB"
            print(f"{told}: {peak:.0f} MiB", file=sys.stderr)
    medians = {case: statistics.median(values) for case, values in peaks.items()}
    table = [
        [
            budget,
            *(medians[budget, n] for n in numbers),
            medians[budget, many] / medians[budget, few],
        ]
        for budget in budgets
    ]
    headers = ["image_memory, MiB", *(f"{n} images, MiB" for n in numbers), "ratio"]
    print(
        tabulate(table, headers=headers, floatfmt=("", ".0f", ".0f", ".2f"), tablefmt="github"),
        "\n",
    )
    named = [f"{row[0]} MiB {row[-1]:.2f}" for row in table]
    return [f"memory for {many} images to {few}: {', '.join(named)}"]


def make_project(folder: Path, number: int) -> Path:
    """Write the inputs of the train stage: images of three classes, and val photographs."""
    for name in ("ballast", "stages"):
        shutil.copytree(ROOT / name, folder / name)
    shares = {"dog": number // 10, "human": number * 4 // 10}
    shares["snake"] = number - sum(shares.values())
    write_augmented(folder / "data/augmented.csv", write_jpegs(folder / "data/augmented", shares))
    val = write_jpegs(folder / "raw", dict.fromkeys(shares, 100))
    write_manifest(
        folder / "data/manifest.csv",
        [Row(row.path, row.class_, "val", "", row.sha256, SIZE, SIZE) for row in val],
    )
    write_json(folder / "outputs/class_weights.json", dict.fromkeys(shares, 1.0))
    return folder


def peak_of_train(folder: Path, image_memory: int) -> float:
    """Train one epoch in a new process; return its peak resident set size in MiB."""
    params = yaml.safe_load(read_text(ROOT / "params.yaml"))
    params["data"] |= {"raw": "raw", "image_size": SIZE}
    params["train"] |= {"epochs": 1, "min_epochs": 1}
    params["runtime"]["image_memory"] = image_memory
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    command = [sys.executable, "-m", "stages.train"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE) as process:
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            assert process.stderr
            raise RuntimeError(process.stderr.read().decode())
        process.returncode = 0
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
