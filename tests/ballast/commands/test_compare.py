"""Revisions of a real project are compared through DVC; errors are one line."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from projects import Project

from ballast.__main__ import command_line
from ballast.commands.compare import judged_rows
from ballast.core.errors import UserError
from ballast.core.paths import MANIFEST, PREDICTIONS

Compare = Callable[..., str]


@pytest.fixture(scope="module")
def revisions(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a commit `run`, an experiment, and commits made from other predictions.

    The experiment `smaller` has another data.max_megapixels. The tag `weights` has another
    strategy and other predictions, `moved` other test photographs.
    """
    project = Project(tmp_path_factory.mktemp("revisions") / "project")
    shutil.copytree(reproduced.folder, project.folder)
    project.git("tag", "run")
    project.dvc("exp", "run", "--name", "smaller", "--set-param", "data.max_megapixels=20")
    project.git("stash", "--quiet")
    right = project.read("outputs/predictions.csv")

    def tag(name: str, path: str, text: str, strategy: str = "balanced") -> None:
        project.set_params({"strategy": strategy})
        (project.folder / path).unlink()
        (project.folder / path).write_text(text, encoding="utf-8")
        project.dvc("commit", "--force")
        project.git("commit", "--quiet", "--all", "--message", name)
        project.git("tag", name)
        project.git("reset", "--quiet", "--hard", "run")
        project.dvc("checkout", "--force")

    header, *rows = right.splitlines()
    turned = [",".join([*row.split(",")[:3], *reversed(row.split(",")[3:])]) for row in rows]
    tag("weights", "outputs/predictions.csv", "\n".join([header, *turned, ""]), "weights")
    manifest = project.read("data/manifest.csv").splitlines()
    place = next(i for i, line in enumerate(manifest) if ",test," in line)
    sha256 = manifest[place].split(",")[4]
    manifest[place] = manifest[place].replace(sha256, "0" * 64)
    tag("moved", "data/manifest.csv", "\n".join([*manifest, ""]))
    return project


def run_command(*arguments: str) -> None:
    """Run the command in this process, where errors keep their type."""
    options = command_line({"compare"}).parse_args(["compare", *arguments])
    options.run(options)


@pytest.fixture
def compare(
    revisions: Project,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Compare:
    """Run the command in the project, writing elsewhere, and return what it prints."""
    monkeypatch.chdir(revisions.folder)

    def run(*arguments: str) -> str:
        run_command(*arguments, "--out-dir", str(tmp_path))
        return capsys.readouterr().out

    return run


@contextmanager
def away(folder: Path) -> Iterator[None]:
    """Take a folder away for a while."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)


def test_it_writes_json_and_a_page_without_tensorflow_and_checks_nothing_out(
    revisions: Project,
) -> None:
    before = revisions.outputs()
    done = revisions.run(
        sys.executable, "-c",
        "import sys; from ballast.__main__ import main;"
        " main(['compare', 'run', 'weights', 'workspace']);"
        " assert 'tensorflow' not in sys.modules",
    )  # fmt: skip
    found: dict[str, Any] = json.loads(revisions.read("outputs/comparison.json"))
    assert [*found] == [
        "reference", "test_photographs", "revisions", "different_params", "differences",
        "recommendations",
    ]  # fmt: skip
    assert found["reference"] == "run"
    assert [*found["revisions"]] == ["run", "weights", "workspace"]
    assert found["different_params"] == {
        "strategy": {"run": "balanced", "weights": "weights", "workspace": "balanced"}
    }
    assert found["test_photographs"] == {"one": 1, "two": 2, "zero": 2}
    assert found["revisions"]["run"]["params"]["strategies.weights.weight_power"] == 1
    assert not {"runtime.workers", "export"} & set(found["revisions"]["run"]["params"])
    assert set(found["differences"]) == {"weights", "workspace"}
    same = found["differences"]["workspace"]
    assert same["mcnemar"]["p_value"] == 1
    assert same["metrics"]["accuracy"]["value"] == 0
    page = revisions.read("outputs/comparison.html")
    assert "weights" in page
    assert "data:image/jpeg" in page, "the training images were read from DVC's cache"
    assert "| recall zero " in done.stdout
    assert "| weights - run " in done.stdout
    assert "No significant difference between" in done.stdout

    for name in ("json", "html"):
        (revisions.folder / f"outputs/comparison.{name}").unlink()
    assert revisions.outputs() == before
    assert revisions.git("status", "--porcelain") == ""


def test_an_experiment_a_tag_and_a_commit_are_revisions(
    revisions: Project, compare: Compare
) -> None:
    commit = revisions.git("rev-parse", "weights").strip()
    said = compare("smaller", "run", commit[:10], "--allow-different-params")
    assert f"{commit[:10]} - smaller" in said


def test_equal_revisions_give_equal_bytes(compare: Compare, tmp_path: Path) -> None:
    names = ("comparison.json", "comparison.html")
    compare("run", "weights")
    first = [(tmp_path / name).read_bytes() for name in names]
    compare("run", "weights")
    assert [(tmp_path / name).read_bytes() for name in names] == first


def test_outputs_that_only_the_remote_has_are_read_from_it(
    revisions: Project, compare: Compare, tmp_path: Path
) -> None:
    revisions.dvc("remote", "add", "--local", "--default", "storage", str(tmp_path / "storage"))
    revisions.dvc("push", "--all-tags")
    try:
        with away(revisions.folder / ".dvc/cache"):
            assert "weights - run" in compare("run", "weights")
    finally:
        revisions.dvc("remote", "remove", "--local", "storage")


def test_outputs_that_are_nowhere_are_named(revisions: Project, compare: Compare) -> None:
    message = "run: data/manifest.csv is not in DVC's cache, and no remote has it; push it where"
    with away(revisions.folder / ".dvc/cache"), pytest.raises(UserError, match=message):
        compare("run", "weights")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "give two or more different revisions, for example"),
        (["run", "run"], "give two or more different revisions, for example"),
        (["run", "nowhere"], "nowhere: no such experiment, branch, tag or commit"),
        (["run", "run~1"], "run~1: the pipeline has not run there; run dvc repro"),
        (["run", "smaller"], "run and smaller differ in more than the strategy:"
                             " data.max_megapixels; use the same values"),
        (["run", "moved", "--allow-different-params"],
         r"moved: 1 test photographs differ from those of run, for example .*\.png"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_line(
    compare: Compare, arguments: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        compare(*arguments)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "p_two",
            "two",
            "mine: outputs/predictions.csv: does not match the test photographs and classes",
        ),
        ("path,", "file,", "mine: outputs/predictions.csv: edited or damaged"),
        ("zero/", "other/", "mine: outputs/predictions.csv: does not match the test photographs"),
    ],
)
def test_a_broken_predictions_file(
    revisions: Project, tmp_path: Path, old: str, new: str, message: str
) -> None:
    for path in (MANIFEST, PREDICTIONS):
        text = revisions.read(path.as_posix())
        (tmp_path / path).parent.mkdir(exist_ok=True)
        text = text.replace(old, new) if path == PREDICTIONS else text
        (tmp_path / path).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=f"^{message}"):
        judged_rows("mine", tmp_path)


def test_params_that_the_outputs_were_not_made_with(revisions: Project, compare: Compare) -> None:
    revisions.set_params({"train.patience": 3})
    try:
        with pytest.raises(UserError, match="workspace: its outputs were made with a train"):
            compare("run", "workspace")
    finally:
        revisions.git("checkout", "--quiet", "params.yaml")


def test_elsewhere_than_in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"dvc.yaml: no such file; run from the top"):
        run_command("a", "b")


def test_without_git(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.dvc("config", "--local", "core.no_scm", "true")
    monkeypatch.chdir(project.folder)
    with pytest.raises(UserError, match=r"^comparing needs .* experiments: git init"):
        run_command("a", "b")
