"""Check params.yaml, the photographs and DVC's own files before a run.

Adds files that DVC cannot read to .dvcignore. Removes damaged objects from DVC's cache and files
that DVC left half written; dvc repro then recreates them. make runs this command first.

Example:
    ballast check
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

from ballast.core import paths
from ballast.core.errors import UserError, counted, warn
from ballast.core.files import CONFLICT, read_text, write_bytes, writing
from ballast.core.params import Params, as_dict, dotted, no_yaml, parse_params
from ballast.dataset.listing import list_files, printable, unreadable
from ballast.dvc_tools.cache import damaged_objects, files_holding, object_path
from ballast.dvc_tools.half_written import clear_running
from ballast.dvc_tools.ignore import with_ignored
from ballast.dvc_tools.repository import DVC_FILES, project_repo, refuse_broken_pipeline
from ballast.model.applications import refuse_unknown
from ballast.model.export_packages import refuse_without_packages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Do nothing: this subcommand takes no arguments."""
    del parser


def run(options: argparse.Namespace) -> int:
    """Read params.yaml, list data.raw and remove damaged files; return the exit code."""
    del options
    text = read_text(paths.PARAMS)
    params = parse_params(text)
    check_reading(params, text)
    refuse_outputs(params.data.raw)
    refuse_unknown(params.train.backbone)
    refuse_without_packages(params.export)
    files = list_files(Path(params.data.raw))
    print(f"params.yaml is valid; {counted(len(files), 'file')} in {params.data.raw}")
    ignore_unreadable(Path(params.data.raw), files)
    with project_repo() as repo:
        refuse_broken_pipeline(repo)
        clear_half_written(repo)
        clear_damage(repo)
    return 0


def refuse_outputs(raw: str) -> None:
    """Refuse a folder of photographs that the pipeline writes into, such as data/.

    DVC would say that its stages depend on each other in a circle.
    """
    folder = Path(raw).resolve()
    outputs = (paths.MANIFEST, paths.AUGMENTED, paths.OUTPUTS, paths.MODEL.parent, paths.EXPORTS)
    for output in outputs:
        written = output.resolve()
        if folder == written or folder in written.parents or written in folder.parents:
            raise UserError(
                f"params.yaml: data.raw: {raw}: the pipeline writes {output.as_posix()}; move the"
                " photographs into a folder of their own, such as data/photographs, and name that"
            )


def check_reading(params: Params, text: str) -> None:
    """Refuse what DVC cannot read, or reads as a different number: it would miss changes to it.

    DVC parses YAML 1.2; PyYAML parses YAML 1.1, where numbers with a leading 0 are octal.
    """
    try:
        read = parse_yaml(text, "params.yaml")
    except YAMLFileCorruptedError as error:
        raise no_yaml(error.__cause__) from None
    ours = dotted(as_dict(params))
    for key, value in dotted(read).items():
        if isinstance(value, int | float) and ours[key] != value:
            # YAML 1.1 reads 010 as 8, and 08 and 1e3 as text; YAML 1.2 reads numbers.
            cure = "in quotes" if isinstance(ours[key], str) else "without leading zeros"
            raise UserError(
                f"params.yaml: {key}: Ballast (YAML 1.1) reads this number as {ours[key]}, DVC"
                f" (YAML 1.2) as {value}; write it {cure}"
            )


def clear_half_written(repo: Repo) -> None:
    """Remove files that DVC was killed while writing: it would refuse to run from then on.

    DVC rewrites dvc.lock in place after every stage, and its list of running stages before and
    after each; both files are briefly empty. Its run cache still has everything dvc.lock held.
    """
    with writing(DVC_FILES):
        cleared = clear_running(repo)
    for running in cleared:
        warn(f"{running}: incomplete; removed")
    lock = Path("dvc.lock")
    if lock.exists() and CONFLICT.search(lock.read_text(encoding="utf-8", errors="replace")):
        raise UserError(
            f"{lock}: has git's conflict markers; run git checkout --ours {lock}, then dvc repro"
        )
    try:
        Lockfile(repo, str(lock)).load()
        # Cut off within a line, it may still be valid YAML with a value that stops DVC: "hash: m".
        whole = not lock.exists() or lock.read_bytes().endswith(b"\n")
    except DvcException:
        whole = False
    if not whole:
        with writing(lock):
            lock.unlink()
        warn(f"{lock}: incomplete; removed; dvc repro recreates it")


def ignore_unreadable(raw: Path, files: Sequence[str]) -> None:
    """Make DVC ignore unreadable files and names that are not UTF-8; split rejects them.

    Raises:
        UserError: if there are some in a folder outside the project, where DVC ignores nothing.
    """
    odd = [path for path in files if printable(path) != path or unreadable(raw / path)]
    if odd and not raw.resolve().is_relative_to(Path.cwd()):
        more, them = (f" and {len(odd) - 1} more", "them") if odd[1:] else ("", "it")
        raise UserError(
            f"{raw / printable(odd[0])}{more}: DVC cannot read {them}, and .dvcignore does not"
            f" reach outside the project; remove or rename {them}"
        )
    path = Path(".dvcignore")
    before = read_text(path) if path.exists() else ""
    after = with_ignored(before, [(raw / name).as_posix() for name in odd])
    if after != before:
        write_bytes(path, after.encode())
        print(f".dvcignore: now lists {len(odd)} files of {raw} that DVC cannot read")


def clear_damage(repo: Repo) -> None:
    """Remove damaged objects and outputs with the same content, so that dvc repro recreates both.

    Reads only what has changed since the last check. The modification time of ballast-check,
    among DVC's temporary files, is the time of that check.
    """
    objects, stamp = Path(repo.cache.local.path), Path(repo.tmp_dir) / "ballast-check"
    started = time.time()
    # DVC may write during the check, and some file systems store times only to 2 s.
    damaged = damaged_objects(objects, stamp.stat().st_mtime - 2 if stamp.exists() else 0)
    for path in damaged:
        with writing(path):
            path.unlink()
        warn(f"{path}: damaged since DVC wrote it; removed")
    if damaged:
        stages = [stage for stage in repo.index.stages if not stage.is_data_source]
        outputs = [Path(out.fs_path) for stage in stages for out in stage.outs]
        for file, digest in files_holding(outputs, set(damaged.values())).items():
            with writing(file):
                file.unlink()
                object_path(objects, digest).unlink(missing_ok=True)
            warn(f"{file}: holds the damaged content; removed")
        print("dvc repro recreates them", file=sys.stderr)
    with writing(DVC_FILES):
        stamp.touch()
        os.utime(stamp, (started, started))
