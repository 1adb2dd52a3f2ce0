"""Measure oversample when most images are kept from an earlier run.

    python -m benchmarks.incremental --data photos

Crops the photographs of a folder into --photographs of 500 x 400 pixels with the same class shares.
Then times the whole process of the stage oversample (images of 224 x 224) --rounds times: from
nothing, after adding one photograph, and with a factor of 4 instead of 3. Beforehand, it removes
what DVC would remove, moves the store of images away for a run from nothing, and syncs the disk.
Checks that every byte is the same as in a run from nothing. Prints medians, and ratios on the last
line.
"""

import argparse
import hashlib
import io
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml
from PIL import Image
from tabulate import tabulate

from ballast.core.files import write_json
from ballast.core.manifest import Row, write_manifest

ROOT = Path(__file__).parent.parent
STORE = ".dvc/tmp/image_store"
RUNS = (
    # name, additional photographs, factor, whether from nothing
    ("from nothing, factor 3", 0, 3, True),
    ("one photograph more", 1, 3, False),
    ("factor 4 after 3", 1, 4, False),
    ("from nothing, one photograph more", 1, 3, True),
    ("from nothing, factor 4", 1, 4, True),
)


def main() -> None:
    """Run the benchmark; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        rows = write_photographs(project / "photos", arguments.data, arguments.photographs + 1)
        for _ in range(arguments.rounds):
            made: dict[tuple[int, int], str] = {}
            for name, more, factor, from_nothing in RUNS:
                prepare(project, rows[: arguments.photographs + more], factor)
                if from_nothing and (project / STORE).exists():
                    (project / STORE).rename(tempfile.mkdtemp(dir=project))
                os.sync()
                start = time.perf_counter()
                run(project)
                times[name].append(time.perf_counter() - start)
                digest = digest_of(project / "data")
                if made.setdefault((more, factor), digest) != digest:
                    raise SystemExit(
                        f"ERROR: {name}: bytes differ from those of a run from nothing"
                    )
    medians = {name: statistics.median(times[name]) for name in times}
    table = [[name, medians[name], min(times[name]), max(times[name])] for name in times]
    headers = ["run", "median s", "min s", "max s"]
    print(tabulate(table, headers=headers, floatfmt=".2f", tablefmt="github"))
    another = medians["one photograph more"] / medians["from nothing, one photograph more"]
    other = medians["factor 4 after 3"] / medians["from nothing, factor 4"]
    print(f"one photograph more: {another:.3f} of cold, factor 3 to 4: {other:.2f} of cold")


def write_photographs(folder: Path, data: Path, count: int) -> list[Row]:
    """Write crops of a folder's photographs, the same ones in every call."""
    paths = sorted(path for path in data.glob("*/*") if path.is_file())
    generator = random.Random(1)
    rows = []
    for number in range(count):
        source = paths[number % len(paths)]
        left, top = generator.random() * 0.2, generator.random() * 0.2
        with Image.open(source) as image:
            width, height = image.size
            box = (left * width, top * height, (left + 0.8) * width, (top + 0.8) * height)
            file = io.BytesIO()
            image.convert("RGB").resize((500, 400), box=box).save(file, "JPEG", quality=90)
        name = f"{source.parent.name}/{number:06}.jpg"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(file.getvalue())
        sha256 = hashlib.sha256(file.getvalue()).hexdigest()
        rows.append(Row(name, source.parent.name, "train", "", sha256, 500, 400))
    return rows


def prepare(project: Path, rows: list[Row], factor: int) -> None:
    """Write the inputs of the stage, and remove its outputs."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["data"] |= {"raw": "photos", "image_size": 224}
    params["augment"] |= {"factor": factor, "rotate": 15, "zoom": 0, "shift": 0}
    params["augment"] |= {"saturation": 0, "hue": 0, "quality": 95}
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    write_manifest(project / "data/manifest.csv", rows)
    classes = sorted({row.class_ for row in rows})
    counts = {name: sum(row.class_ == name for row in rows) for name in classes}
    empty = {"val": 0, "test": 0}
    write_json(
        project / "outputs/class_counts.json",
        {name: {"train": count, **empty} for name, count in counts.items()},
    )
    shutil.rmtree(project / "data/augmented", ignore_errors=True)


def run(project: Path) -> None:
    """Run the stage as DVC does."""
    command = [sys.executable, "-X", "utf8", "-m", "stages.oversample"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)


def digest_of(folder: Path) -> str:
    """A hash of every name and byte in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
