"""Find out what has changed since dvc repro ran."""

from collections.abc import Iterator
from typing import Any

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from ballast.core.errors import UserError
from ballast.core.files import read_text
from ballast.core.params import parse_params
from ballast.core.paths import PARAMS
from ballast.dvc_tools.repository import NoProjectError, project_repo, refuse_broken_pipeline


def changed_deps(stage: str) -> list[str]:
    """Name what a stage and those before it depend on and that differs from dvc.lock.

    A file that is missing does not count: a clone has the answer, and may have no photographs or
    models.

    Args:
        stage: name of the stage.

    Returns:
        Paths of files and folders, and for a file of params, its keys in brackets; sorted. Nothing
        in a folder that is no project, or while another DVC keeps it locked.

    Raises:
        UserError: if params.yaml or dvc.yaml cannot be read, for example.
    """
    try:
        with project_repo() as repo:
            found = _status(repo, stage)
    except (NoProjectError, LockError):
        return []
    return sorted({name for states in found.values() for name in _changed(states)})


def _status(repo: Repo, stage: str) -> dict[str, list[Any]]:
    """What DVC says of a stage and those before it."""
    try:
        found: dict[str, list[Any]] = repo.status(targets=[stage], with_deps=True)
    except LockError:
        raise
    except DvcException as error:
        # Ballast's own messages say where.
        parse_params(read_text(PARAMS))
        refuse_broken_pipeline(repo)
        raise UserError(f"DVC: {error}") from None
    return found


def _changed(states: list[Any]) -> Iterator[str]:
    """The changed dependencies of a stage, from what DVC says of it."""
    for state in states:
        if not isinstance(state, dict):  # such as "changed command"
            yield "dvc.yaml"
            continue
        for path, how in state.get("changed deps", {}).items():
            if isinstance(how, dict):
                yield f"{path} ({', '.join(sorted(how))})"
            elif how != "deleted":
                yield path
