"""Make the training images: every training photograph, and variants to reach the target counts."""

from collections import Counter
from pathlib import Path

from ballast.augment.shards import append_image, close_shard, shard_names
from ballast.augment.variants import augmented_path, oversampled_images
from ballast.balance.oversampling import plan_rounds, target_counts
from ballast.core import paths
from ballast.core.counts import train_counts
from ballast.core.errors import one_line_errors
from ballast.core.files import (
    link_or_write,
    make_folder,
    read_json,
    read_text,
    whole_folder,
    writing,
)
from ballast.core.greys import read_range
from ballast.core.manifest import AugmentedRow, read_manifest, subset_rows, write_augmented
from ballast.core.params import parse_params
from ballast.core.stage_times import timed
from ballast.core.store import ContentStore
from ballast.workers.progress import with_progress


def main() -> None:
    """Read manifest, counts and photographs; write data/augmented/ and data/augmented.csv."""
    params = parse_params(read_text(paths.PARAMS))
    rows = subset_rows(read_manifest(paths.MANIFEST), "train")
    counts = train_counts(read_json(paths.CLASS_COUNTS))
    targets = target_counts(counts, params.augment.factor, params.active_strategy.oversample)
    plan = plan_rounds(rows, targets)
    shards = shard_names(plan, params.data.image_size) if params.augment.pack else {}

    listed, runtime = [], params.runtime
    images = oversampled_images(
        plan if shards else sorted(plan),  # by path, as photographs lie in shards of data.raw
        Path(params.data.raw),
        params.seed,
        params.data.image_size,
        params.augment,
        ContentStore(paths.IMAGE_STORE, runtime.image_store),
        runtime,
        read_range(paths.RANGE),
    )
    with whole_folder(paths.AUGMENTED) as folder:
        for name in targets if not shards else ():
            make_folder(folder / name)
        total = sum(targets.values())
        for row, round_, image in with_progress(images, total, "images"):
            path = augmented_path(row, round_)
            target = f"{folder}/{shards.get((row.sha256, round_), path)}"
            with writing(target):
                if shards:
                    append_image(Path(target), path, image.data)
                else:
                    link_or_write(target, image.path, image.data)
            listed.append(AugmentedRow(path, row.class_, row.path, round_, image.sha256))
        for name in sorted(set(shards.values())):
            close_shard(folder / name)
    write_augmented(paths.AUGMENTED_LIST, listed)

    made = Counter(image.class_ for image in listed)
    for name in targets:
        print(f"{name}: {counts[name]} photographs, {made[name]} images")


if __name__ == "__main__":
    with one_line_errors(), timed("oversample"):
        main()
