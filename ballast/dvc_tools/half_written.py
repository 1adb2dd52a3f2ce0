"""Remove JSON files that DVC was killed while writing: it would refuse to run from then on.

DVC writes the files of .dvc/tmp in place, so each is briefly empty.
"""

from collections.abc import Iterable
from pathlib import Path

from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.repo.experiments.utils import EXEC_TMP_DIR
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

from ballast.core.files import is_json


def clear_running(repo: Repo) -> list[Path]:
    """Remove the lists of running stages and of running experiments, if they are incomplete.

    Returns:
        What was removed.
    """
    removed = []
    for folder in (Path(repo.tmp_dir), Path(repo.tmp_dir, EXEC_TMP_DIR)):
        if folder.is_dir():
            with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=repo.tmp_dir, wait=True):
                removed += clear_incomplete([folder / RWLOCK_FILE])
    return removed


def clear_incomplete(files: Iterable[Path]) -> list[Path]:
    """Remove the files that exist and are not JSON; nobody must be writing them.

    Returns:
        What was removed.
    """
    broken = [file for file in files if file.is_file() and not is_json(file.read_bytes())]
    for file in broken:
        file.unlink()
    return broken
