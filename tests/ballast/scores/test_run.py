"""A run is read from what its stages wrote."""

import hashlib
from pathlib import Path

import pytest
from projects import Project

from ballast.core.errors import UserError
from ballast.core.manifest import read_augmented
from ballast.core.params import as_dict, dotted, parse_params
from ballast.scores.history import read_history
from ballast.scores.intervals import as_json, metric_intervals
from ballast.scores.predictions import read_predictions
from ballast.scores.run import FINGERPRINTED, Run, read_run


def run_of(project: Project) -> Run:
    folder = project.folder
    params = parse_params(project.read("params.yaml"))
    predictions = read_predictions(folder / "outputs/predictions.csv")
    metrics = as_json(metric_intervals(predictions, params.seed, draws=100))
    tracked = dotted(as_dict(params, without=("runtime",)))
    return read_run("mine", folder, folder / params.data.raw, tracked, metrics)


def test_it_holds_what_the_stages_wrote(reproduced: Project) -> None:
    run = run_of(reproduced)
    images = read_augmented(reproduced.folder / "data/augmented.csv")
    assert run.name == "mine"
    largest = max(of_class["train"] for of_class in run.counts.values())
    assert run.made == dict.fromkeys(["one", "two", "zero"], 3 * largest)
    assert sum(run.made.values()) == len(images)
    assert list(run.history) == ["accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"]
    assert {len(values) for values in run.history.values()} == {2}
    assert run.params["strategies.balanced.oversample"] is True
    assert run.params["data.image_size"] == 16
    for path in FINGERPRINTED:
        data = (reproduced.folder / path).read_bytes()
        assert run.fingerprints[path] == hashlib.sha256(data).hexdigest()


def test_a_sheet_has_the_images_that_were_trained_on(reproduced: Project) -> None:
    run = run_of(reproduced)
    assert list(run.sheets) == ["one", "two", "zero"]
    first = min(row.path for row in read_augmented(reproduced.folder / "data/augmented.csv"))
    assert run.sheets["one"][0] == (reproduced.folder / "data/augmented" / first).read_bytes()
    assert len(run.sheets["one"]) == 8


def test_a_photograph_gone_or_changed_is_none_and_all_others_are_there(
    reproduced: Project,
) -> None:
    shown = run_of(reproduced).mistakes
    assert shown
    assert all(image for _, image in shown)
    path = reproduced.folder / "data/raw" / shown[0][0].path
    whole = path.read_bytes()
    for damage in (path.unlink, lambda: path.write_bytes(whole + b"changed")):
        damage()
        again = run_of(reproduced).mistakes
        path.write_bytes(whole)
        assert again[0] == (shown[0][0], None)
        assert list(again[1:]) == list(shown[1:])


def test_a_history_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    for text in ("epoch,loss\n", "epoch,accuracy\n1,0.5\n", "epoch,loss\n1,much\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="not as a stage wrote it"):
            read_history(path)
