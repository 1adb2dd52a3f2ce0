"""Measure dvc pull and dvc push of packed training images, against single files and plain copies.

    python -m benchmarks.packing                        20,000 images of 224 pixels
    python -m benchmarks.packing --shard-pixels 4194304 16777216 67108864

Compares single files and shards with DVC's default copies, and shards with hard links (DVC's
cache.type). Makes a temporary DVC project of each below --scratch, with a folder as its remote.
Every round pulls and pushes without DVC's cache and state, as on another machine, and copies the
same files with cp -r; every other round reverses the order. The disk is synced before each command.
The images are random bytes, as many as in JPEGs of that size: DVC does not look into them. Prints
medians of --rounds; the last lines hold the ratios.
"""

import argparse
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from ballast.augment.shards import SHARD_PIXELS, append_image, close_shard, shard_names
from ballast.augment.variants import augmented_path
from ballast.core.manifest import Row

ROUNDS_A_PHOTOGRAPH = 3
# For photographs at quality 95 without subsampling, as Ballast writes them: 38 KB at 224 pixels.
BYTES_PER_PIXEL = 0.76
COPIES = "reflink,copy"  # DVC's default
DVC = [sys.executable, "-m", "dvc"]
MEASURED = ["cp -r", "cp -r, sync", "pull", "pull, sync", "push", "push, sync"]


class Packing(NamedTuple):
    """A way to store the images."""

    name: str
    shard_pixels: int | None  # None for single files
    links: str  # DVC's cache.type


def main() -> None:
    """Run the benchmark; print a table and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=224, help="pixels per side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shard-pixels", type=int, nargs="+", default=[SHARD_PIXELS])
    parser.add_argument("--scratch", type=Path, help="folder for the temporary projects")
    arguments = parser.parse_args()
    ways = [
        Packing("single files", None, COPIES),
        *(
            Packing(f"shards of {n / 2**20:g} Mpixel{kind}", n, links)
            for n in arguments.shard_pixels
            for kind, links in (("", COPIES), (", hard links", "hardlink,copy"))
        ),
    ]
    size, photographs = arguments.size, arguments.images // ROUNDS_A_PHOTOGRAPH
    times: dict[Packing, dict[str, list[float]]] = {way: defaultdict(list) for way in ways}
    with tempfile.TemporaryDirectory(prefix="ballast-packing-", dir=arguments.scratch) as scratch:
        folders = {way: Path(scratch) / str(number) for number, way in enumerate(ways)}
        for way, folder in folders.items():
            make_project(folder, way, size, photographs)
        files = {way: len(digests(folders[way] / "augmented")) for way in ways}
        for round_ in range(arguments.rounds):
            for way in ways[::-1] if round_ % 2 else ways:
                measure(folders[way], times[way], backwards=bool(round_ % 2))
                latest = ", ".join(f"{name} {t[-1]:.2f}" for name, t in times[way].items())
                print(f"round {round_ + 1}, {way.name}: {latest}", file=sys.stderr)
        changed = {way: changed_by_one_more(folders[way], way, size, photographs) for way in ways}

    medians = {way: {name: statistics.median(t) for name, t in times[way].items()} for way in ways}
    rows = [[w.name, files[w], *(medians[w][n] for n in MEASURED), changed[w] / 1e6] for w in ways]
    headers = ["", "files", *(f"{name}, s" for name in MEASURED), "one more photograph, MB"]
    print(f"{3 * photographs} images of {size} pixels\n")
    print(tabulate(rows, headers=headers, floatfmt=".2f", tablefmt="github"))
    for way in ways[1:]:
        print(ratios(way.name, medians[way], medians[ways[0]]))


def ratios(name: str, packed: Mapping[str, float], single: Mapping[str, float]) -> str:
    """The ratios of one packing, on one line."""
    figures = {
        "pull to cp -r": packed["pull"] / packed["cp -r"],
        "pull to cp -r, both with sync": packed["pull, sync"] / packed["cp -r, sync"],
        "pull to pull of single files": packed["pull"] / single["pull"],
        "push to cp -r": packed["push"] / packed["cp -r"],
        "push to push of single files": packed["push"] / single["push"],
    }
    return f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in figures.items())


def make_project(folder: Path, way: Packing, size: int, photographs: int) -> None:
    """Make a DVC project with the images, and push it."""
    (folder / "augmented").mkdir(parents=True)
    write_images(folder / "augmented", way, size, range(photographs))
    run(folder, *DVC, "init", "--no-scm", "--quiet")
    run(folder, *DVC, "config", "cache.type", way.links)
    run(folder, *DVC, "remote", "add", "--default", "--quiet", "storage", str(folder / "remote"))
    run(folder, *DVC, "add", "--quiet", "augmented")
    run(folder, *DVC, "push", "--quiet")


def write_images(folder: Path, way: Packing, size: int, numbers: range) -> None:
    """Write the images of the numbered photographs as the oversample stage does."""
    plan = [(photograph(number), ROUNDS_A_PHOTOGRAPH) for number in numbers]
    names = shard_names(plan, size, way.shard_pixels) if way.shard_pixels else {}
    for row, rounds in plan:
        for round_ in range(rounds):
            path, data = augmented_path(row, round_), image(row, round_, size)
            if names:
                append_image(folder / names[row.sha256, round_], path, data)
            else:
                (folder / path).parent.mkdir(exist_ok=True)
                (folder / path).write_bytes(data)
    for name in set(names.values()):
        close_shard(folder / name)


def photograph(number: int) -> Row:
    """A photograph of one of three classes."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    class_ = ("dog", "human", "snake")[number % 3]
    return Row(f"{class_}/{number:06d}.jpg", class_, "train", "", sha256, 1, 1)


def image(row: Row, round_: int, size: int) -> bytes:
    """Random bytes, 0.5 to 1.5 times the usual length."""
    generator = random.Random(f"{row.sha256} {round_}")
    return generator.randbytes(int(size**2 * BYTES_PER_PIXEL * generator.uniform(0.5, 1.5)))


def measure(folder: Path, times: dict[str, list[float]], backwards: bool) -> None:
    """Copy, pull and push once, in this order or backwards."""
    copy = ["cp", "-r", str(folder / "augmented"), str(folder / "copy")]
    steps = [
        ("cp -r", copy),
        ("pull", [*DVC, "pull", "--quiet"]),
        ("push", [*DVC, "push", "--quiet"]),
    ]
    for name, command in steps[::-1] if backwards else steps:
        shutil.rmtree(folder / "copy", ignore_errors=True)
        shutil.rmtree(folder / ".dvc/tmp", ignore_errors=True)
        shutil.rmtree(folder / "state", ignore_errors=True)
        if name == "pull":
            shutil.rmtree(folder / ".dvc/cache")
            shutil.rmtree(folder / "augmented")
        if name == "push":
            shutil.rmtree(folder / "remote")
        os.sync()
        started = time.perf_counter()
        run(folder, *command)
        times[name].append(time.perf_counter() - started)
        os.sync()
        times[f"{name}, sync"].append(time.perf_counter() - started)


def changed_by_one_more(folder: Path, way: Packing, size: int, photographs: int) -> int:
    """The bytes of the files that change when a photograph is added."""
    before = digests(folder / "augmented")
    shutil.rmtree(folder / "augmented")
    (folder / "augmented").mkdir()
    write_images(folder / "augmented", way, size, range(photographs + 1))
    after = digests(folder / "augmented")
    return sum(after[digest] for digest in after.keys() - before.keys())


def digests(folder: Path) -> dict[str, int]:
    """The length of each file, by its hash."""
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return {hashlib.md5(data).hexdigest(): len(data) for data in files}


def run(folder: Path, *command: str) -> None:
    """Run a command, with DVC's state in the folder."""
    environment = os.environ | {
        "DVC_SITE_CACHE_DIR": str(folder / "state"),
        "DVC_NO_ANALYTICS": "1",
    }
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
