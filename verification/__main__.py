"""Run HEAD under every difference, and compare what comes out, byte by byte.

    python -m verification                 everything, as make verify does
    python -m verification --only "one core" "umask 077"
    python -m verification --processors    as other processors would; some by qemu-user

Clones HEAD into a temporary folder and leaves the project as it is. Training is cut to --epochs,
but in two runs, which train as committed. Exit code 0 where every artefact was the same.
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
    """Print the table, then every difference; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m verification",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="rows by their name")
    parser.add_argument("--stages", nargs="+", default=[], metavar="STAGE", help="up to these")
    parser.add_argument(
        "--processors", action="store_true", help="as other processors would, instead"
    )
    parser.add_argument("--epochs", type=int, default=3, help="where training is cut short")
    parser.add_argument(
        "--jobs", type=int, default=min(4, os.cpu_count() or 1), help="runs at a time"
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
    """Say what is not verified, since only a commit can be cloned.

    Raises:
        UserError: without git or a commit.
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
        print(f"HEAD is verified, without what is not committed:\n{done.stdout}", end="")


if __name__ == "__main__":
    with one_line_errors():
        raise SystemExit(main())
