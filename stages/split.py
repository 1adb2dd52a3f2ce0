"""Find the photographs and reject everything else; split them into train, val and test."""

import gc
from collections.abc import Sequence
from pathlib import Path

from ballast.core import paths
from ballast.core.counts import count_classes, thin_classes
from ballast.core.errors import one_line, one_line_errors, warn
from ballast.core.files import read_text, write_csv, write_json
from ballast.core.manifest import has_test_folder, write_manifest
from ballast.core.params import parse_params
from ballast.core.stage_times import timed
from ballast.dataset.report import mirror_warnings, range_warnings, refuse_fatal, report_warnings
from ballast.dataset.scan import Rejection
from ballast.dataset.split import (
    group_photographs,
    refuse_idle_folds,
    scan_folder,
    split_groups,
    validation_share,
)


def main() -> None:
    """Read data.raw; write the manifest, the range of deep greys, the rejections and the report."""
    params = parse_params(read_text(paths.PARAMS))
    raw = Path(params.data.raw)
    scan = scan_folder(raw, params, paths.INSPECTIONS)
    gc.disable()  # what follows leaves no cycles: 0.92 times the time of a million, run again
    for note in scan.layout.notes:
        print(one_line(f"{raw}: {note}"))
    # Before anything is refused, since it tells why photographs are missing.
    write_rejected(scan.left_out)
    grouped = group_photographs(raw, params, scan)
    report = grouped.report
    write_rejected(grouped.left_out)
    write_json(paths.DATA_REPORT, report)
    for warning in mirror_warnings(report):  # before they are refused as label conflicts
        warn(warning)
    refuse_fatal(report, params.split.label_conflicts, params.split.leakage)
    rows = split_groups(raw, params, scan, grouped)
    del scan, grouped  # of 200,000 photographs, 60 MB
    if not has_test_folder(rows):
        drawn, key = [row for row in rows if row.given != "val"], "params.yaml: split.folds"
        refuse_idle_folds(raw, key, params.split.folds, drawn, [params.seed])
    write_manifest(paths.MANIFEST, rows)
    write_json(paths.RANGE, report["range_set"])

    print(f"{len(rows)} photographs, {report['rejected']} files rejected ({paths.REJECTED})")
    for reason, number in report["rejected_by_reason"].items():
        print(f"  {number} {reason}")
    warnings = report_warnings(report, validation=validation_share(params) > 0)
    warnings += range_warnings(report)
    for warning in [*warnings, *thin_classes(count_classes(rows))]:
        warn(warning)


def write_rejected(rejected: Sequence[Rejection]) -> None:
    """Write outputs/rejected.csv."""
    write_csv(paths.REJECTED, ("path", "reason"), rejected)


if __name__ == "__main__":
    with one_line_errors(), timed("split"):
        main()
