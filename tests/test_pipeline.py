"""What dvc repro runs after each change, as DVC itself reports it."""

import json
import shutil
from pathlib import Path

from projects import Project

ALL = [
    "split", "count-classes", "compute-weights", "oversample", "train", "predict", "evaluate",
]  # fmt: skip
BELOW_OVERSAMPLE = ["train", "predict", "evaluate"]


def ran(project: Project) -> set[str]:
    return set(project.repro()[0])


def test_partial_reruns(reproduced: Project) -> None:
    """Each change in turn, in one project: a change back is part of what is tested."""
    assert reproduced.repro() == ([], []), "nothing changed: nothing runs"

    reproduced.set_params({"train.learning_rate": 0.01})
    assert ran(reproduced) == {"train", "predict", "evaluate"}

    reproduced.set_params({"train.learning_rate": 0.001})
    again, restored = reproduced.repro()
    assert {"train", "predict"} <= set(restored), "a param set back: restored, not run"
    assert set(again) <= {"evaluate"}

    reproduced.set_params({"augment.factor": 2})
    assert ran(reproduced) == {"oversample", "train", "predict", "evaluate"}

    reproduced.set_params({"augment.factor": 3, "strategy": "weights"})
    assert ran(reproduced) == {"oversample", "compute-weights", "train", "predict", "evaluate"}

    # The counts stay what they were, so what reads nothing else stays too.
    reproduced.set_params({"strategy": "balanced", "seed": 1})
    assert ran(reproduced) == set(ALL) - {"compute-weights"}

    reproduced.set_params({"seed": 42})
    again, restored = reproduced.repro()
    assert set(again) <= {"evaluate"}
    assert {"split", "oversample", "train", "predict"} <= set(restored)

    reproduced.set_params({"runtime.workers": 1})
    assert reproduced.repro() == ([], []), "workers change how fast, not what"
    reproduced.set_params({"runtime.workers": 0})


def test_a_new_image_runs_split_and_what_its_output_changes(reproduced: Project) -> None:
    raw = reproduced.folder / "data/raw"
    before = reproduced.read("data/manifest.csv")
    (raw / "one" / "not an image.png").write_bytes(b"")
    assert ran(reproduced) == {"split"}, "a file that is rejected changes no manifest"
    assert reproduced.read("data/manifest.csv") == before
    (raw / "one" / "not an image.png").unlink()

    data = (raw / "one" / "000.png").read_bytes()
    (raw / "one" / "100.png").write_bytes(data + b"other bytes, same picture")
    assert ran(reproduced) == set(ALL)
    (raw / "one" / "100.png").unlink()
    again, restored = reproduced.repro()
    assert set(again) <= {"evaluate"}
    assert {"train", "predict"} <= set(restored)


def test_a_line_of_code_runs_the_stages_that_import_it(reproduced: Project) -> None:
    def touched(module: str) -> set[str]:
        path = reproduced.folder / "ballast" / module
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text}\n# one more line\n", encoding="utf-8")
        found = ran(reproduced)
        path.write_text(text, encoding="utf-8")
        reproduced.repro()
        return found

    assert touched("class_weights.py") == {"compute-weights"}
    assert touched("metrics.py") == {"evaluate"}
    # plots.py is imported by two stages; count-classes writes what it wrote before.
    assert touched("plots.py") == {"count-classes", "evaluate"}
    assert touched("augmentation.py") == {"oversample"}
    assert touched("network.py") == {"train"}


def test_running_from_clean_twice_gives_the_same_lock_and_the_same_files(
    reproduced: Project, tmp_path: Path
) -> None:
    other = tmp_path / "änother place"
    reproduced.git("clone", "--quiet", ".", str(other))
    copy = Project(other)
    assert set(ran(copy)) == set(ALL)
    assert copy.read("dvc.lock") == reproduced.read("dvc.lock")
    assert copy.git("status", "--short") == ""


def test_experiments_are_compared_class_by_class(reproduced: Project, tmp_path: Path) -> None:
    for name in ("baseline", "balanced"):
        reproduced.dvc("exp", "run", "--name", name, "--set-param", f"strategy={name}")
    table = reproduced.dvc("metrics", "diff", "baseline", "balanced", "--all")
    for metric in ("accuracy", "recall.one", "precision.two", "f1.zero", "worst_class_recall"):
        assert metric in table
    reproduced.dvc("plots", "diff", "baseline", "balanced", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text(encoding="utf-8")
    for plot in ("confusion matrix", "val_loss", "val_accuracy"):
        assert plot in page
    assert json.dumps("baseline") in page
    assert json.dumps("balanced") in page
    assert reproduced.git("diff", "--stat", "params.yaml") == ""


def test_without_git_the_pipeline_runs_and_what_needs_git_says_so(project: Project) -> None:
    project.dvc("config", "--local", "core.no_scm", "true")
    assert project.dvc("repro", "count-classes").count("Running stage") == 2
    done = project.run("dvc", "exp", "run", check=False)
    assert done.returncode != 0
    assert "Only supported for Git repositories" in done.stderr
    shutil.rmtree(project.folder / ".dvc")
