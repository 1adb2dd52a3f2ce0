"""What DVC experiments depend on, and where they can run."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from dvc.repo import Repo
from projects import Project

from ballast.commands.experiments import (
    code_and_photographs,
    experiments_repo,
    interrupts_kept,
    paths_to_copy,
    some_identity,
)
from ballast.core.errors import UserError
from ballast.dvc_tools.experiments import clear_queue, queue_experiment


@pytest.fixture
def committed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with one commit, which is the current folder."""
    project.commit_all()
    monkeypatch.chdir(project.folder)
    return project


def refusal() -> str:
    """Why no experiments can run in the current folder."""
    with pytest.raises(UserError) as caught, experiments_repo("comparing"):
        pass
    return str(caught.value)


def test_a_folder_without_a_commit_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    expected = (
        "comparing needs a git repository with a commit: git init && git add . && git commit -m"
        " start"
    )
    assert refusal() == expected
    project.git("init", "--quiet")
    assert refusal() == expected


def test_a_shallow_clone_is_refused(
    committed: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed.git("commit", "--quiet", "--allow-empty", "-m", "another")
    clone = tmp_path / "clone"
    committed.git("clone", "--quiet", "--depth", "1", f"file://{committed.folder}", str(clone))
    monkeypatch.chdir(clone)
    assert refusal() == (
        "this clone is shallow, and DVC cannot run experiments in it; run git fetch --unshallow"
    )


def test_ctrl_c_is_an_interruption_whatever_the_interrupted_code_makes_of_it() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has none

    def interrupted() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("half a file") from None

    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ValueError, match="own"), interrupts_kept():
        raise ValueError("an error of its own")


@pytest.mark.usefixtures("committed")
def test_one_command_at_a_time_runs_experiments() -> None:
    with experiments_repo("comparing"):
        assert refusal() == (
            "another comparison or cross-validation is running here; wait for it, or stop it"
        )
    with experiments_repo("comparing"):
        pass


def test_experiments_need_no_name_of_a_user(
    committed: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in [*os.environ]:
        if name.startswith(("GIT_AUTHOR_", "GIT_COMMITTER_")):
            monkeypatch.delenv(name)
    before = dict(os.environ)
    with experiments_repo("comparing") as repo:
        queue_experiment(repo, "mine", "mine, of 1", ["++seed=3"], [])
        assert [one.name for one in repo.experiments.celery_queue.iter_queued()] == ["mine"]
        clear_queue(repo, ["mine"])
    assert dict(os.environ) == before
    committed.git("config", "user.name", "Ada")
    committed.git("config", "user.email", "ada@example.org")
    with some_identity():
        assert dict(os.environ) == before


def test_photographs_outside_the_project_need_an_absolute_path(committed: Project) -> None:
    with Repo() as repo, pytest.raises(UserError) as caught:
        paths_to_copy(repo, "../photos")
    assert str(caught.value) == (
        "params.yaml: data.raw: each experiment runs in a folder of its own, where ../photos does"
        f" not exist; set data.raw to {committed.folder.parent / 'photos'}"
    )


def test_what_neither_git_nor_dvc_has_is_copied(committed: Project) -> None:
    def copied() -> list[str]:
        with Repo() as repo:
            return paths_to_copy(repo, "data/raw")

    weights = committed.folder / "pretrained/mine.weights.h5"
    weights.write_bytes(b"weights")
    assert copied() == ["pretrained/mine.weights.h5"], "git has the photographs"
    committed.git("rm", "-r", "--quiet", "--cached", "data/raw")
    assert copied() == ["data/raw", "pretrained/mine.weights.h5"]
    committed.dvc("add", "data/raw", "pretrained/mine.weights.h5")
    committed.git("add", "data", "pretrained")
    assert copied() == []


def test_an_experiment_depends_on_code_photographs_and_pretrained_files(
    committed: Project,
) -> None:
    def changed_by_a_line_in(path: str, without: Sequence[str] = ()) -> set[str]:
        before = code_and_photographs("data/raw", without)
        content = (committed.folder / path).read_bytes()
        (committed.folder / path).write_bytes(content + b"\n# one more line\n")
        after = code_and_photographs("data/raw", without)
        (committed.folder / path).write_bytes(content)
        return {name for name in before if after[name] != before[name]}

    for path in ("ballast/model/training.py", "ballast/report/pages.py", "stages/train.py"):
        assert changed_by_a_line_in(path) == {"code"}
    assert changed_by_a_line_in("ballast/report/pages.py", without=["evaluate"]) == set()
    assert changed_by_a_line_in("ballast/commands/experiments.py") == set()
    files = ("dvc.yaml", ".dvcignore", "data/raw/one/000.png", "pretrained/efficientnet_lite0.npz")
    for path in files:
        assert changed_by_a_line_in(path) == {path}
