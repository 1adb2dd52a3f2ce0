"""A run is read from the outputs of its stages."""

import hashlib
from pathlib import Path

import pytest
from projects import Project

from ballast.core.errors import UserError
from ballast.core.files import write_json
from ballast.core.manifest import read_augmented
from ballast.core.params import as_dict, dotted, parse_params
from ballast.scores.intervals import metric_intervals
from ballast.scores.predictions import read_predictions
from ballast.scores.run import (
    FINGERPRINTED,
    HeadChoice,
    Run,
    Training,
    read_run,
    read_training,
)


def run_of(project: Project) -> Run:
    params = parse_params(project.read("params.yaml"))
    tracked = dotted(as_dict(params, without=("runtime",)))
    return read_run("mine", project.folder, tracked, params.seed)


def test_it_holds_what_the_stages_wrote(reproduced: Project) -> None:
    run = run_of(reproduced)
    images = read_augmented(reproduced.folder / "data/augmented.csv")
    assert run.name == "mine"
    predictions = read_predictions(reproduced.folder / "outputs/predictions.csv")
    assert run.predictions.paths == predictions.paths
    assert run.metrics == metric_intervals(predictions, seed=42)
    largest = max(of_class["train"] for of_class in run.counts.values())
    assert run.made == dict.fromkeys(["one", "two", "zero"], 3 * largest)
    assert sum(run.made.values()) == len(images)
    assert list(run.history) == ["accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"]
    assert {len(values) for values in run.history.values()} == {2}
    assert run.training == Training("cnn", None)
    assert run.params["strategies.balanced.oversample"] is True
    assert run.params["data.image_size"] == 16
    for path in FINGERPRINTED:
        data = (reproduced.folder / path).read_bytes()
        assert run.fingerprints[path.as_posix()] == hashlib.sha256(data).hexdigest()


def test_the_choice_of_a_head_comes_back(tmp_path: Path) -> None:
    head = HeadChoice(0.1, 1.25, 0.5, {"1": 0.5, "0.1": 0.25})
    path = tmp_path / "training.json"
    write_json(path, {"backbone": "efficientnet_lite0", "head": head._asdict(), "weights": None})
    assert read_training(path) == Training("efficientnet_lite0", head)


@pytest.mark.parametrize("written", [{}, [], {"backbone": "cnn"}, {"backbone": "x", "head": [1]}])
def test_what_train_did_not_write_is_refused(written: object, tmp_path: Path) -> None:
    write_json(tmp_path / "training.json", written)
    with pytest.raises(UserError, match="edited or damaged"):
        read_training(tmp_path / "training.json")
