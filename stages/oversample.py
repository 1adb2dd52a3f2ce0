"""Make the training images: every training photograph, and as many variants as it takes."""

import hashlib
import shutil
from collections import Counter
from itertools import chain
from pathlib import Path

from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from ballast.counts import train_counts
from ballast.errors import one_line_errors
from ballast.files import read_json, read_text
from ballast.manifest import (
    AugmentedRow,
    Row,
    read_image,
    read_manifest,
    subset_rows,
    write_augmented,
)
from ballast.oversampling import augmented_images, augmented_path, plan_rounds, target_counts
from ballast.params import parse_params


def main() -> None:
    """Read manifest, counts and photographs; write data/augmented/<class>/ and augmented.csv."""
    params = parse_params(read_text(Path("params.yaml")))
    rows = subset_rows(read_manifest(Path("data/manifest.csv")), "train")
    counts = train_counts(read_json(Path("outputs/class_counts.json")))
    targets = target_counts(counts, params.augment.factor, params.active_strategy.oversample)
    plan = plan_rounds(rows, targets)

    # Made beside the real folder and swapped in whole: no file of an earlier run stays.
    folder, fresh = Path("data/augmented"), Path("data/augmented.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    for name in targets:
        (fresh / name).mkdir(parents=True)

    def make(row: Row, rounds: int) -> list[AugmentedRow]:
        images = augmented_images(
            read_image(Path(params.data.raw), row),
            row.sha256,
            rounds,
            params.seed,
            params.data.image_size,
            params.augment,
        )
        made = []
        for round_, image in enumerate(images):
            path = augmented_path(row, round_)
            (fresh / path).write_bytes(image)
            sha256 = hashlib.sha256(image).hexdigest()
            made.append(AugmentedRow(path, row.class_, row.path, round_, sha256))
        return made

    workers = params.runtime.workers or cpu_count()
    done = Parallel(n_jobs=workers, backend="threading", return_as="generator_unordered")(
        delayed(make)(row, rounds) for row, rounds in plan
    )
    progress = tqdm(done, total=len(plan), desc="photographs", disable=None)
    images = list(chain.from_iterable(progress))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    write_augmented(Path("data/augmented.csv"), images)

    made = Counter(image.class_ for image in images)
    for name in targets:
        print(f"{name}: {counts[name]} photographs, {made[name]} images")


if __name__ == "__main__":
    with one_line_errors():
        main()
