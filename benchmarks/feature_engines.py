"""Compare the time for the exact features of photographs by engine: local with 1 and N cores, Dask.

    python -m benchmarks.feature_engines --data FOLDER
    python -m benchmarks.feature_engines --data FOLDER --photographs 2000 --cores 2 --repeats 5

Each run is a process of its own, because TensorFlow's threads are fixed once they have started. On
Linux, it is held to so many cores: with one worker, Ballast decodes in a thread beside the one that
computes. It computes four batches per core that do not count, then reads, decodes and computes the
rest; nothing is kept. FOLDER is read recursively; fewer photographs are taken several times. Dask
starts its cluster on this machine, with a process per core.

Prints the median photographs per second, and the ratios of each round.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from ballast.core.files import read_text
from ballast.core.params import parse_params
from ballast.core.paths import KERAS_DOWNLOADS, PARAMS
from ballast.core.store import ContentStore
from ballast.dataset.listing import list_files
from ballast.model.features import BATCH_SIZE, image_features, read_backbone
from ballast.model.inputs import ImageFiles
from ballast.workers.processes import Engine
from benchmarks.alternation import turns


def main() -> None:
    """Run the benchmark; print the table, or one run if its engine is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photographs", type=int, default=2000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engine", choices=["local", "dask"], help="run only this one")
    arguments = parser.parse_args()
    if arguments.engine:
        if sys.platform == "linux":
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
        engine = Engine(arguments.cores, arguments.engine)
        print(json.dumps(timed_features(arguments.data, arguments.photographs, engine)))
        return

    ways = {
        "local, 1 core": ("local", 1),
        f"local, {arguments.cores} cores": ("local", arguments.cores),
        f"dask, {arguments.cores} workers": ("dask", arguments.cores),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    digests: set[str] = set()
    for name in turns(ways, arguments.repeats):
        engine_name, cores = ways[name]
        said = subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks.feature_engines"),
                *("--data", str(arguments.data), "--photographs", str(arguments.photographs)),
                *("--engine", engine_name, "--cores", str(cores)),
            ],
            stdout=subprocess.PIPE,
            check=True,
        )
        rate, digest = json.loads(said.stdout)
        rates[name].append(rate)
        digests.add(digest)
    one, all_, dask = rates.values()
    table = [[name, statistics.median(found)] for name, found in rates.items()]
    print(tabulate(table, headers=["engine", "photographs/s"], floatfmt=".0f", tablefmt="github"))
    for name, above, below in (
        (f"{arguments.cores} cores to 1", all_, one),
        ("Dask to local", dask, all_),
    ):
        found = [a / b for a, b in zip(above, below, strict=True)]
        listed = " ".join(f"{ratio:.2f}" for ratio in found)
        print(f"{name}: {statistics.median(found):.2f} ({listed})")
    print("same bytes" if len(digests) == 1 else "DIFFERENT BYTES")


def timed_features(folder: Path, count: int, engine: Engine) -> tuple[float, str]:
    """Photographs per second, and the SHA-256 of all features."""
    paths = [folder / path for path in list_files(folder)]
    paths = (paths * -(-count // len(paths)))[:count]
    params = parse_params(read_text(PARAMS))
    size = params.data.image_size
    backbone = read_backbone(params.train, size, KERAS_DOWNLOADS, engine.workers)

    def features(chosen: list[Path], engine: Engine) -> NDArray[np.float32]:
        files = ImageFiles(
            lambda place: chosen[place].read_bytes(),
            np.zeros(len(chosen), np.int64),
            size,
            engine.workers,
            [str(path) for path in chosen],
            None,
        )
        names = [str(place) for place in range(len(chosen))]
        with tempfile.TemporaryDirectory() as nothing:
            return image_features(backbone, files, names, ContentStore(Path(nothing), 0), engine)

    with started(engine) as running:
        features(paths[: BATCH_SIZE * 4 * engine.workers], running)
        start = time.perf_counter()
        found = features(paths, running)
        seconds = time.perf_counter() - start
    return len(paths) / seconds, hashlib.sha256(found.tobytes()).hexdigest()


@contextmanager
def started(engine: Engine) -> Iterator[Engine]:
    """An engine whose processes live as long as the context, as those of a real cluster do."""
    if engine.name == "local":
        yield engine
        return
    from ballast.workers.dask import cluster  # an optional dependency

    with cluster(engine.workers) as local:
        yield engine._replace(scheduler=local.scheduler_address)


if __name__ == "__main__":
    main()
