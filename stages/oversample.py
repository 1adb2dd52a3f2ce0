"""Make the training images: every training photograph, and as many variants as it takes."""

import hashlib
from collections import Counter
from functools import partial
from pathlib import Path

from joblib import cpu_count
from tqdm import tqdm

from ballast.counts import train_counts
from ballast.errors import one_line_errors
from ballast.files import make_folder, read_json, read_text, whole_folder, writing
from ballast.manifest import (
    AugmentedRow,
    Row,
    read_image,
    read_manifest,
    subset_rows,
    write_augmented,
)
from ballast.oversampling import augmented_images, augmented_path, plan_rounds, target_counts
from ballast.parallel import Engine, each
from ballast.params import Params, parse_params
from ballast.shards import append_image, close_shard, shard_names


def main() -> None:
    """Read manifest, counts and photographs; write data/augmented/ and augmented.csv."""
    params = parse_params(read_text(Path("params.yaml")))
    rows = subset_rows(read_manifest(Path("data/manifest.csv")), "train")
    counts = train_counts(read_json(Path("outputs/class_counts.json")))
    targets = target_counts(counts, params.augment.factor, params.active_strategy.oversample)
    plan = plan_rounds(rows, targets)

    shards = shard_names(plan, params.data.image_size) if params.augment.pack else {}

    raw, listed = Path(params.data.raw), []
    make = partial(read_and_augment, raw, params)
    runtime = params.runtime
    engine = Engine(runtime.workers or cpu_count(), runtime.engine, runtime.scheduler)
    with whole_folder(Path("data/augmented")) as folder:
        for name in targets if not shards else ():
            make_folder(folder / name)
        done = each(make, plan, engine, lambda planned: str(raw / planned[0].path))
        progress = tqdm(done, total=len(plan), desc="photographs", disable=None)
        for (row, _), images in zip(plan, progress, strict=True):
            for round_, image in enumerate(images):
                path = augmented_path(row, round_)
                with writing(folder / path):
                    if shards:
                        append_image(folder / shards[row.sha256, round_], path, image)
                    else:
                        (folder / path).write_bytes(image)
                sha256 = hashlib.sha256(image).hexdigest()
                listed.append(AugmentedRow(path, row.class_, row.path, round_, sha256))
        for name in sorted(set(shards.values())):
            close_shard(folder / name)
    write_augmented(Path("data/augmented.csv"), listed)

    made = Counter(image.class_ for image in listed)
    for name in targets:
        print(f"{name}: {counts[name]} photographs, {made[name]} images")


def read_and_augment(raw: Path, params: Params, planned: tuple[Row, int]) -> list[bytes]:
    """Read a photograph and make its planned number of images."""
    row, rounds = planned
    data = read_image(raw, row)
    size = params.data.image_size
    return augmented_images(data, row.sha256, rounds, params.seed, size, params.augment)


if __name__ == "__main__":
    with one_line_errors():
        main()
