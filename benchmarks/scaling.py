"""Measure how time and memory grow with the number of images, for split and oversample.

    python -m benchmarks.scaling                      1,000 to 16,000 images
    python -m benchmarks.scaling --data photos --images 1000 2000 --repeats 5

Draws that many small photographs into a temporary copy of the project, each from a crop of one
below --data (without --data, from smooth noise). Runs both stages there as whole processes, with
the shipped params but augment.factor 1. Prints by number of images the median seconds of each
stage, and of a second split with nothing changed, and their peak memory in MiB. The last line holds
the ratios of the seconds to those for half as many images.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image
from tabulate import tabulate

from ballast.core.images import ImageError, decode_image
from ballast.dataset.listing import list_files
from benchmarks.alternation import turns

STAGES = ("split", "split again", "oversample")
SIDE = 64
CLASSES = 4


class Cost(NamedTuple):
    """The cost of a stage."""

    seconds: float
    mebibytes: float


def main() -> None:
    """Run the benchmark; print a table and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of photographs to crop")
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 2000, 4000, 8000, 16000])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    sizes = sorted(arguments.images)

    costs: dict[tuple[str, int], list[Cost]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            copy_project(Path(folder, str(size)))
            draw_photos(Path(folder, str(size), "data/raw"), size, arguments.data)
        time.sleep(2.1)  # until split can trust the files' modification times
        for size in turns(sizes, arguments.repeats):
            for stage, cost in run_stages(Path(folder, str(size))).items():
                costs[stage, size].append(cost)

    seconds = {key: statistics.median(c.seconds for c in found) for key, found in costs.items()}
    memory = {key: max(c.mebibytes for c in found) for key, found in costs.items()}
    rows = [
        [size, *(figure[stage, size] for stage in STAGES for figure in (seconds, memory))]
        for size in sizes
    ]
    headers = ["images", *(f"{stage} {unit}" for stage in STAGES for unit in ("s", "MiB"))]
    print(tabulate(rows, headers=headers, floatfmt=("", *(".1f", ".0f") * 3), tablefmt="github"))
    ratios = [
        f"{stage} {2 * size}: {seconds[stage, 2 * size] / seconds[stage, size]:.2f}"
        for stage in STAGES
        for size in sizes
        if 2 * size in sizes
    ]
    print("ratios to half as many images:", ", ".join(ratios))


def copy_project(folder: Path) -> None:
    """Copy the code, with params for the new folder of photographs."""
    for name in ("ballast", "stages"):
        shutil.copytree(name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["data"]["raw"] = "data/raw"
    params["augment"]["factor"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def draw_photos(raw: Path, count: int, source: Path | None) -> None:
    """Write photographs, distributed over classes; the same for the same arguments."""
    generator = np.random.default_rng(count)
    pictures = list(readable(source)) if source else []
    for number in range(count):
        if pictures:
            whole = pictures[number % len(pictures)]
            side = int(generator.uniform(0.3, 0.7) * min(whole.size))
            left, top = (int(generator.integers(0, n - side + 1)) for n in whole.size)
            image = whole.crop((left, top, left + side, top + side))
        else:
            image = Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        path = raw / f"class {number % CLASSES}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, quality=90)


def readable(folder: Path) -> list[Image.Image]:
    """Decode at most 500 images of a folder, scaled to at most 512 pixels per side."""
    images = []
    for path in list_files(folder):
        try:
            image = decode_image((folder / path).read_bytes())
        except ImageError:
            continue
        image.thumbnail((512, 512))
        images.append(image)
        if len(images) == 500:
            break
    return images


def run_stages(project: Path) -> dict[str, Cost]:
    """Run split on new photographs, split again, and oversample."""
    shutil.rmtree(project / ".dvc", ignore_errors=True)
    costs = {"split": run(project, "split"), "split again": run(project, "split")}
    run(project, "count_classes")
    return costs | {"oversample": run(project, "oversample")}


def run(project: Path, stage: str) -> Cost:
    """Run a stage in its own process."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"stages.{stage} failed in {project}")
    return Cost(time.perf_counter() - started, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
