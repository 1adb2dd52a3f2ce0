"""Commands open DVC's repository alike, and say in one line why they cannot."""

from pathlib import Path

import pytest
from projects import Project

from ballast.core.errors import UserError
from ballast.dvc_tools.repository import (
    NoProjectError,
    project_repo,
    refuse_broken_pipeline,
)

NO_COMMIT = (
    "comparing needs a git repository with a commit: git init && git add . && git commit -m start"
)


@pytest.fixture
def download(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project without git, which is the current folder."""
    monkeypatch.chdir(project.folder)
    return project


def refusal(needs_commit: str = "") -> str:
    with pytest.raises(UserError) as caught, project_repo(needs_commit):
        pass
    return str(caught.value)


def test_a_folder_in_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal() == "dvc.yaml: no such file; run from the top of the project"
    assert refusal("comparing") == refusal()
    Path("dvc.yaml").touch()
    assert refusal() == ".dvc: no such folder; git checkout .dvc, or dvc init"
    with pytest.raises(NoProjectError), project_repo():
        pass


def test_a_download_without_git_where_dvc_expects_it(download: Project) -> None:
    assert refusal() == (
        "DVC expects a git repository, and there is none; run dvc config --local core.no_scm true,"
        " or git init"
    )
    assert refusal("comparing") == NO_COMMIT
    for command, said in (
        ("check", refusal()),
        ("publish-check", NO_COMMIT.replace("comparing", "publishing")),
        ("compare HEAD workspace", NO_COMMIT),
    ):
        done = download.ballast(*command.split())
        assert (done.returncode, done.stderr) == (1, f"ERROR: {said}\n")


def test_a_download_that_dvc_knows_to_be_one_lacks_only_commits(download: Project) -> None:
    download.dvc("config", "--local", "core.no_scm", "true")
    with project_repo():
        pass
    assert refusal("comparing") == NO_COMMIT


def test_git_that_came_after_dvc_was_told_that_there_is_none(download: Project) -> None:
    download.dvc("config", "--local", "core.no_scm", "true")
    download.git("init", "--quiet")
    assert refusal("comparing") == NO_COMMIT
    download.commit_all()
    with project_repo():
        pass
    assert refusal("comparing") == (
        "DVC's core.no_scm says that there is no git repository, but there is one now; run dvc"
        " config --local --unset core.no_scm"
    )
    download.dvc("config", "--local", "--unset", "core.no_scm")
    with project_repo("comparing"):
        pass


@pytest.mark.usefixtures("download")
def test_settings_that_dvc_cannot_read() -> None:
    with Path(".dvc/config").open("a") as config:
        config.write("[core\n")
    assert refusal().startswith("DVC: ")


@pytest.mark.parametrize(
    ("pipeline", "problem"),
    [
        (None, ": missing; "),
        ("stages:\n  split:\n cmd: [", " line 3, column 2: did not find expected key; "),
        ("<<<<<<< HEAD\nstages: {}\n=======\n", " line 1: git's conflict markers; keep one side"),
        ("stages: {split: {deps: [1]}}", ": './dvc.yaml' validation failed: 2 errors; "),
        ("stages: {split: {cmd: '${no}'}}", ": failed to parse 'stages.split.cmd' in"),
    ],
)
def test_a_pipeline_that_dvc_cannot_read(
    download: Project, pipeline: str | None, problem: str
) -> None:
    (download.folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    path = download.folder / "dvc.yaml"
    with project_repo() as repo:
        refuse_broken_pipeline(repo)
    path.unlink()
    if pipeline is not None:
        path.write_text(pipeline)
    with pytest.raises(UserError) as caught, project_repo() as repo:
        refuse_broken_pipeline(repo)
    assert str(caught.value).startswith(f"dvc.yaml{problem}")
    if "conflict" not in problem:
        assert str(caught.value).endswith("; git checkout dvc.yaml")


def test_check_and_publish_check_say_the_same_of_it(download: Project) -> None:
    download.commit_all()
    (download.folder / "dvc.yaml").unlink()
    for command in ("check", "publish-check"):
        done = download.ballast(command)
        assert done.stderr == "ERROR: dvc.yaml: missing; git checkout dvc.yaml\n"
        assert done.returncode == 1
