"""Bring a copy of Ballast, which ballast init wrote, to the version of this clone.

Run it in a newer clone of Ballast. Replaces the files that you have not changed; params.yaml keeps
your values, and dvc.yaml your own stages. Where you and the new version changed the same lines,
yours stay, and the new version is written beside the file, as NAME.new.

Example:
    ballast upgrade ../their-repo/classifier
"""

import argparse
import shlex
from pathlib import Path

from ballast.core.errors import counted
from ballast.core.files import write_bytes, writing
from ballast.vendoring.record import read_record, record_of
from ballast.vendoring.shipped import RECORD, news, shipped_files, version_of
from ballast.vendoring.upgrade import plan_upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="the folder that ballast init was given"
    )


def run(options: argparse.Namespace) -> int:
    """Plan the upgrade; carry it out; print what was done; return the exit code."""
    folder: Path = options.folder
    files = shipped_files()
    record = read_record(folder)
    changes = news(record.version)
    plan = plan_upgrade(folder, record, files)
    for path, data in plan.write.items():
        write_bytes(folder / path, data)
    for path in plan.remove:
        with writing(folder / path):
            (folder / path).unlink()
    write_bytes(folder / RECORD, record_of(files))
    if not plan.write and not plan.remove:
        print(f"{folder} has this version, {version_of(files)}, already", *plan.lines, sep="\n")
        return 0
    if changes:
        print(changes, end="\n\n")
    print(
        f"Ballast {record.version} is now {version_of(files)}, as in this clone:"
        f" {counted(len(plan.write), 'file')} written, {len(plan.remove)} removed in {folder}",
        *plan.lines,
        sep="\n",
    )
    print(
        "Next, where make runs again what the new code affects:",
        f"cd {shlex.quote(str(folder))}",
        "git diff",
        "make",
        sep="\n    ",
    )
    return 0
