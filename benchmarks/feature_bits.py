"""Compare heads on features of 16 bits with heads on features of 8, which take half the memory.

    python -m benchmarks.feature_bits --data FOLDER --seeds 5

FOLDER contains one folder per class, or train/ with these. With 8 bits, the features of each
photograph are scaled so that the largest is 255, and rounded. In five-fold cross-validation with
each seed, a head is fitted to either. Prints balanced accuracy, balanced log loss and their
differences by seed, and how many photographs get another class.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold
from tabulate import tabulate

from ballast.model.logits import Floats
from benchmarks.head import Photos, read_photos, scores, trained
from benchmarks.kept import kept_features

FOLDS = 5


def main() -> None:
    """Run the benchmark; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    photos = read_photos(given.data)
    whole = kept_features(photos)
    eighths = np.rint(whole * (255 / np.maximum(whole.max(axis=1, keepdims=True), 1)))
    rows = []
    for seed in range(given.seeds):
        wide, narrow = (judged(photos, features, seed) for features in (whole, eighths))
        (accuracy, *_, loss, _, _), (accuracy8, *_, loss8, _, _) = (
            scores(found, photos.labels) for found in (wide, narrow)
        )
        moved = np.sum(wide.argmax(axis=1) != narrow.argmax(axis=1))
        differences = [accuracy8 - accuracy, loss8 - loss]
        rows.append([seed, accuracy, accuracy8, loss, loss8, *differences, moved])
    headers = ["seed", "accuracy, 16", "8", "log loss, 16", "8", "accuracy", "log loss", "moved"]
    print(tabulate(rows, headers=headers, floatfmt=".4f", tablefmt="github"))
    print(f"{len(photos.labels)} photographs")


def judged(photos: Photos, features: Floats, seed: int) -> Floats:
    """Predict each photograph with a head that was fitted to the other folds, shape (n, k)."""
    found = np.empty((len(photos.labels), int(photos.labels.max()) + 1))
    dealt = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in dealt.split(features, photos.labels, photos.groups):
        head = trained(features[train], photos.labels[train], photos.groups[train], balanced=True)
        found[test] = head(features[test])
    return found


if __name__ == "__main__":
    main()
