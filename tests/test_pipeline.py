"""What dvc repro runs after each change, as DVC itself reports it."""

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo
from projects import Project, environment

from ballast.core.files import write_csv, write_json
from ballast.core.manifest import AugmentedRow, write_augmented, write_manifest
from ballast.scores.explanations import Explanations, write_explanations
from ballast.scores.predictions import Predictions, write_judgements, write_predictions

ALL = [
    "split", "count-classes", "compute-weights", "oversample", "train", "cross-validate",
    "explain", "evaluate",
]  # fmt: skip
SHOWING_PARAMS = ["evaluate"]


def ran(project: Project) -> set[str]:
    return set(project.repro()[0])


@pytest.fixture
def own(reproduced: Project, tmp_path: Path) -> Project:
    """A copy of `reproduced` for a test that changes it."""
    return reproduced.copied(tmp_path / "project")


def test_partial_reruns(own: Project) -> None:
    """Each change in turn, in one project: a change back is part of what is tested."""
    assert own.repro() == ([], []), "nothing changed: nothing runs"

    own.set_params({"train.learning_rate": 0.01})
    assert ran(own) == {"train", "cross-validate", "explain", "evaluate"}

    own.set_params({"train.learning_rate": 0.001, "augment.factor": 2})
    assert ran(own) == {"oversample", "train", "cross-validate", "explain", "evaluate"}

    # The counts stay what they were, so what reads nothing else stays too.
    own.set_params({"augment.factor": 3, "seed": 1})
    assert ran(own) == set(ALL) - {"compute-weights"}

    own.set_params({"seed": 42})
    again, restored = own.repro()
    assert set(again) <= {"evaluate"}
    assert {"split", "oversample", "train"} <= set(restored), "set back: restored, not run"

    own.set_params({"strategy": "weights"})
    assert ran(own) == {*ALL} - {"split", "count-classes"}


def test_the_answer_of_an_earlier_run_says_what_has_changed_since(
    reproduced: Project, tmp_path: Path
) -> None:
    current = reproduced.ballast("answer").stdout
    assert current.startswith("class ")
    assert current.endswith("\nOpen outputs/report.html\n")

    photo = reproduced.folder / "data/raw/one/new.png"
    shutil.copy(photo.parent / "000.png", photo)
    reproduced.set_params({"seed": 1, "runtime.workers": 1})
    assert reproduced.ballast("answer").stdout == (
        "Of an earlier run: since then, data/raw, params.yaml (seed) changed; make renews it\n\n"
        + current
    )
    assert reproduced.ballast("answer", "--just-run").stdout == current
    photo.unlink()
    reproduced.git("checkout", "--quiet", "params.yaml")

    clone = Project(tmp_path / "clone")
    reproduced.git("clone", "--quiet", ".", str(clone.folder))
    said = clone.ballast("answer").stdout
    assert said.startswith("class "), "what is missing has not changed"
    assert said.endswith("\noutputs/report.html is missing; make brings it back\n")


@pytest.mark.long
def test_clones_that_run_the_same_commit_can_pull_from_each_other(
    reproduced: Project, tmp_path: Path
) -> None:
    """Their dvc.lock does not differ, so git has nothing to merge."""
    origin, ours, theirs = (tmp_path / name for name in ("origin.git", "ours", "theirs"))
    reproduced.git("clone", "--quiet", "--bare", ".", str(origin))
    clones = []
    for folder in (ours, theirs):
        reproduced.git("clone", "--quiet", str(origin), str(folder))
        clone = Project(folder)
        assert {*clone.repro()[0]} == {*ALL}, "each runs everything itself"
        assert clone.git("status", "--short") == ""
        clones.append(clone)
    first, second = clones

    first.set_params({"train.learning_rate": 0.01})
    first.repro()
    first.commit_all()
    first.git("push", "--quiet")
    second.git("pull", "--quiet", "--ff-only")
    assert second.git("status", "--short") == ""
    # Of a network, cross-validate writes what it wrote before.
    assert second.repro()[0] == ["train", "evaluate"]
    assert second.git("status", "--short") == ""
    assert second.outputs() == first.outputs()


def test_a_param_that_changes_no_output_runs_nothing(reproduced: Project) -> None:
    def outdated(**values: object) -> set[str]:
        reproduced.set_params({key.replace("__", "."): value for key, value in values.items()})
        found = set(json.loads(reproduced.dvc("status", "--json")))
        reproduced.git("checkout", "--quiet", "params.yaml")
        return found

    assert outdated(runtime__workers=1) == set(), "workers change how fast, not what"
    assert outdated(strategies__weights__weight_power=0.5) == set(), "a strategy not in use"
    used = outdated(strategies__balanced__weight_power=0.5)
    assert used == {
        "oversample",
        "compute-weights",
        "train",
        "cross-validate",
        "explain",
        *SHOWING_PARAMS,
    }


def test_a_new_image_runs_split_and_what_its_output_changes(own: Project) -> None:
    raw = own.folder / "data/raw"
    before = own.read("data/manifest.csv")
    (raw / "one" / "not an image.png").write_bytes(b"")
    # The report counts a file that is rejected, but the manifest stays as it is.
    assert ran(own) == {"split", "evaluate"}
    assert own.read("data/manifest.csv") == before
    (raw / "one" / "not an image.png").unlink()

    data = (raw / "one" / "000.png").read_bytes()
    (raw / "one" / "100.png").write_bytes(data + b"other bytes, same picture")
    assert ran(own) == set(ALL)
    (raw / "one" / "100.png").unlink()
    again, restored = own.repro()
    assert set(again) <= {"evaluate"}
    assert "train" in restored


@pytest.mark.long
def test_a_line_of_code_runs_the_stages_that_import_it_and_no_more(reproduced: Project) -> None:
    """Which stages depend on a module is in the table below; their outputs may stay the same."""

    def touched(*modules: str, line: str = "# one more line") -> set[str]:
        with one_more_line(reproduced, modules, line):
            return ran(reproduced)

    # The images are what they were; the network is not judged by cross-validation.
    assert touched("augment/transforms.py") == {"oversample", "cross-validate"}
    # plots.py is imported by two stages; count-classes writes what it wrote before.
    assert touched("report/plots.py") == {"count-classes", "evaluate"}
    # The model is what it was; the card has the hash of the code.
    assert touched("model/cnn.py") == {"train", "cross-validate", "explain", "evaluate"}
    assert touched("report/templates/page.css", line="/* one more line */") == {"evaluate"}
    reproduced.repro()


@contextmanager
def one_more_line(
    project: Project, modules: Sequence[str], line: str = "# one more line"
) -> Iterator[None]:
    """Add a line to modules of ballast/ for a while."""
    texts = {project.folder / "ballast" / module: "" for module in modules}
    for path in texts:
        texts[path] = path.read_text(encoding="utf-8")
        path.write_text(f"{texts[path]}\n{line}\n", encoding="utf-8")
    try:
        yield
    finally:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")


# Of each room that a stage imports, a module, and of some what only one stage imports of it.
STAGES_OF = {
    "core/errors.py": {*ALL},
    "keras_setup.py": {"train", "cross-validate", "explain"},
    "workers/processes.py": {"split", "oversample", "train", "cross-validate", "explain"},
    "workers/threads.py": {"split", "oversample", "train", "cross-validate", "explain"},
    "dataset/folds.py": {"split", "cross-validate", "explain"},
    "balance/class_weights.py": {"compute-weights", "train", "cross-validate", "explain"},
    "balance/oversampling.py": {"oversample", "train", "cross-validate", "explain"},
    "balance/batches.py": {"train", "cross-validate", "explain"},
    "augment/variants.py": {"oversample", "cross-validate"},
    "augment/shards.py": {"oversample", "train", "evaluate"},
    "comparison/contrasts.py": {"evaluate"},
    "insight/shortcuts.py": {"explain"},
    "scores/estimates.py": {"explain", "evaluate"},
    "scores/history.py": {"train", "explain", "evaluate"},
    "scores/predictions.py": {"train", "cross-validate", "explain", "evaluate"},
    "model/training.py": {"train", "cross-validate", "explain"},
    "report/pages.py": {"evaluate"},
    "report/plots.py": {"count-classes", "evaluate"},
}
OF_NO_STAGE = [
    "__init__.py", "__main__.py", "classifier.py", "commands/compare.py",
    "dvc_tools/cache.py", "export.py", "vendoring/upgrade.py",
]  # fmt: skip


def room_of(module: str) -> str:
    return module.split("/")[0]


def test_one_line_of_a_module_re_runs_the_stages_whose_room_it_is_in_and_no_others(
    reproduced: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reproduced.folder)

    def to_run() -> set[str]:
        with Repo() as repo:  # in this process: a new one takes a second to load DVC
            return set(repo.status())

    rooms = {path.parent.name for path in Path("ballast").glob("*/__init__.py")}
    rooms |= {path.name for path in Path("ballast").glob("*.py")}
    assert {room_of(module) for module in [*STAGES_OF, *OF_NO_STAGE]} == rooms
    assert to_run() == set()
    for module, stages in STAGES_OF.items():
        with one_more_line(reproduced, [module]):
            assert to_run() == stages, module
    with one_more_line(reproduced, OF_NO_STAGE):
        assert to_run() == set()
    assert to_run() == set()


def changed_by(project: Project, old: str, new: str) -> set[str]:
    """The stages that dvc repro would run after a change in pyproject.toml."""
    path = project.folder / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    status = json.loads(project.dvc("status", "--json"))
    path.write_text(text, encoding="utf-8")
    return set(status)


def test_a_new_version_of_a_package_runs_the_stages_that_it_matters_to(
    reproduced: Project,
) -> None:
    assert changed_by(reproduced, '"ruff==', '"ruff==99.') == set()
    assert changed_by(reproduced, '"dvc==', '"dvc==99.') == set()
    images = {"split", "oversample", "train", "cross-validate", "explain", "evaluate"}
    assert changed_by(reproduced, '"pillow==', '"pillow==99.') == images
    networks = {"train", "cross-validate", "explain"}
    assert changed_by(reproduced, '"keras==', '"keras==99.') == networks
    pictures = {"count-classes", "evaluate"}
    assert changed_by(reproduced, '"matplotlib==', '"matplotlib==99.') == pictures
    assert changed_by(reproduced, '"jinja2==', '"jinja2==99.') == {"evaluate"}


def test_files_of_another_run_are_noticed_and_cleared_away(reproduced: Project) -> None:
    lock = reproduced.read("dvc.lock")
    augmented = reproduced.folder / "data/augmented"
    (augmented / "one" / "stale.jpg").write_bytes(b"of another run")
    next((augmented / "zero").iterdir()).unlink()
    ran, restored = reproduced.repro()
    assert "oversample" in {*ran, *restored}
    assert not (augmented / "one" / "stale.jpg").exists()
    assert reproduced.read("dvc.lock") == lock
    assert reproduced.repro() == ([], [])


def test_a_half_written_model_is_noticed_and_made_whole(reproduced: Project) -> None:
    lock, model = reproduced.read("dvc.lock"), reproduced.folder / "models/model.keras"
    whole = model.read_bytes()
    model.write_bytes(whole[: len(whole) // 2])
    reproduced.repro()
    assert model.read_bytes() == whole
    assert reproduced.read("dvc.lock") == lock


def overwrite_in_cache(project: Project, path: str) -> None:
    """Overwrite a file in DVC's cache as a failing disk would, read-only as it is."""
    digest = hashlib.md5((project.folder / path).read_bytes()).hexdigest()
    cached = project.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    cached.chmod(0o644)
    cached.write_bytes(b"garbage")
    cached.chmod(0o444)


def test_damage_in_the_cache_is_noticed_and_mended(reproduced: Project) -> None:
    lock = reproduced.read("dvc.lock")
    image = next((reproduced.folder / "data/augmented/one").iterdir())
    image_path = image.relative_to(reproduced.folder).as_posix()
    readers = {
        "data/manifest.csv": "count_classes",
        "outputs/history.csv": None,
        "models/model.keras": None,
        "outputs/predictions.csv": None,
        image_path: "train",
    }
    files = [reproduced.folder / path for path in readers]
    whole = [file.read_bytes() for file in files]
    manifest = whole[0]
    for path, file in zip(readers, files, strict=True):
        overwrite_in_cache(reproduced, path)
        file.unlink()
    reproduced.repro()
    assert [file.read_bytes() for file in files] == [b"garbage"] * len(files), "DVC hands it out"
    for path, reader in readers.items():
        if reader:
            done = reproduced.stage(reader)
            assert done.returncode == 1
            assert f"ERROR: {path}: " in done.stderr
            assert "run ballast check, then dvc repro" in done.stderr
            files[0].write_bytes(manifest)  # which train reads before the image

    for file in files:
        file.write_bytes(b"garbage")
    said = reproduced.ballast("check").stderr
    assert said.count("damaged since DVC wrote it; removed") == len(files)
    for file in files:
        assert f"{file}: holds the damaged content; removed" in said
    reproduced.repro()
    assert [file.read_bytes() for file in files] == whole
    assert reproduced.read("dvc.lock") == lock


def test_what_dvc_cannot_read_is_rejected_and_stops_nothing(project: Project) -> None:
    project.dvc("config", "--local", "core.no_scm", "true")
    folder = project.folder / "data/raw/one"
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).touch()
    assert "now lists 3 files" in project.ballast("check").stdout
    project.dvc("repro", "split")
    assert project.read("outputs/rejected.csv").splitlines()[1:] == [
        "one/\\xff.png,name is not UTF-8",
        "one/gone.png,broken link",
        'one/pipe.png,"pipe, socket or device"',
    ]
    (folder / "gone.png").unlink()
    project.ballast("check")
    project.dvc("repro", "split")
    assert "gone.png" not in project.read("outputs/rejected.csv"), "split ran again"


@pytest.mark.long
def test_experiments_are_compared_class_by_class(reproduced: Project, tmp_path: Path) -> None:
    before = reproduced.outputs(), reproduced.git("status", "--short")
    done = reproduced.ballast(
        "compare", "--train", "baseline", "balanced", "--out-dir", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert (reproduced.outputs(), reproduced.git("status", "--short")) == before
    table = reproduced.dvc("metrics", "diff", "baseline", "balanced", "--all")
    for metric in ("accuracy", "recall.one", "calibration_error", "worst_class_recall"):
        assert metric in table
    targets = ("--targets", "outputs/class_metrics.json")
    table = reproduced.dvc("metrics", "diff", "baseline", "balanced", "--all", *targets)
    for metric in ("precision.one", "f1.two", "roc_auc.zero", "average_precision.one"):
        assert metric in table
    reproduced.dvc("plots", "diff", "baseline", "balanced", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text(encoding="utf-8")
    for plot in ("confusion matrix", '"title": "recall"', '"title": "loss"'):
        assert plot in page
    assert json.dumps("baseline") in page
    assert json.dumps("balanced") in page


@pytest.mark.long
def test_another_process_sees_a_training_epoch_by_epoch(project: Project) -> None:
    project.set_params({"train.epochs": 600, "train.patience": 600})
    project.commit_all()
    project.dvc("repro", "oversample", "compute-weights")
    command = [sys.executable, "-m", "dvc", "exp", "run", "--name", "long"]
    running = subprocess.Popen(command, cwd=project.folder, env=environment())
    steps: set[int] = set()
    while running.poll() is None and len(steps) < 2:
        row = next(csv.DictReader(io.StringIO(project.dvc("exp", "show", "--csv"))))
        assert row["rev"] == "workspace"
        if row.get("step", "").isdigit():  # "!" where it was looked at while it was written
            steps.add(int(row["step"]))
            assert 0 <= float(row["eval.accuracy"]) <= 1
    assert running.wait() == 0
    assert len(steps) == 2, "it was seen in two epochs"
    assert project.git("status", "--short", "--", "outputs/live") == ""
    (commit,) = project.git("for-each-ref", "--format=%(objectname)", "refs/exps/*/*/long").split()
    kept = project.git("ls-tree", "-r", "--name-only", commit, "outputs/live").split()
    assert kept == ["outputs/live/.gitkeep"]


def test_a_name_with_a_script_in_it_does_not_reach_the_page_of_plots(project: Project) -> None:
    project.dvc("config", "--local", "core.no_scm", "true")
    classes = ["<script>alert(1)", "cat"]
    paths = [f"{name}/</script><img src=x onerror=alert(2)>.png" for name in classes]
    outputs = project.folder / "outputs"
    write_predictions(outputs / "predictions.csv", Predictions(classes, paths, classes, np.eye(2)))
    counts = {key: {"train": 1, "val": 1, "test": 1} for key in classes}
    write_judgements(outputs / "cross_validation.csv", classes, {})
    write_explanations(project.folder, Explanations())
    write_json(outputs / "class_counts.json", counts)
    report: dict[str, object] = {
        "rejected_by_reason": {},
        "dropped": {},
        "label_conflicts": [],
    }
    write_json(outputs / "data_report.json", report)
    write_json(outputs / "class_weights.json", dict.fromkeys(classes, 1.0))
    write_csv(outputs / "history.csv", ["step", "loss", "accuracy"], [[1, 0.5, 0.5]])
    (project.folder / "models").mkdir()
    (project.folder / "models/model.keras").write_bytes(b"")
    training: dict[str, object] = {
        "backbone": "cnn",
        "head": None,
        "code_sha256": "",
        "weights_sha256": {},
    }
    write_json(outputs / "training.json", training)
    write_manifest(project.folder / "data/manifest.csv", [])
    images = [AugmentedRow(f"{name}.jpg", name, f"{name}.png", 0, "") for name in classes]
    write_augmented(project.folder / "data/augmented.csv", images)
    done = project.stage("evaluate")
    assert done.returncode == 0, done.stderr
    project.dvc("plots", "show", "outputs/confusion.csv", "--out", "plots")
    page = project.read("plots/index.html")
    assert json.dumps("<script>alert(1)") in page
    assert "onerror" not in page
    assert "<script" not in project.read("outputs/report.html")


def test_without_git_the_pipeline_runs_and_what_needs_git_says_so(project: Project) -> None:
    project.dvc("config", "--local", "core.no_scm", "true")
    assert project.dvc("repro", "count-classes").count("Running stage") == 2
    done = project.run("dvc", "exp", "run", check=False)
    assert done.returncode != 0
    assert "Only supported for Git repositories" in done.stderr
    shutil.rmtree(project.folder / ".dvc")
