"""Put Ballast into a repository that exists already.

Run it in a clone of Ballast. FOLDER becomes a DVC project of its own, unless it is the top of one;
docs/existing-repository.md says what is written. Overwrites nothing: if a file is in the way, it
changes nothing and names that file.

Examples:
    ballast init ../their-repo/classifier
    ballast init ../their-repo
"""

import argparse
import shlex
from pathlib import Path

from ballast.core.files import write_bytes
from ballast.vendoring.host import refuse_folder, refuse_ignored, refuse_taken
from ballast.vendoring.record import record_of
from ballast.vendoring.shipped import (
    RECORD,
    WORKING,
    dvc_project_files,
    outputs,
    shipped_files,
    version_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of a git repository; may be new"
    )


def run(options: argparse.Namespace) -> int:
    """Check the folder; write the files; print the next commands; return the exit code."""
    folder: Path = options.folder
    files = shipped_files()
    record = record_of(files)
    refuse_folder(folder)
    # The settings of a DVC project that is there are its owner's.
    written = files if (folder / ".dvc").is_dir() else files | dvc_project_files()
    made = outputs(files)
    refuse_taken(folder, written, [*made, *WORKING])
    refuse_ignored(folder, [*written, RECORD, "dvc.lock"])
    for path, data in written.items():
        write_bytes(folder / path, data)
    write_bytes(folder / RECORD, record)
    tops = sorted({path.split("/")[0] for path in [*written, RECORD]})
    print(f"Ballast {version_of(files)}: {len(written)} files in {folder}, listed in {RECORD}")
    print(
        "Next: name your photographs in its params.yaml (data: raw: ../photos, for example), then",
        f"cd {shlex.quote(str(folder))}",
        f"git add {' '.join(tops)}",
        'git commit -m "Add Ballast"',
        "make",
        "git add dvc.lock data/.gitignore outputs",
        sep="\n    ",
    )
    return 0
