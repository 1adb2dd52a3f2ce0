"""Temporary folders that experiments leave behind if they are killed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dvc.repo import Repo

from ballast.dvc_tools.experiments import clear_leftovers


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A DVC repository with a temporary folder that an experiment has left."""
    repo = Repo.init(str(tmp_path), no_scm=True)
    Path(repo.tmp_dir, "exps/tmpabcd1_23/data").mkdir(parents=True)
    Path(repo.tmp_dir, "exps/run").mkdir()
    return repo


def left(repo: Repo) -> list[str]:
    clear_leftovers(repo)
    return sorted(path.name for path in Path(repo.tmp_dir, "exps").iterdir())


@contextmanager
def running(name: str, folder: Path) -> Iterator[None]:
    """A process of this name that works in a folder."""
    program = folder / name
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "100"], cwd=folder, env=os.environ)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_those_of_no_running_process_are_removed(repo: Repo, tmp_path: Path) -> None:
    with running("shell", tmp_path):
        assert left(repo) == ["run"]
    assert left(repo) == ["run"]


def test_those_in_which_a_stage_still_runs_stay(repo: Repo) -> None:
    Path(repo.tmp_dir, "exps/tmpother_23").mkdir()
    with running("stage", Path(repo.tmp_dir, "exps/tmpabcd1_23/data")):
        assert left(repo) == ["run", "tmpabcd1_23"]


def test_all_stay_while_another_dvc_runs_here(repo: Repo, tmp_path: Path) -> None:
    with running("dvc", tmp_path):
        assert left(repo) == ["run", "tmpabcd1_23"]
