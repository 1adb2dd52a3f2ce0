"""Make the training images: every training photograph, and as many variants as it takes."""

import shutil
from collections import Counter
from pathlib import Path

from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from ballast.counts import train_counts
from ballast.errors import one_line_errors
from ballast.files import read_json, read_text
from ballast.manifest import Row, read_manifest, read_photo, subset_rows
from ballast.oversampling import augmented_images, augmented_name, plan_rounds, target_counts
from ballast.params import parse_params


def main() -> None:
    """Read the manifest, the counts and the photographs; write data/augmented/<class>/."""
    params = parse_params(read_text(Path("params.yaml")))
    rows = subset_rows(read_manifest(Path("data/manifest.csv")), "train")
    counts = train_counts(read_json(Path("outputs/class_counts.json")))
    targets = target_counts(counts, params.augment.factor, params.active_strategy.oversample)
    jobs = [
        (row, rounds)
        for name, target in targets.items()
        for row, rounds in plan_rounds([row for row in rows if row.class_ == name], target)
    ]

    # Made beside the real folder and swapped in whole: no file of an earlier run stays.
    folder, fresh = Path("data/augmented"), Path("data/augmented.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    for name in targets:
        (fresh / name).mkdir(parents=True)

    def make(row: Row, rounds: int) -> None:
        images = augmented_images(
            read_photo(Path(params.data.raw), row),
            row.sha256,
            rounds,
            params.seed,
            params.data.image_size,
            params.augment,
        )
        for round_, image in enumerate(images):
            (fresh / row.class_ / augmented_name(row.path, row.sha256, round_)).write_bytes(image)

    workers = params.runtime.workers or cpu_count()
    done = Parallel(n_jobs=workers, backend="threading", return_as="generator_unordered")(
        delayed(make)(row, rounds) for row, rounds in jobs
    )
    for _ in tqdm(done, total=len(jobs), desc="photographs", disable=None):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)

    made = Counter(path.parent.name for path in folder.glob("*/*"))
    for name in targets:
        print(f"{name}: {counts[name]} photographs, {made[name]} images")


if __name__ == "__main__":
    with one_line_errors():
        main()
