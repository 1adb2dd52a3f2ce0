"""Run HEAD under conditions that should not matter, and compare the outputs byte by byte.

    python -m verification                 everything, like make verify
    python -m verification --only "one core" "umask 077"
    python -m verification --processors    for other processors, some of them emulated

Clones HEAD into temporary folders and leaves the project unchanged. Training is cut to --epochs in
all but two rows, which train as committed. The exit code is 0 if all outputs are the same.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

from ballast.core.errors import UserError, one_line_errors
from verification.report import problems, skipped, table_text
from verification.rows import verify, verify_processors


def main() -> int:
    """Print the table, then each difference; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m verification",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="names of rows to run")
    parser.add_argument(
        "--stages", nargs="+", default=[], metavar="STAGE", help="run up to these stages"
    )
    parser.add_argument(
        "--processors",
        action="store_true",
        help="test other processors instead",
    )
    parser.add_argument("--epochs", type=int, default=3, help="epochs in shortened training")
    parser.add_argument(
        "--jobs", type=int, default=min(4, os.cpu_count() or 1), help="number of runs at a time"
    )
    arguments = parser.parse_args()
    project = Path.cwd()
    warn_of_changes(project)
    with tempfile.TemporaryDirectory(prefix="ballast-verify-") as folder:
        scratch = Path(folder)
        if arguments.processors:
            report = verify_processors(project, scratch, arguments.jobs, arguments.only)
        else:
            report = verify(
                project,
                scratch,
                arguments.epochs,
                arguments.jobs,
                arguments.only,
                arguments.stages,
            )
    wrong = problems(report.rows)
    print(table_text(report), *skipped(report.rows), *wrong, sep="\n")
    return 1 if wrong else 0


def warn_of_changes(project: Path) -> None:
    """List uncommitted changes, which are not verified: only a commit can be cloned.

    Raises:
        UserError: if there is no git repository.
    """
    done = subprocess.run(
        ["git", "status", "--short", "--untracked-files=no"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"{project}: no git repository; make verify clones a commit")
    if done.stdout:
        print(f"Verifying HEAD, without these uncommitted changes:\n{done.stdout}", end="")


if __name__ == "__main__":
    with one_line_errors():
        raise SystemExit(main())
