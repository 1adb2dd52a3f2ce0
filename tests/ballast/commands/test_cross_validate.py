"""ballast cross-validate, with real DVC: it resumes, and leaves nothing behind."""

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import running
import yaml
from msgspec.structs import replace
from projects import Project
from running import until_one_is_done, workers
from sklearn.metrics import accuracy_score, recall_score

from ballast.__main__ import command_line
from ballast.commands.cross_validate import check_asked, photographs_folder
from ballast.core.errors import UserError
from ballast.core.params import EXACT_BACKBONE, EXACT_LEAST_SIZE, Params

# In place of training and predicting, so that an experiment takes seconds. The split is the real
# one; predictions are right for all but every third photograph, and fold 1 of seed 3 fails.
QUICK_STAGE = """
from pathlib import Path
import numpy as np
from ballast.core.errors import UserError, one_line_errors
from ballast.core.files import read_text
from ballast.core.manifest import class_names, read_manifest, subset_rows
from ballast.core.params import parse_params
from ballast.scores.predictions import Predictions, write_predictions
from stages import split

def main():
    params = parse_params(read_text(Path("params.yaml")))
    if (params.seed, params.split.fold) == (3, 1):
        raise UserError("this one fails")
    split.main()
    rows = read_manifest(Path("data/manifest.csv"))
    classes, tested = class_names(rows), subset_rows(rows, "test")
    shift = 1 if params.strategy == "baseline" else 0
    places = [(classes.index(r.class_) + shift * (int(r.sha256, 16) % 3 == 0)) % 3 for r in tested]
    paths, true = [r.path for r in tested], [r.class_ for r in tested]
    predictions = Predictions(classes, paths, true, np.eye(3)[places])
    write_predictions(Path("outputs/predictions.csv"), predictions)

with one_line_errors():
    main()
"""


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    return running.start(project, "cross-validate", "--folds", "2", *arguments)


@pytest.fixture(scope="module")
def quick(
    new_project: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project in git whose experiments take seconds; its photographs are not in git."""
    project = new_project(tmp_path_factory.mktemp("quick") / "project")
    (project.folder / "stages/quick.py").write_text(QUICK_STAGE)
    stages = yaml.safe_load(project.read("dvc.yaml"))["stages"]
    deps = [dep for dep in stages["split"]["deps"] if dep.startswith(("ballast", "stages"))]
    stage = {
        "cmd": "python -m stages.quick",
        "deps": [*deps, "stages/quick.py", "${data.raw}"],
        "params": ["seed", "strategy", "data", "split"],
        "outs": ["outputs/predictions.csv"],
    }
    (project.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"quick": stage}}))
    (project.folder / ".gitignore").write_text(
        "/data/raw\n/outputs/strategies.json\n__pycache__/\n"
    )
    project.commit_all()
    return project


def judged(project: Project, names: list[str]) -> list[tuple[str, str, str]]:
    """Path, true and predicted class of each photograph in the predictions of experiments."""
    found = []
    for name in names:
        revision = project.git("for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}")
        read = f"dvc.api.read('outputs/predictions.csv', rev={revision.strip()!r})"
        text = project.run(sys.executable, "-c", f"import dvc.api; print({read})").stdout
        rows = csv.DictReader(io.StringIO(text.strip()))
        found += [(row["path"], row["true"], row["predicted"]) for row in rows]
    return found


def result(project: Project) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(project.read("outputs/strategies.json"))
    return values


def goes_on(project: Project, *arguments: str) -> None:
    """Run those of 4 experiments that are left, and leave nothing behind."""
    ended = start(project, *arguments)
    said = ended.communicate()[0]
    assert ended.returncode == 0, said
    done_before = int(said.split(" of them already finished")[0].split()[-1])
    assert done_before >= 1
    assert said.count("is done") == 4 - done_before
    assert workers(project) == []
    assert "No experiment tasks in the queue" in project.dvc("queue", "status")
    assert project.git("status", "--short", "--", ".", ":!.dvc") == ""


def test_it_goes_on_after_ctrl_c(quick: Project) -> None:
    arguments = ("--seeds", "1", "--jobs", "2")
    stopped = start(quick, *arguments)
    until_one_is_done(stopped)
    stopped.send_signal(signal.SIGINT)
    said = stopped.communicate()[0]
    assert stopped.returncode == 130, said
    assert workers(quick) == []
    assert "No experiment tasks in the queue" in quick.dvc("queue", "status")

    goes_on(quick, *arguments)

    again = start(quick, *arguments)
    said = again.communicate()[0]
    assert "4 experiments, 4 of them already finished" in said
    assert "is done\n" not in said


def test_every_photograph_is_judged_once_and_the_figures_are_scikit_learns(quick: Project) -> None:
    values = result(quick)
    assert values["photographs"] == {"one": 3, "two": 10, "zero": 8}
    assert (values["folds"], values["seeds"], values["reference"]) == (2, [1], "baseline")
    recalls = {}
    for strategy, metrics in values["strategies"].items():
        rows = judged(quick, [f"cv-{strategy}-f{fold}-s1" for fold in (0, 1)])
        paths, true, predicted = zip(*rows, strict=True)
        assert len(set(paths)) == len(paths) == 21
        recalls[strategy] = recall_score(
            true, predicted, labels=["one", "two", "zero"], average=None
        )
        assert metrics["accuracy"]["value"] == pytest.approx(accuracy_score(true, predicted))
        found = [value["value"] for value in metrics["recall"].values()]
        assert found == pytest.approx(recalls[strategy].tolist())
    difference = values["differences"]["balanced"]
    expected = recalls["balanced"] - recalls["baseline"]
    found = [value["value"] for value in difference["metrics"]["recall"].values()]
    assert found == pytest.approx(expected.tolist())
    assert difference["verdict"].startswith("This cross-validation of balanced is significantly ")
    assert values["best_is_too_high_by"] >= 0


@pytest.mark.long
def test_it_goes_on_after_being_killed(quick: Project) -> None:
    arguments = ("--seeds", "2", "--jobs", "2")
    killed = start(quick, *arguments)
    until_one_is_done(killed)
    killed.kill()
    killed.wait()
    deadline = time.monotonic() + 60
    while workers(quick) and time.monotonic() < deadline:  # they end when they notice
        time.sleep(0.1)
    # What DVC may have been writing at that moment.
    experiments = quick.folder / ".dvc/tmp/exps"
    (experiments / "rwlock").write_text("")
    for written in [*experiments.glob("celery/broker/in/*.msg"), *experiments.rglob("*.run")][:1]:
        written.write_text('{"half')

    goes_on(quick, *arguments)


@pytest.mark.long
def test_one_that_fails_is_named_and_the_others_count(quick: Project) -> None:
    ended = start(quick, "--seeds", "1", "3", "--strategies", "balanced", "--jobs", "2")
    said = ended.communicate()[0]
    assert ended.returncode == 1
    assert "WARNING: cv-balanced-f1-s3 failed: this one fails" in said
    *_, last = said.splitlines()
    assert last == "ERROR: 1 experiment failed: cv-balanced-f1-s3; run the command again"
    assert result(quick)["seeds"] == [1]
    assert "No experiment tasks in the queue" in quick.dvc("queue", "status")


def test_other_params_are_run_anew_and_the_ways_of_running_are_not_params(quick: Project) -> None:
    def done_before() -> str:
        process = start(quick, "--seeds", "1", "--strategies", "balanced")
        assert process.stdout
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.wait()
        return line

    quick.set_params({"runtime.workers": 1, "strategies.weights.weight_power": 0.5})
    assert done_before() == "2 experiments, 2 of them already finished\n"
    quick.set_params({"split.val": 0.2})
    assert done_before() == "2 experiments, 0 of them already finished\n"
    quick.set_params({"runtime.workers": 0, "split.val": 0.15})


@pytest.mark.long
def test_what_was_set_aside_for_testing_stays_shut(quick: Project) -> None:
    raw = quick.folder / "data/raw"
    for name in ("one", "two", "zero"):
        (raw / "Train").mkdir(exist_ok=True)
        (raw / name).rename(raw / "Train" / name)
    (raw / "test").mkdir()
    shutil.copytree(raw / "Train/one", raw / "test/one")
    done = start(quick, "--seeds", "1", "--strategies", "balanced")
    said = done.communicate()[0]
    assert "cross-validating data/raw/Train; leaving out data/raw/test" in said
    assert result(quick)["photographs"] == {"one": 3, "two": 10, "zero": 8}

    quick.set_params({"split.group": "groups.csv"})
    refused = start(quick, "--seeds", "1")
    assert (
        "ERROR: params.yaml: split.group: groups.csv lists paths relative to data/raw, but only"
        " data/raw/Train is cross-validated; put a groups.csv with paths relative to data/raw/Train"
        " into data/raw/Train, and set data.raw: data/raw/Train\n"
    ) in refused.communicate()[0]
    assert refused.returncode == 1


def test_linear_heads_are_trained_here_without_git(
    features_project: Project, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(features_project.folder, tmp_path / "project"))
    shutil.rmtree(project.folder / ".git")
    done = project.ballast("cross-validate", "--folds", "3", "--seeds", "1", "2")
    assert done.returncode == 0, done.stderr
    values = result(project)
    assert values["photographs"] == {"one": 3, "two": 10, "zero": 8}
    assert (values["folds"], values["seeds"]) == (3, [1, 2])
    verdict = values["differences"]["balanced"]["verdict"]
    assert "balanced and baseline" in verdict or "balanced is" in verdict
    assert verdict in done.stdout
    assert "expected to be about" in done.stdout


def test_what_a_table_holds_out_is_judged_by_no_head_and_refused_for_a_network(
    project: Project,
) -> None:
    raw = project.folder / "data/raw"
    paths = sorted(path.relative_to(raw) for path in raw.glob("*/*.png"))
    rows = [f"{p},{p.parent},{'test' if p.stem == '000' else 'train'}" for p in paths]
    (raw / "labels.csv").write_text("\n".join(["path,class,split", *rows]))
    project.set_params({"data.labels": "labels.csv"})
    refused = project.ballast("cross-validate", "--folds", "2", "--seeds", "1")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(
        "ERROR: params.yaml: data.labels: the table gives the split, so each experiment would"
    )
    project.set_params({"train.backbone": EXACT_BACKBONE, "data.image_size": EXACT_LEAST_SIZE})
    done = project.ballast("cross-validate", "--folds", "2", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert "cross-validating 18 photographs; leaving out the others for val or test" in done.stdout
    assert result(project)["photographs"] == {"one": 2, "two": 9, "zero": 7}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategies", "balancd"], "--strategies: 'balancd' is not one of the strategies: base"),
        (["--folds", "1"], "--folds: must be 2 to 1000, not 1"),
        (["--seeds", "-1"], "--seeds: each must be 0 to 4294967295, not -1"),
        (["--jobs", "0"], "--jobs: must be 1 or more, not 0"),
        (["--seeds", "1"], "cross-validation needs a git repository with a commit"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    project: Project, arguments: list[str], words: str
) -> None:
    done = start(project, *arguments)
    said = done.communicate()[0]
    assert done.returncode == 1
    assert f"ERROR: {words}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategies", "baseline", "baseline"], "--strategies: give each value once, not base"),
        (["--seeds", "1", "2", "1"], "--seeds: give each value once, not 1 2 1"),
    ],
)
def test_nothing_is_compared_with_itself_or_counted_twice(
    shipped: Params, arguments: list[str], words: str
) -> None:
    asked = command_line({"cross-validate"}).parse_args(["cross-validate", *arguments])
    with pytest.raises(UserError) as caught:
        check_asked(asked, shipped)
    assert str(caught.value).startswith(words)


def photographs_in(raw: Path, shipped: Params, **data: Any) -> str:  # noqa: ANN401
    return photographs_folder(
        replace(shipped, data=replace(shipped.data, raw=raw.as_posix(), **data))
    )


@pytest.mark.parametrize(
    ("folders", "train"),
    [
        (("train", "test"), "train"),
        (("Training", "valid"), "Training"),
        (("seg_train/seg_train", "seg_test/seg_test"), "seg_train/seg_train"),
        (("photos/train_images", "photos/test_images"), "photos/train_images"),
        (("x_part_1", "x_part_2"), ""),
        (("photos",), ""),
        (("train",), ""),
    ],
)
def test_the_train_folder_is_the_one_that_split_knows(
    tmp_path: Path,
    shipped: Params,
    capsys: pytest.CaptureFixture[str],
    folders: tuple[str, ...],
    train: str,
) -> None:
    for folder, name in product(folders, ("dog", "cat")):
        (tmp_path / folder / name).mkdir(parents=True)
        (tmp_path / folder / name / "1.jpg").touch()
    assert photographs_in(tmp_path, shipped) == (tmp_path / train).as_posix()
    left_out = f"cross-validating {tmp_path / train}; leaving out {tmp_path / folders[-1]}\n"
    assert capsys.readouterr().out == (left_out if train else "")


def test_shards_need_a_folder_of_their_own(tmp_path: Path, shipped: Params) -> None:
    for subset, name in product(("train", "test"), ("dog", "cat")):
        with tarfile.open(tmp_path / f"{subset}-0.tar", "a") as shard:
            shard.addfile(tarfile.TarInfo(f"{name}/1.jpg"))
    with pytest.raises(UserError, match=f"move these shards into {tmp_path}/train$"):
        photographs_in(tmp_path, shipped)
    (tmp_path / "train").mkdir()
    shutil.copy(tmp_path / "train-0.tar", tmp_path / "train/train-0.tar")
    with pytest.raises(UserError, match="are in shards beside others, but only a folder"):
        photographs_in(tmp_path, shipped)  # or half of the training photographs would be left out
    (tmp_path / "train-0.tar").unlink()
    assert photographs_in(tmp_path, shipped) == f"{tmp_path}/train"


def test_what_only_the_whole_folder_explains_is_refused(tmp_path: Path, shipped: Params) -> None:
    for folder, name in product(("train_1", "train_2", "test"), ("dog", "cat")):
        (tmp_path / folder / name).mkdir(parents=True)
        (tmp_path / folder / name / "1.jpg").touch()
    with pytest.raises(UserError, match=r"train_1 and .*train_2 are both for training, but only"):
        photographs_in(tmp_path, shipped)
    assert photographs_in(tmp_path, shipped, exclude=["train_2/"]) == f"{tmp_path}/train_1"
    with pytest.raises(UserError, match=r"exclude: /train_2/ is relative to .* only .*train_1 is"):
        photographs_in(tmp_path, shipped, exclude=["/train_2/"])


@pytest.mark.long
def test_real_trainings_are_gone_on_with_after_being_killed(
    new_project: Callable[[Path], Project], tmp_path: Path
) -> None:
    project = new_project(tmp_path / "project")
    project.commit_all()
    killed = start(project, "--seeds", "1", "--jobs", "2")
    until_one_is_done(killed)
    killed.kill()
    killed.wait()
    ended = start(project, "--seeds", "1", "--jobs", "2")
    said = ended.communicate()[0]
    assert ended.returncode == 0, said
    assert "4 experiments, 0 of them" not in said
    # The processes that listed photographs for the killed command end by themselves.
    deadline = time.monotonic() + 120
    while workers(project) and time.monotonic() < deadline:
        time.sleep(1)
    assert workers(project) == []
    assert result(project)["photographs"] == {"one": 3, "two": 10, "zero": 8}
