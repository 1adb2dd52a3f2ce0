"""The stages before training: their outputs and their errors."""

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image
from projects import Project

from ballast.balance.oversampling import plan_rounds, target_counts
from ballast.core.errors import UserError
from ballast.core.manifest import Row, read_manifest, subset_rows
from ballast.core.params import EXACT_BACKBONE, EXACT_LEAST_SIZE, Params
from ballast.dataset.split import split_folder

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
    assert done.stdout.splitlines()[-4:] == [
        "21 photographs, 3 files rejected (outputs/rejected.csv)",
        "  1 broken image",
        "  1 empty file",
        "  1 same bytes as another file of its class",
    ]
    assert report(project)["rejected_by_reason"] == {
        "broken image": 1,
        "empty file": 1,
        "same bytes as another file of its class": 1,
    }
    lines = project.read("outputs/rejected.csv").splitlines()
    assert lines[0] == "path,reason"
    assert lines[1].startswith("zero/cut.png,broken image")
    assert lines[2:] == ["zero/empty.jpg,empty file", "zero/twin.png,same bytes as zero/000.png"]


def test_a_class_with_one_image_runs_with_a_warning(project: Project) -> None:
    for name in ("001", "002"):
        (project.folder / f"data/raw/one/{name}.png").unlink()
    done = project.stage("split")
    assert done.returncode == 0
    assert "WARNING: class one has only one training photograph" in done.stderr
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
        ({"split.flod": 1}, ["split.flod", "unknown key", "fold"]),
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
    checked = [project.ballast("check")] if isinstance(spoil, dict) else []
    for done in (*checked, project.stage("split")):
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        for word in words:
            assert word in done.stderr
    # What was left out is told before anything is refused.
    told = not isinstance(spoil, dict)
    assert {*project.outputs()} == ({"outputs/rejected.csv"} if told else set())


def test_a_class_that_loses_all_its_files_is_named_with_the_reason(project: Project) -> None:
    raw = project.folder / "data/raw"
    for path in sorted((raw / "one").iterdir()):
        path.write_bytes(path.read_bytes()[:60])
    done = project.stage("split")
    assert done.returncode == 0
    assert (
        "WARNING: class one: all of its 3 files were rejected, most often as: broken image (out"
        in (done.stderr)
    )
    assert report(project)["class_losses"] == {
        "one": {"files": 3, "rejected": 3, "reason": "broken image"}
    }

    shutil.rmtree(raw / "two")
    done = project.stage("split")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "ERROR: data/raw: only class zero has photographs left: class one lost all of its 3 files,"
        " for example one/000.png (broken image: "
    )
    assert project.read("outputs/rejected.csv").count("one/") == 3


def test_a_folder_around_all_is_looked_through_and_told(project: Project) -> None:
    raw = project.folder / "data/raw"
    raw.rename(raw.with_name("inner"))
    raw.mkdir()
    raw.with_name("inner").rename(raw / "photos")
    (raw / "photos/@eaDir").mkdir()
    (raw / "photos/@eaDir/thumb.jpg").touch()
    done = project.stage("split")
    assert done.returncode == 0
    assert done.stdout.startswith("data/raw: looked through photos/\n")
    assert {row.class_ for row in manifest(project).values()} == {"zero", "one", "two"}
    assert project.read("outputs/rejected.csv").splitlines()[1:] == [
        "photos/@eaDir/thumb.jpg,hidden file"
    ]


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


@pytest.mark.parametrize(
    "module",
    ["ballast.commands.check", *(f"stages.{stage}" for stage in STAGES), "stages.evaluate"],
)
def test_tensorflow_is_not_imported(project: Project, module: str) -> None:
    code = f"import sys, {module}; print([m for m in sys.modules if 'tensorflow' in m])"
    assert project.run(sys.executable, "-c", code).stdout.strip() == "[]"


def manifest(project: Project) -> dict[str, Row]:
    rows = read_manifest(project.folder / "data/manifest.csv")
    return {row.path: row for row in rows}


def report(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.read("outputs/data_report.json"))
    return found


def copy_of(path: Path, target: Path) -> None:
    """Save a picture again: a little smaller, as a JPEG."""
    image = Image.open(path).convert("RGB")
    target.parent.mkdir(parents=True, exist_ok=True)
    image.resize((15, 15), Image.Resampling.LANCZOS).save(target, "BMP")


def test_copies_stand_on_one_side_of_every_fold(project: Project) -> None:
    two = project.folder / "data/raw/two"
    for number in range(3):
        copy_of(two / f"{number:03d}.png", two / f"copy {number}.bmp")
    for fold in range(5):
        project.set_params({"split.fold": fold})
        assert project.stage("split").returncode == 0
        rows = manifest(project)
        for number in range(3):
            original, copy = rows[f"two/{number:03d}.png"], rows[f"two/copy {number}.bmp"]
            assert (copy.split, copy.group) == (original.split, original.group)
    assert len(report(project)["near_duplicates"]) == 3
    project.set_params({"split.near_duplicates": None})
    assert project.stage("split").returncode == 0
    assert report(project)["near_duplicates"] == []


@pytest.mark.parametrize("policy", ["keep", "drop", "fatal"])
@pytest.mark.parametrize("same_bytes", [True, False])
def test_one_picture_in_two_classes(project: Project, policy: str, same_bytes: bool) -> None:
    raw = project.folder / "data/raw"
    if same_bytes:
        shutil.copy(raw / "two/000.png", raw / "zero/copy.png")
    else:
        copy_of(raw / "two/000.png", raw / "zero/copy.png")
    project.set_params({"split.label_conflicts": policy})
    done = project.stage("split")
    assert report(project)["label_conflicts"] == [{"two/000.png": "two", "zero/copy.png": "zero"}]
    if policy == "fatal":
        assert done.returncode == 1
        words = "ERROR: same picture in two classes: two/000.png and zero/copy.png"
        assert done.stderr.startswith(words)
        assert not (project.folder / "data/manifest.csv").exists()
        return
    assert done.returncode == 0
    assert "WARNING: 1 picture is in more than one class" in done.stderr
    rows = manifest(project)
    if policy == "keep":
        assert rows["two/000.png"].split == rows["zero/copy.png"].split
    else:
        assert not {"two/000.png", "zero/copy.png"} & set(rows)
        rejected = project.read("outputs/rejected.csv")
        assert ",copy of zero/copy.png in another class\n" in rejected
        assert report(project)["photographs"] == len(rows) == 20


@pytest.mark.parametrize("policy", ["keep", "drop", "fatal"])
def test_leakage_across_a_given_split(project: Project, policy: str) -> None:
    raw = project.folder / "data/raw"
    for name in ("zero", "one", "two"):
        (raw / "train").mkdir(exist_ok=True)
        (raw / name).rename(raw / "train" / name)
        (raw / "test" / name).mkdir(parents=True)
        for path in sorted((raw / "train" / name).iterdir())[:1]:
            path.rename(raw / "test" / name / path.name)
    copy_of(raw / "test/two/000.png", raw / "train/two/copy.png")
    shutil.copy(raw / "test/zero/000.png", raw / "train/zero/twin.png")
    project.set_params({"split.leakage": policy})
    done = project.stage("split")
    assert report(project)["leakage"] == [
        {"train/zero/twin.png": "train", "test/zero/000.png": "test"},
        {"test/two/000.png": "test", "train/two/copy.png": "train"},
    ]
    if policy == "fatal":
        assert done.returncode == 1
        assert "train/zero/twin.png and test/zero/000.png" in done.stderr
        return
    assert (
        "WARNING: 2 pictures or groups are in more than one set of the given split" in done.stderr
    )
    rows = manifest(project)
    assert "train/zero/twin.png" not in rows, "the same bytes train and test in no case"
    assert ("train/two/copy.png" in rows) == (policy == "keep")
    assert {row.split for path, row in rows.items() if path.startswith("test/")} == {"test"}


def test_groups_by_a_pattern_and_by_a_table(project: Project) -> None:
    raw = project.folder / "data/raw"
    project.set_params({"split.group": r"two/00\d", "split.near_duplicates": None})
    (raw / "two/009.png").rename(raw / "two/alone.png")
    assert project.stage("split").returncode == 0
    rows = manifest(project)
    assert len({row.group for row in rows.values()}) == len(rows)
    project.set_params({"split.group": r"two/00"})
    done = project.stage("split")
    assert "WARNING: class two: its 10 photographs form 2 groups" in done.stderr
    rows = manifest(project)
    assert len({row.group for path, row in rows.items() if path.startswith("two/00")}) == 1
    project.set_params({"train.backbone": EXACT_BACKBONE, "data.image_size": EXACT_LEAST_SIZE})
    assert "form 2 groups" not in project.stage("split").stderr, "nothing is validated"

    (raw / "groups.csv").write_text("path,group\none/000.png,a\none/001.png,a\n")
    project.set_params({"split.group": "groups.csv"})
    assert project.stage("split").returncode == 0
    rows = manifest(project)
    assert rows["one/000.png"].group == rows["one/001.png"].group != rows["one/002.png"].group
    assert "groups.csv,table for split.group" in project.read("outputs/rejected.csv")

    project.set_params({"split.group": "nowhere.csv"})
    done = project.stage("split")
    assert done.returncode == 1
    said = "ERROR: params.yaml: split.group: nowhere.csv: no such file in data/raw\n"
    assert done.stderr == said

    (raw / "folder.csv").mkdir()
    project.set_params({"split.group": "folder.csv"})
    said = "split.group: folder.csv: not a readable file in data/raw: folder, not a file\n"
    assert project.stage("split").stderr.endswith(said)


@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(1, 8), min_size=2, max_size=4),
    shared=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
    ready_made=st.booleans(),
    data=st.data(),
)
def test_no_val_or_test_image_or_copy_of_one_is_ever_augmented(
    shipped: Params,
    counts: list[int],
    shared: int,
    seed: int,
    ready_made: bool,
    data: st.DataObject,
) -> None:
    """The stages' own steps, over random folders in which some pictures come twice or more."""
    subsets = ["train", "test", "val"] if ready_made else [""]
    files: dict[str, int] = {}
    for class_, count in enumerate(counts):
        for number in range(count):
            subset = data.draw(st.sampled_from(subsets)) if number else subsets[0]
            picture = number if number < shared else 100 * class_ + 10 + number
            files[f"{subset}/{class_}/{number}.png".lstrip("/")] = picture
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        for number, (path, picture) in enumerate(files.items()):
            values = np.random.default_rng(picture).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            image = Image.fromarray(values).resize((32 + number % 3, 32), Image.Resampling.BICUBIC)
            (raw / path).parent.mkdir(parents=True, exist_ok=True)
            image.save(raw / path)
        params = replace(
            shipped,
            seed=seed,
            split=replace(shipped.split, leakage="drop"),
            runtime=replace(shipped.runtime, workers=1),
        )
        try:
            rows, _, _ = split_folder(raw, params, Path(os.devnull, "none"))
        except UserError:
            return  # a class was dropped whole
        train = subset_rows(rows, "train")
        targets = target_counts(Counter(row.class_ for row in train), 2, oversample=True)
        sources = {files[row.path] for row, _ in plan_rounds(train, targets)}
        held_out = {files[row.path] for row in rows if row.split != "train"}
        assert not sources & held_out


def test_pictures_that_are_all_alike_are_one_group_and_nothing_is_tested(project: Project) -> None:
    raw = project.folder / "data/raw"
    image = Image.open(raw / "two/000.png").convert("RGB")
    for number, path in enumerate(sorted(raw.glob("*/*.png"))):
        path.unlink()
        image.resize((40 + number, 40)).save(path)
    done = project.stage("split")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "ERROR: data/raw: no test photographs: every class is too small or is one group of copies"
    )
    assert report(project)["groups"]["two"] == {"photographs": 10, "groups": 1, "largest": 10}


def test_left_and_right_hands_are_two_classes_unless_flips_make_one_from_the_other(
    project: Project,
) -> None:
    raw = project.folder / "data/raw"
    shutil.rmtree(raw)
    for name in ("left", "right"):
        (raw / name).mkdir(parents=True)
    for number in range(6):
        values = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        image = Image.fromarray(values).resize((64, 64), Image.Resampling.BICUBIC)
        image.save(raw / f"left/{number}.png")
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(raw / f"right/{number}.png")
    project.set_params({"split.label_conflicts": "fatal", "augment.flip": "horizontal"})
    refused = project.stage("split")
    warning = (
        "WARNING: 6 pictures of class left are mirror images of pictures of class right, and"
        " augment.flip: horizontal makes the one from the other; set augment.flip to null\n"
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{warning}ERROR: same picture in two classes: left/0.png and")
    for flip in (None, "vertical"):
        project.set_params({"augment.flip": flip})
        done = project.stage("split")
        assert (done.returncode, done.stderr) == (0, "")
        found = report(project)
        assert not found["label_conflicts"]
        assert not found["near_duplicates"]
        rows = manifest(project)
        # They show the same hand, so they are on one side.
        assert all(rows[f"left/{n}.png"].group == rows[f"right/{n}.png"].group for n in range(6))


def test_more_folds_than_any_class_has_groups_are_refused_with_the_number_that_works(
    project: Project,
) -> None:
    refusal = (
        "must be 2 to 10 for these photographs, not 11, since a fold would test none: a class is"
        " tested in at most as many folds as it has groups (outputs/data_report.json)\n"
    )
    for fold in (0, 10):
        project.set_params({"split.folds": 11, "split.fold": fold})
        done = project.stage("split")
        assert done.returncode == 1
        assert done.stderr == f"ERROR: params.yaml: split.folds: {refusal}"
    done = project.ballast("cross-validate", "--folds", "11")
    assert done.returncode == 1
    assert done.stderr.endswith(f"ERROR: --folds: {refusal}")
    project.set_params({"split.folds": 10, "split.fold": 9})
    assert project.stage("split").returncode == 0
    assert any(row.split == "test" for row in manifest(project).values())


def test_a_given_test_set_needs_no_folds(project: Project) -> None:
    raw = project.folder / "data/raw"
    for name in ("one", "two", "zero"):
        (raw / "train").mkdir(exist_ok=True)
        (raw / name).rename(raw / "train" / name)
        (raw / "test" / name).mkdir(parents=True)
        (raw / "train" / name / "000.png").rename(raw / "test" / name / "000.png")
    project.set_params({"split.folds": 1000})
    assert project.stage("split").returncode == 0


def test_a_group_holds_through_a_photograph_that_was_left_out(project: Project) -> None:
    raw = project.folder / "data/raw"
    # The same bytes under two names, of which the one without the subject's name is kept.
    shutil.copy(raw / "two/000.png", raw / "two/rex-1.png")
    (raw / "two/005.png").rename(raw / "two/rex-2.png")
    project.set_params({"split.group": r"/(rex)-\d", "split.near_duplicates": None})
    assert project.stage("split").returncode == 0
    rows = manifest(project)
    assert "two/rex-1.png" not in rows
    assert rows["two/000.png"].group == rows["two/rex-2.png"].group


def test_a_class_that_was_dropped_whole_is_told(project: Project) -> None:
    raw = project.folder / "data/raw"
    shutil.rmtree(raw / "one")
    (raw / "one").mkdir()
    for number in range(3):
        shutil.copy(raw / f"two/{number:03d}.png", raw / "one")
    project.set_params({"split.label_conflicts": "drop"})
    done = project.stage("split")
    assert done.returncode == 0
    assert "WARNING: class one: all of its photographs were dropped" in done.stderr


@pytest.mark.long
def test_500_classes_of_three_photographs_run_through(project: Project) -> None:
    raw = project.folder / "data/raw"
    shutil.rmtree(raw)
    generator = np.random.default_rng(0)
    for class_ in range(500):
        (raw / f"class {class_}").mkdir(parents=True)
        for number in range(3):
            values = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            image = Image.fromarray(values).resize((16, 16), Image.Resampling.BICUBIC)
            image.save(raw / f"class {class_}" / f"{number}.png")
    project.set_params({"split.folds": 3})
    for stage in [*STAGES, "train", "cross_validate", "explain", "evaluate"]:
        done = project.stage(stage)
        assert done.returncode == 0, done.stderr
    metrics = json.loads(project.read("outputs/metrics.json"))
    assert len(metrics["recall"]) == 500
