"""The stages before training: what they write, and what they say when something is wrong."""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import Project

from ballast.manifest import read_manifest

STAGES = ["split", "count_classes", "oversample", "compute_weights"]


@pytest.fixture(scope="module")
def original(
    new_project: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project after the four stages, to be copied."""
    project = new_project(tmp_path_factory.mktemp("original") / "project")
    for stage in STAGES:
        done = project.stage(stage)
        assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def run_through(original: Project, tmp_path: Path) -> Project:
    """A project after the four stages, the test's own."""
    return Project(shutil.copytree(original.folder, tmp_path / "project"))


def test_oversampling_is_exact_and_names_source_and_round(run_through: Project) -> None:
    counts = json.loads(run_through.read("outputs/class_counts.json"))
    target = 3 * max(subsets["train"] for subsets in counts.values())
    rows = read_manifest(run_through.folder / "data/manifest.csv")
    for name, subsets in counts.items():
        made = sorted(
            path.name for path in (run_through.folder / "data/augmented" / name).iterdir()
        )
        assert len(made) == target
        sources = {f"{Path(r.path).stem}-{r.sha256[:12]}" for r in rows if r.split == "train"}
        assert Counter(name.rsplit("-r", 1)[0] for name in made).keys() <= sources
        rounds = Counter(int(name.rsplit("-r", 1)[1][:3]) for name in made)
        assert rounds[0] == subsets["train"]
        assert len(rounds) == -(-target // subsets["train"])


def test_nothing_of_val_or_test_is_augmented(run_through: Project) -> None:
    rows = read_manifest(run_through.folder / "data/manifest.csv")
    held_out = {row.sha256[:12] for row in rows if row.split != "train"}
    names = [path.name for path in (run_through.folder / "data/augmented").glob("*/*")]
    assert held_out
    assert not [name for name in names if name.rsplit("-", 2)[1] in held_out]


def test_weights_come_from_the_counts_before_oversampling(run_through: Project) -> None:
    run_through.set_params({"strategy": "weights"})
    assert run_through.stage("compute_weights").returncode == 0
    counts = json.loads(run_through.read("outputs/class_counts.json"))
    train = {name: subsets["train"] for name, subsets in counts.items()}
    expected = {name: sum(train.values()) / (3 * n) for name, n in train.items()}
    assert json.loads(run_through.read("outputs/class_weights.json")) == pytest.approx(expected)


def test_oversampling_again_leaves_no_file_of_an_earlier_run(run_through: Project) -> None:
    augmented = run_through.folder / "data/augmented"
    (augmented / "zero" / "stale.jpg").write_bytes(b"of another run")
    (augmented / "old class").mkdir()
    run_through.set_params({"augment.factor": 1})
    assert run_through.stage("oversample").returncode == 0
    assert not (augmented / "zero" / "stale.jpg").exists()
    assert {path.name for path in augmented.iterdir()} == {"zero", "one", "two"}
    assert not (run_through.folder / "data/augmented.tmp").exists()


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_workers_change_no_byte(run_through: Project, workers: int) -> None:
    augmented = run_through.folder / "data/augmented"
    before = {path: path.read_bytes() for path in augmented.glob("*/*")}
    run_through.set_params({"runtime.workers": workers})
    assert run_through.stage("oversample").returncode == 0
    assert {path: path.read_bytes() for path in augmented.glob("*/*")} == before


def test_rejected_files_are_listed_and_the_run_goes_on(project: Project) -> None:
    zero = project.folder / "data/raw/zero"
    (zero / "empty.jpg").touch()
    (zero / "cut.png").write_bytes((zero / "000.png").read_bytes()[:120])
    (zero / "twin.png").write_bytes((zero / "000.png").read_bytes())
    done = project.stage("split")
    assert done.returncode == 0
    assert "21 photographs, 3 files rejected" in done.stdout
    lines = project.read("outputs/rejected.csv").splitlines()
    assert lines[0] == "path,reason"
    assert lines[1].startswith("zero/cut.png,broken image")
    assert lines[2:] == ["zero/empty.jpg,empty file", "zero/twin.png,same bytes as zero/000.png"]


def test_a_class_with_one_image_runs_with_a_warning(project: Project) -> None:
    for name in ("001", "002"):
        (project.folder / f"data/raw/one/{name}.png").unlink()
    done = project.stage("split")
    assert done.returncode == 0
    assert "WARNING: class one has a single photograph to train on" in done.stderr
    for stage in STAGES[1:]:
        assert project.stage(stage).returncode == 0


def empty_raw(project: Project) -> None:
    shutil.rmtree(project.folder / "data/raw")
    (project.folder / "data/raw/zero").mkdir(parents=True)


def one_class(project: Project) -> None:
    for name in ("one", "two"):
        shutil.rmtree(project.folder / "data/raw" / name)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (empty_raw, ["data/raw", "no images", "JPEG"]),
        (one_class, ["data/raw", "only one class, zero", "two or more"]),
        ({"data.raw": "data/nowhere"}, ["data.raw", "data/nowhere", "no such folder"]),
        ({"strategy": "magic"}, ["strategy", "magic", "balanced"]),
        ({"seed": "x"}, ["seed", "integer", "'x'"]),
        ({"split.fold": 9}, ["split.fold", "9", "below split.folds"]),
        ({"split.flod": 1}, ["split.flod", "no such key", "fold"]),
    ],
)
def test_a_users_mistake_is_one_line_and_leaves_nothing_behind(
    project: Project,
    spoil: Any,  # noqa: ANN401  # a change of the project, or of its params
    words: list[str],
) -> None:
    if isinstance(spoil, dict):
        project.set_params(spoil)
    else:
        spoil(project)
    for stage in ("check", "split") if isinstance(spoil, dict) else ("split",):
        done = project.stage(stage)
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        for word in words:
            assert word in done.stderr
    assert not (project.folder / "outputs").exists()
    assert not (project.folder / "data/manifest.csv").exists()


def test_a_photograph_that_changed_after_the_split_stops_oversampling(project: Project) -> None:
    for stage in STAGES[:2]:
        assert project.stage(stage).returncode == 0
    photo = project.folder / "data/raw/one/000.png"
    row = next(
        row
        for row in read_manifest(project.folder / "data/manifest.csv")
        if row.class_ == "one" and row.split == "train"
    )
    photo = project.folder / "data/raw" / row.path
    photo.write_bytes(photo.read_bytes() + b"more")
    done = project.stage("oversample")
    assert done.returncode == 1
    assert f"{row.path}: changed since it was listed" in done.stderr
    assert not (project.folder / "data/augmented").exists()


@pytest.mark.parametrize("stage", ["check", *STAGES, "evaluate"])
def test_tensorflow_is_not_imported(project: Project, stage: str) -> None:
    code = f"import sys, stages.{stage}; print([m for m in sys.modules if 'tensorflow' in m])"
    assert project.run(sys.executable, "-c", code).stdout.strip() == "[]"
