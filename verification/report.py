"""Format the table of conditions × artefacts, and describe each difference."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from tabulate import tabulate

from verification.rows import Report, Row


def table_text(report: Report) -> str:
    """Format the table; headings are broken over lines to keep it narrow."""
    cells = [
        [row.name, *(_cell(row, artefact) for artefact in report.artefacts)] for row in report.rows
    ]
    return tabulate(cells, headers=["", *map(_heading, report.artefacts)], tablefmt="simple")


def problems(rows: Sequence[Row]) -> list[str]:
    """Describe each problem in a few lines; empty if all outputs are the same."""
    found = []
    for row in rows:
        if row.failed:
            found.append(f"{row.name}: the run failed:\n{row.failed}")
        elif row.first:
            place = f", line {row.first.line}" if row.first.line else ""
            found.append(f"{row.name}: DIFFERENT, first in {row.first.path}{place}")
            if row.first.line:
                found.append(f"  expected: {row.first.expected}\n  found:    {row.first.found}")
    return found


def skipped(rows: Sequence[Row]) -> list[str]:
    """The rows that could not run here, and why."""
    return [f"{row.name}: not run: {row.skipped}" for row in rows if row.skipped]


def _cell(row: Row, artefact: str) -> str:
    if row.skipped:
        return "not run"
    if row.failed:
        return "FAILED"
    return "DIFFERENT" if artefact in row.different else "same"


def _heading(artefact: str) -> str:
    path = PurePosixPath(artefact)
    return "\n".join([*path.stem.split("_"), path.suffix]).strip()
