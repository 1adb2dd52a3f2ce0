"""Find the photographs and reject everything else; split them into train, val and test."""

from pathlib import Path

from ballast.core import paths
from ballast.core.counts import count_classes, thin_classes
from ballast.core.errors import UserError, one_line_errors, warn
from ballast.core.files import read_text, write_csv, write_json
from ballast.core.manifest import write_manifest
from ballast.core.params import parse_params
from ballast.dataset.report import range_warnings, refuse_fatal, report_warnings
from ballast.dataset.split import split_folder, validation_share


def main() -> None:
    """Read data.raw; write the manifest, the range of deep greys, the rejections and the report."""
    params = parse_params(read_text(paths.PARAMS))
    rows, rejected, report = split_folder(Path(params.data.raw), params, paths.INSPECTIONS)
    write_json(paths.DATA_REPORT, report)
    refuse_fatal(report, params.split.label_conflicts, params.split.leakage)
    if params.split.fold is not None and not any(row.split == "test" for row in rows):
        raise UserError(
            f"{params.data.raw}: no test photographs: every class is too small or is one group of"
            f" copies ({paths.DATA_REPORT}), or split.fold is too high for the number of groups"
        )
    write_manifest(paths.MANIFEST, rows)
    write_json(paths.RANGE, report["range_set"])
    write_csv(paths.REJECTED, ("path", "reason"), rejected)

    print(f"{len(rows)} photographs, {len(rejected)} files rejected ({paths.REJECTED})")
    warnings = report_warnings(report, validation=validation_share(params) > 0)
    warnings += range_warnings(report)
    for warning in [*warnings, *thin_classes(count_classes(rows))]:
        warn(warning)


if __name__ == "__main__":
    with one_line_errors():
        main()
