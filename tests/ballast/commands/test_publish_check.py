"""make publish-check prints one line for each reason not to push."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.repo import Repo
from projects import Project

from ballast.commands.publish_check import not_committed


@pytest.fixture
def ready(reproduced: Project, tmp_path: Path) -> Project:
    """A clone with everything made, and a storage that is verified."""
    reproduced.git("clone", "--quiet", ".", str(tmp_path / "ready"))
    project = Project(tmp_path / "ready")
    shutil.copytree(reproduced.folder / ".dvc/cache", project.folder / ".dvc/cache")
    project.dvc("checkout")
    storage = f"['remote \"storage\"']\n    url = {tmp_path}/storage\n    verify = true\n"
    config = project.folder / ".dvc/config"
    config.write_text(f"{config.read_text()}    remote = storage\n{storage}")
    project.git("commit", "--quiet", "--all", "--message", "storage")
    return project


def check(project: Project) -> list[str]:
    """What is wrong."""
    done = project.ballast("publish-check")
    lines = done.stdout.splitlines()
    assert "Traceback" not in done.stderr
    assert done.returncode == (lines != ["ready: dvc push, then git push"])
    return lines if done.returncode else []


def cached(project: Project, path: str) -> Path:
    """The object of an output."""
    digest = hashlib.md5((project.folder / path).read_bytes()).hexdigest()
    return project.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]


def test_what_was_made_and_committed_is_ready_and_left_as_it_was(ready: Project) -> None:
    before = ready.outputs()
    assert check(ready) == []
    assert ready.outputs() == before
    assert ready.git("status", "--short") == ""


def test_params_that_were_not_run_or_not_committed(ready: Project) -> None:
    stale = [
        f"stage {stage}: params.yaml train: modified since it ran; dvc repro"
        for stage in ("cross-validate", "evaluate", "explain", "train")
    ]
    ready.set_params({"train.learning_rate": 0.01})
    assert sorted(check(ready)) == [
        "params.yaml: changed since the last commit; git add it and commit, or restore it",
        *stale,
    ]
    ready.git("commit", "--quiet", "--all", "--message", "faster")
    assert sorted(check(ready)) == stale


def test_code_and_a_lock_that_were_not_committed(ready: Project) -> None:
    for path in ("ballast/scores/metrics.py", "dvc.lock"):
        with (ready.folder / path).open("a") as file:
            file.write("# one more line\n")
    ready.git("add", "dvc.lock")
    ready.git("rm", "--cached", "--quiet", "ballast/report/plots.py")
    changed = "changed since the last commit; git add it and commit, or restore it"
    assert check(ready) == [
        f"ballast/report/plots.py: {changed}",
        f"ballast/scores/metrics.py: {changed}",
        f"dvc.lock: {changed}",
        "ballast/report/plots.py: not in git; git add it and commit",
        "stage explain: ballast/scores: modified since it ran; dvc repro",
        "stage evaluate: ballast/scores: modified since it ran; dvc repro",
    ]


def test_outputs_that_are_not_what_dvc_lock_says(ready: Project) -> None:
    (ready.folder / "outputs/class_weights.json").write_text("{}")
    (ready.folder / "outputs/history.csv").unlink()
    since = "since dvc.lock was written; dvc checkout, or dvc repro"
    assert sorted(check(ready)) == [
        f"outputs/class_weights.json: modified {since}",
        f"outputs/history.csv: deleted {since}",
    ]


def test_objects_that_are_missing_or_damaged(ready: Project) -> None:
    image = next((ready.folder / "data/augmented/one").iterdir()).relative_to(ready.folder)
    cached(ready, image.as_posix()).unlink()
    model = cached(ready, "models/model.keras")
    model.chmod(0o644)
    model.write_bytes(b"garbage")
    model.chmod(0o444)
    assert check(ready) == [
        f"{image.as_posix()}: not in DVC's cache; dvc repro or dvc pull restores it",
        "models/model.keras: damaged in DVC's cache; ballast check, then dvc repro",
    ]


def test_photographs_on_their_way_into_git(ready: Project) -> None:
    raw = ready.folder / "data/raw/one"
    shutil.copy(raw / "000.png", raw / "new.png")
    line = (
        "data/raw: 1 photographs are new to git; run dvc add data/raw to keep them out of it, "
        "or, if they are few and small, git add and commit them"
    )
    assert line in check(ready)
    ready.git("add", ".")
    assert line in check(ready)
    ready.git("commit", "--quiet", "--message", "more")
    assert line not in check(ready)


def test_photographs_that_no_clone_would_have(ready: Project) -> None:
    ready.git("rm", "-r", "--cached", "--quiet", "data/raw")
    with (ready.folder / ".gitignore").open("a") as file:
        file.write("/data/raw\n")
    ready.git("commit", "--quiet", "--all", "--message", "less")
    assert check(ready) == [
        "data/raw: ignored by git and not in DVC, so clones lack it; dvc add data/raw"
    ]


def test_photographs_that_dvc_keeps_are_part_of_what_is_pushed(ready: Project) -> None:
    ready.git("rm", "-r", "--cached", "--quiet", "data/raw")
    ready.dvc("add", "data/raw")
    assert "data/raw.dvc: not in git; git add it and commit" in check(ready)
    ready.git("add", ".")
    ready.git("commit", "--quiet", "--message", "photographs in DVC")
    assert check(ready) == []
    cached(ready, "data/raw/one/000.png").unlink()
    assert check(ready) == [
        "data/raw/one/000.png: not in DVC's cache; dvc repro or dvc pull restores it"
    ]


def test_a_project_below_the_top_of_a_repository(
    tmp_path: Path, write_digits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    top, project = Project(tmp_path), Project(tmp_path / "classifier")
    write_digits(tmp_path / "photos", zero=1)
    top.git("init", "--quiet")
    top.dvc("init")
    (tmp_path / "README.md").touch()
    project.folder.mkdir()
    project.dvc("init", "--subdir")
    stage = "stages: {one: {cmd: exit 1, deps: [code.py, other.py, ../photos]}}\n"
    (project.folder / "dvc.yaml").write_text(stage)
    (project.folder / "code.py").touch()
    top.commit_all()
    for path in ("README.md", "classifier/code.py", "classifier/other.py", "photos/zero/new.png"):
        (tmp_path / path).write_text("changed")
    monkeypatch.chdir(project.folder)

    def wrong() -> list[str]:
        with Repo() as repo:
            return [*not_committed(repo, "../photos")]

    code = [
        "code.py: changed since the last commit; git add it and commit, or restore it",
        "other.py: not in git; git add it and commit",
    ]
    assert wrong()[:2] == code
    assert wrong()[2].startswith("../photos: 1 photographs are new to git")
    (tmp_path / ".gitignore").write_text("/photos\n")
    top.git("rm", "-r", "--cached", "--quiet", "photos")
    top.git("commit", "--quiet", "--message", "less")
    ignored = "../photos: ignored by git and not in DVC, so clones lack it; dvc add ../photos"
    assert wrong() == [*code, ignored]
    top.dvc("add", "photos")
    assert wrong() == code


def test_a_remote_that_is_missing_unverified_or_would_tell_a_secret(ready: Project) -> None:
    for command, line in {
        "remote modify storage --unset verify": "remote storage: dvc pull would not verify "
        "downloads; dvc remote modify storage verify true",
        "config core.remote --unset": "no remote to push to; dvc remote add --default storage URL",
        "remote add s3 s3://bucket": "no remote to push to; dvc remote add --default storage URL",
        "remote modify s3 secret_access_key s3cr3t": ".dvc/config: remote s3: secret_access_key "
        "would be committed to git; dvc remote modify --local s3 secret_access_key VALUE, and "
        "unset it without --local",
    }.items():
        ready.dvc(*command.split())
        assert line in check(ready), command


def test_without_git_or_with_a_half_written_lock_it_says_so(
    project: Project, ready: Project
) -> None:
    project.dvc("config", "--local", "core.no_scm", "true")
    done = project.ballast("publish-check")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "ERROR: publishing needs a git repository with a commit: git init"
    )
    (ready.folder / "dvc.lock").write_text("")
    done = ready.ballast("publish-check")
    assert done.returncode == 1
    assert "run ballast check, which removes files that DVC left half written" in done.stderr
