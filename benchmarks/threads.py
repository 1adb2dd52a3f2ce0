"""Measure training time with a fixed number of threads, against TensorFlow's own choice.

    python -m benchmarks.threads                2 threads, as shipped
    python -m benchmarks.threads --threads 1 4 --images 2000

Trains the network on random pixels with each number of threads in turn, --repeats times, each time
in a new process. Prints medians, and their ratio to TensorFlow's choice, one thread per core.
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from tabulate import tabulate

from ballast.core.files import read_text
from ballast.core.params import parse_params
from ballast.model.inputs import ImageSet
from benchmarks.alternation import turns


def main() -> None:
    """Run the benchmark; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once is not None:
        seconds, digest = train(arguments.once, arguments.images, arguments.epochs)
        print(seconds, digest)
        return

    numbers = [0, *arguments.threads]
    times, weights = defaultdict(list), defaultdict(set)
    sizes = ["--images", str(arguments.images), "--epochs", str(arguments.epochs)]
    for threads in turns(numbers, arguments.repeats):
        command = [sys.executable, "-m", "benchmarks.threads", "--once", str(threads), *sizes]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        elapsed, hashed = said.split()
        times[threads].append(float(elapsed))
        weights[threads].add(hashed)
    free = statistics.median(times[0])
    rows = [
        [
            threads or f"free ({os.cpu_count()} cores)",
            statistics.median(times[threads]),
            statistics.median(times[threads]) / free,
            min(times[threads]),
            max(times[threads]),
            ", ".join(sorted(weights[threads])),
        ]
        for threads in numbers
    ]
    headers = ["threads", "median s", "ratio", "min s", "max s", "weights"]
    print(tabulate(rows, headers=headers, floatfmt=".2f", tablefmt="github"))


def train(threads: int, images: int, epochs: int) -> tuple[float, str]:
    """Train once.

    Returns:
        The seconds of all epochs but the first, which compiles, and a hash of the weights.
    """
    # Imported here, because the parent does not need TensorFlow.
    from ballast.keras_setup import keras, make_deterministic
    from ballast.model.cnn import build_cnn
    from ballast.model.training import TrainingInputs, fit

    params = parse_params(read_text(Path("params.yaml")))
    size = params.data.image_size
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (images, size, size, 3), dtype=np.uint8)
    train_set = ImageSet(pixels, np.arange(images) % 3)
    none = ImageSet(pixels[:0], train_set.labels[:0])
    make_deterministic(params.seed, threads)
    model = build_cnn(size, 3)
    ends: list[float] = []

    def note_end(_: int, __: object) -> None:
        ends.append(time.perf_counter())

    inputs = TrainingInputs(
        train_set,
        none,
        np.ones(3),
        params.active_strategy,
        params.seed,
        [keras.callbacks.LambdaCallback(on_epoch_end=note_end)],
    )
    fit(model, inputs, replace(params.train, epochs=epochs, patience=epochs))
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights()))
    return ends[-1] - ends[0], digest.hexdigest()[:8]


if __name__ == "__main__":
    main()
