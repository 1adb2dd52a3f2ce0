"""Find out what has changed since dvc repro ran."""

from collections.abc import Iterator
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo


def changed_deps(stage: str) -> list[str]:
    """Name what a stage and those before it depend on and that differs from dvc.lock.

    What is missing does not count: a clone has the answer, and may have no photographs or models.

    Args:
        stage: name of the stage.

    Returns:
        Paths of files and folders, and for a file of params, its keys in brackets; sorted. Nothing
        if DVC cannot say it, for example because a run is going on.
    """
    try:
        with Repo() as repo:
            found = repo.status(targets=[stage], with_deps=True)
    except DvcException:
        return []
    return sorted({name for states in found.values() for name in _changed(states)})


def _changed(states: list[Any]) -> Iterator[str]:
    """The changed dependencies of a stage, from what DVC says of it."""
    for state in states:
        if not isinstance(state, dict):  # such as "changed command"
            yield "dvc.yaml"
            continue
        for path, how in state.get("changed deps", {}).items():
            if isinstance(how, dict):
                keys = sorted(key for key, of_key in how.items() if of_key != "deleted")
                yield f"{path} ({', '.join(keys)})"
            elif how != "deleted":
                yield path
