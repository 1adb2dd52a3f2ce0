"""Count the photographs of each class in train, val and test."""

from ballast.core import paths
from ballast.core.counts import count_classes
from ballast.core.errors import one_line_errors
from ballast.core.files import write_bytes, write_json
from ballast.core.manifest import read_manifest
from ballast.core.stage_times import timed
from ballast.report.plots import counts_plot


def main() -> None:
    """Read data/manifest.csv; write outputs/class_counts.json and .png."""
    counts = count_classes(read_manifest(paths.MANIFEST))
    write_json(paths.CLASS_COUNTS, counts)
    write_bytes(paths.CLASS_COUNTS_PLOT, counts_plot(counts))
    for name, subsets in counts.items():
        print(f"{name}: " + ", ".join(f"{photos} {subset}" for subset, photos in subsets.items()))


if __name__ == "__main__":
    with one_line_errors(), timed("count-classes"):
        main()
