"""Measure how time and memory grow with the number of photographs, for every stage and predict.

    python -m benchmarks.scaling                      1,000 to 16,000 photographs
    python -m benchmarks.scaling --data photos --images 1000 2000 --repeats 5
    python -m benchmarks.scaling --side 32 --images 10000 20000 40000 --stages split train

Draws that many small photographs into a temporary copy of the project, each from a crop of one
below --data (without --data, from smooth noise with a tint for each class). Runs the stages there
one after the other as whole processes, with the shipped params except for data.image_size, which is
--side, cross_validation.seeds, which is --seeds, and a store that is large enough. "split again" is
a second split with nothing changed. Prints for every stage the median seconds and the peak memory
in MiB of its own process by number of photographs, and the exponents with which seconds and those
of the processors grow, with their intervals of 95 %: many files can fill the caches of the system,
for which programs wait. How much longer twice as many photographs take is what
benchmarks.doubling measures.
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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image
from scipy.stats import linregress, t
from tabulate import tabulate

from ballast.core.images import ImageError, decode_image
from ballast.dataset.listing import list_files
from benchmarks.alternation import turns

COMMANDS = {
    "split": ["stages.split"],
    "split again": ["stages.split"],
    "count-classes": ["stages.count_classes"],
    "oversample": ["stages.oversample"],
    "compute-weights": ["stages.compute_weights"],
    "train": ["stages.train"],
    "cross-validate": ["stages.cross_validate"],
    "explain": ["stages.explain"],
    "evaluate": ["stages.evaluate"],
    "predict": ["ballast", "predict", "--out", "predictions.csv", "data/raw"],
}
# What stages make that another run of theirs would find.
MADE = {
    "split": (".dvc", "outputs"),
    "oversample": ("data/augmented",),
    "train": (".dvc/tmp/image_store", "models"),
    "predict": ("predictions.csv",),
}
PROJECT = ("ballast", "dvc.yaml", "params.yaml", "pretrained", "pyproject.toml", "stages")
CLASSES = 4


class Cost(NamedTuple):
    """The cost of a stage."""

    seconds: float
    processor: float  # seconds of it, with all worker processes
    mebibytes: float


def main() -> None:
    """Run the benchmark; print a table."""
    parser = photographs_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="of cross-validation")
    parser.add_argument("--stages", nargs="+", choices=COMMANDS, default=[*COMMANDS])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    sizes = sorted(arguments.images)

    costs: dict[tuple[str, int], list[Cost]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            project = Path(folder, str(size))
            copy_project(project, arguments.side, arguments.seeds)
            draw_photos(project / "data/raw", size, arguments.side, arguments.data)
        time.sleep(2.1)  # until split can trust the files' modification times
        for size in turns(sizes, arguments.repeats):
            for stage, cost in run_stages(Path(folder, str(size)), arguments.stages).items():
                costs[stage, size].append(cost)
                print(f"{size:,} {stage}: {cost}", file=sys.stderr)  # a run can take an hour
    print(table(costs, arguments.stages, sizes))


def photographs_parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options of the photographs."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of photographs to crop")
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 2000, 4000, 8000, 16000])
    parser.add_argument("--side", type=int, default=64, help="of the photographs, in pixels")
    return parser


def table(
    costs: Mapping[tuple[str, int], Sequence[Cost]], stages: Sequence[str], sizes: Sequence[int]
) -> str:
    """Format the costs by stage and size."""
    rows = []
    for stage in stages:
        seconds = {n: statistics.median(cost.seconds for cost in costs[stage, n]) for n in sizes}
        memory = {n: max(cost.mebibytes for cost in costs[stage, n]) for n in sizes}
        cells = [f"{seconds[n]:.1f} s, {memory[n]:.0f} MiB" for n in sizes]
        points = [(n, cost.seconds) for n in sizes for cost in costs[stage, n]]
        used = [(n, cost.processor) for n in sizes for cost in costs[stage, n]]
        rows.append([stage, *cells, exponent(points), exponent(used)])
    headers = ["stage", *(f"{n:,}" for n in sizes), "exponent", "of processor"]
    return tabulate(rows, headers=headers, tablefmt="github")


def exponent(points: Sequence[tuple[int, float]]) -> str:
    """The slope of the logarithm of seconds over that of sizes, with its interval of 95 %."""
    if len(points) < 3 or len({size for size, _ in points}) < 2:
        return ""
    line = linregress(*np.log(points).T)
    half = t.ppf(0.975, len(points) - 2) * line.stderr
    return f"{line.slope:.2f} ({line.slope - half:.2f} to {line.slope + half:.2f})"


def copy_project(folder: Path, side: int, seeds: int) -> None:
    """Copy what stages need, with params for the new folder of photographs."""
    folder.mkdir(parents=True)
    for name in PROJECT:
        if Path(name).is_dir():
            shutil.copytree(name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(name, folder)
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["data"] |= {"raw": "data/raw", "image_size": side}
    params["cross_validation"]["seeds"] = seeds
    params["runtime"]["image_store"] = 2**20
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def draw_photos(raw: Path, count: int, pixels: int, source: Path | None) -> None:
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
            noise = generator.integers(0, 256, (16, 16, 3))
            noise[:, :, number % CLASSES % 3] //= 1 + number % CLASSES  # tints that can be learned
            image = Image.fromarray(noise.astype(np.uint8))
        path = raw / f"class {number % CLASSES}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.resize((pixels, pixels), Image.Resampling.BICUBIC).save(path, quality=90)


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


def reset(project: Path, stages: Iterable[str] = MADE) -> None:
    """Move what stages made aside, until all is measured.

    For minutes, ext4 gives no new file the inode of a deleted one, and for each new file it looks
    at them one by one: after 80,000 images were deleted, oversample took two to four times as long.
    """
    aside = Path(tempfile.mkdtemp(dir=project.parent))
    for made in (made for stage in stages for made in MADE.get(stage, ())):
        path = project / made
        if path.exists():
            path.rename(aside / path.name)


def run_stages(project: Path, stages: Sequence[str]) -> dict[str, Cost]:
    """Run all stages up to the last of the given ones, from the start; return their costs."""
    reset(project)
    last = max(map([*COMMANDS].index, stages))
    return {stage: run(project, COMMANDS[stage]) for stage in [*COMMANDS][: last + 1]}


def run(project: Path, command: Sequence[str]) -> Cost:
    """Run a module with its arguments in its own process."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-m", *command],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed in {project}")
    processor = usage.ru_utime + usage.ru_stime
    return Cost(time.perf_counter() - started, processor, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
