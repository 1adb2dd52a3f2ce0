"""Find the photographs, reject what is none, and split them into train, val and test."""

import sys
from pathlib import Path

from joblib import cpu_count
from tqdm import tqdm

from ballast.counts import count_classes, thin_classes
from ballast.errors import one_line_errors
from ballast.files import read_text, write_csv
from ballast.folds import split_photos
from ballast.images import without_warnings
from ballast.inventory import check_classes, inspect_files, list_files, sort_out
from ballast.manifest import write_manifest
from ballast.params import parse_params


def main() -> None:
    """Read data.raw; write data/manifest.csv and outputs/rejected.csv."""
    params = parse_params(read_text(Path("params.yaml")))
    raw = Path(params.data.raw)
    files = list_files(raw)
    workers = params.runtime.workers or cpu_count()
    with without_warnings():
        results = inspect_files(raw, files, params.data.max_megapixels, workers)
        progress = tqdm(results, total=len(files), desc="photographs", disable=None)
        photos, rejections = sort_out(progress)
    check_classes(raw, photos)
    split = params.split
    rows = split_photos(photos, split.folds, split.fold, split.val, params.seed)
    write_manifest(Path("data/manifest.csv"), rows)
    write_csv(Path("outputs/rejected.csv"), ("path", "reason"), rejections)

    print(f"{len(rows)} photographs, {len(rejections)} files rejected (outputs/rejected.csv)")
    for warning in thin_classes(count_classes(rows)):
        print(f"WARNING: {warning}", file=sys.stderr)


if __name__ == "__main__":
    with one_line_errors():
        main()
