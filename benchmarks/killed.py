"""Kill `ballast predict --out` again and again, and compare its table with an undisturbed one.

    python -m benchmarks.killed
    python -m benchmarks.killed --images 20000 --kills 5 --seed 1

Draws that many small photographs, a broken file among every thousand, and predicts them with
models/model.keras: once undisturbed, and once with the process killed after random times, each up
to a third of what the first took. Prints how many lines there were after each kill, and whether a
file is missing, is there twice, or has another row. Exits with 1 if so.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from ballast.core.files import read_csv
from ballast.dataset.listing import list_files
from benchmarks.scaling import draw_photos

SIDE = 32


def main() -> None:
    """Run the benchmark; print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random = np.random.default_rng(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_photos(folder / "raw", given.images, SIDE, None)
        for place in range(0, given.images, 1000):
            (folder / f"raw/class 0/broken {place}.jpg").write_text("broken")
        undisturbed, killed = folder / "undisturbed.csv", folder / "killed.csv"
        started = time.perf_counter()
        start(undisturbed, folder / "raw").wait()
        took = time.perf_counter() - started
        for after in random.uniform(0, took / 3, given.kills):
            run = start(killed, folder / "raw")
            time.sleep(after)
            run.kill()
            run.wait()
            rows = sum(part.read_bytes().count(b"\n") for part in folder.glob("killed.csv.*.part"))
            print(f"killed after {after:.1f} s: {rows:,} lines")
        start(killed, folder / "raw").wait()
        paths = Counter(row["path"] for row in read_csv(killed, ["path"]))
        files = [f"{folder}/raw/{path}" for path in list_files(folder / "raw")]
        missing, twice = {*files} - {*paths}, sum(count > 1 for count in paths.values())
        same = killed.read_bytes() == undisturbed.read_bytes()
    print(f"{len(files):,} files: {len(missing)} missing, {twice} twice; same table: {same}")
    sys.exit(bool(missing or twice or not same))


def start(target: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a prediction of a folder."""
    command = [sys.executable, "-X", "utf8", "-m", "ballast", "predict", "--out"]
    command += [str(target), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
