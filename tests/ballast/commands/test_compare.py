"""Revisions of a real project are compared through DVC; errors are one line."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from projects import Project

from ballast.__main__ import command_line
from ballast.commands.compare import READ, judged_rows, of_folder
from ballast.core.errors import UserError
from ballast.core.params import as_dict, dotted, parse_params
from ballast.core.paths import JUDGEMENTS, MANIFEST, PREDICTIONS
from ballast.scores.run import read_run

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
        "reference", "cross_validated", "photographs", "independent_groups", "revisions",
        "different_params", "differences", "best_is_too_high_by", "recommendations",
    ]  # fmt: skip
    assert found["reference"] == "run"
    assert [*found["revisions"]] == ["run", "weights", "workspace"]
    assert found["different_params"] == {
        "strategy": {"run": "balanced", "weights": "weights", "workspace": "balanced"}
    }
    assert found["cross_validated"] is False
    assert found["photographs"] == {"one": 1, "two": 2, "zero": 2}
    assert found["independent_groups"] == 5
    assert found["revisions"]["run"]["trainings"] == 1
    assert found["revisions"]["run"]["params"]["strategies.weights.weight_power"] == 1
    assert not {"runtime.workers", "export"} & set(found["revisions"]["run"]["params"])
    assert set(found["differences"]) == {"weights", "workspace"}
    same = found["differences"]["workspace"]
    assert same["accuracy"]["p_value"] == 1
    assert same["balanced_accuracy"]["decision"] == "none"
    assert same["metrics"]["accuracy"]["value"] == 0
    page = revisions.read("outputs/comparison.html")
    assert "weights" in page
    assert "data:image/jpeg" in page, "the training images were read from DVC's cache"
    assert "| recall zero " in done.stdout
    assert "| weights - run " in done.stdout
    assert (
        "No significant difference between this model of workspace and this model of run: balanced"
    ) in done.stdout
    assert "the highest balanced accuracy is expected to be about" in done.stdout

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
        (["run", "b4"], "b4: no such experiment, branch, tag or commit"),
        (["run", "a b"], "a b: no such experiment, branch, tag or commit"),
        (["run", "run~1"], "run~1: the pipeline has not run there; run dvc repro"),
        (["run", "smaller"], "run and smaller differ in more than the strategy:"
                             " data.max_megapixels; use the same values"),
        (["run", "moved", "--allow-different-params"],
         r"moved: 1 judged photographs differ from those of run, for example .*\.png"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_line(
    compare: Compare, arguments: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        compare(*arguments)


def judged_paths(revisions: Project, folder: Path, path: Path, text: str) -> list[str]:
    """Read a run whose file has another text; return the photographs that it judged."""
    for name in READ:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(revisions.folder / name, folder / name)
    (folder / path).write_text(text, encoding="utf-8")
    params = dotted(as_dict(parse_params(revisions.read("params.yaml"))))
    with of_folder("mine", folder):
        return [row.path for row in judged_rows(read_run("mine", folder, params), folder)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("p_two", "two", "edited or damaged"),
        ("path,", "file,", "edited or damaged"),
        ("zero/", "other/", "edited or damaged"),
        (",zero,", ",one,", "does not match the photographs and classes in data/manifest.csv; run"),
        (",p_zero\n", ",p_zero,p_new\n", "edited or damaged"),
    ],
)
def test_a_broken_predictions_file(
    revisions: Project, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = revisions.read(PREDICTIONS.as_posix())
    with pytest.raises(UserError, match=f"^mine: outputs/predictions.csv: {message}"):
        judged_paths(revisions, tmp_path, PREDICTIONS, text.replace(old, new))


def test_predictions_of_a_part_of_the_test_photographs(revisions: Project, tmp_path: Path) -> None:
    lines = revisions.read(PREDICTIONS.as_posix()).splitlines(keepends=True)
    whole = judged_paths(revisions, tmp_path, PREDICTIONS, "".join(lines))
    assert whole == [line.partition(",")[0] for line in lines[1:]]
    with pytest.raises(UserError, match=r"^mine: outputs/predictions\.csv: does not match the ph"):
        judged_paths(revisions, tmp_path, PREDICTIONS, "".join(lines[:-1]))


def test_judgements_are_of_every_photograph_that_they_name(
    revisions: Project, tmp_path: Path
) -> None:
    names = [line.partition(",")[0] for line in revisions.read(MANIFEST.as_posix()).splitlines()]
    header = revisions.read(JUDGEMENTS.as_posix())
    rows = [f"balanced,42,{name},{name.partition('/')[0]},one,1,0,0" for name in names[1:]]
    text = header + "".join(f"{row}\n" for row in rows)
    assert judged_paths(revisions, tmp_path, JUDGEMENTS, text) == names[1:]
    message = r"^mine: outputs/cross_validation\.csv: does not match the photographs and classes"
    with pytest.raises(UserError, match=message):
        judged_paths(revisions, tmp_path, JUDGEMENTS, text.replace(",zero,", ",two,"))


def test_params_that_the_outputs_were_not_made_with(revisions: Project, compare: Compare) -> None:
    revisions.set_params({"train.patience": 3})
    try:
        with pytest.raises(UserError, match="workspace: its outputs were made with a train"):
            compare("run", "workspace")
    finally:
        revisions.git("checkout", "--quiet", "params.yaml")


def test_a_stage_that_dvc_yaml_no_longer_has_is_no_matter(
    revisions: Project, compare: Compare
) -> None:
    path = revisions.folder / "dvc.lock"
    written = path.read_text()
    params = {"params.yaml": {"train.patience": 12345}}
    lock = yaml.safe_load(written)
    lock["stages"]["gone"] = {"cmd": "true", "params": params}
    path.write_text(yaml.safe_dump(lock))
    try:
        assert "workspace" in compare("run", "workspace")
    finally:
        path.write_text(written)


def test_elsewhere_than_in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"dvc.yaml: no such file; run from the top"):
        run_command("a", "b")


def test_without_git(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.dvc("config", "--local", "core.no_scm", "true")
    monkeypatch.chdir(project.folder)
    with pytest.raises(
        UserError, match=r"^comparing needs a git repository with a commit: git init"
    ):
        run_command("a", "b")
