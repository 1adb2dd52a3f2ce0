"""A run is read from the outputs of its stages, with what all its trainings judged."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import Project

from ballast.core.errors import UserError
from ballast.core.files import write_json
from ballast.core.manifest import Row, read_augmented, read_manifest
from ballast.core.params import as_dict, dotted, parse_params
from ballast.core.paths import JUDGEMENTS, MANIFEST, PREDICTIONS
from ballast.scores.estimates import strategy_intervals
from ballast.scores.judged import judged_by
from ballast.scores.predictions import (
    Judgements,
    Predictions,
    read_predictions,
    write_judgements,
    write_predictions,
)
from ballast.scores.run import (
    FINGERPRINTED,
    HeadChoice,
    Run,
    Training,
    alike,
    read_reference,
    read_run,
    read_training,
)

CLASSES = ["one", "two", "zero"]


def tracked(project: Project) -> Mapping[str, Any]:
    return dotted(as_dict(parse_params(project.read("params.yaml")), without=("runtime",)))


def run_of(project: Project) -> Run:
    return read_run("mine", project.folder, tracked(project))


@pytest.fixture
def outputs(reproduced: Project, tmp_path: Path) -> Project:
    """A copy of what the stages wrote, to change."""
    copy = Project(tmp_path / "copy")
    copy.folder.mkdir()
    for name in ("data", "outputs"):
        shutil.copytree(
            reproduced.folder / name,
            copy.folder / name,
            ignore=shutil.ignore_patterns("raw", "augmented"),
        )
    shutil.copy(reproduced.folder / "params.yaml", copy.folder)
    return copy


def guesses(rows: list[Row], seed: int) -> Predictions:
    """Any predictions for photographs, sorted by path."""
    rows = sorted(rows)
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), len(rows))
    return Predictions(
        CLASSES, [row.path for row in rows], [row.class_ for row in rows], probabilities
    )


def judge(project: Project, rows: list[Row], **trainings: int) -> Judgements:
    """Write so many judgements of each strategy."""
    judgements = {
        strategy: {42 + seed: guesses(rows, seed + len(strategy)) for seed in range(number)}
        for strategy, number in trainings.items()
    }
    write_judgements(project.folder / JUDGEMENTS, CLASSES, judgements)
    return judgements


def test_it_holds_what_the_stages_wrote(reproduced: Project) -> None:
    run = run_of(reproduced)
    images = read_augmented(reproduced.folder / "data/augmented.csv")
    assert run.name == "mine"
    largest = max(of_class["train"] for of_class in run.counts.values())
    assert run.made == dict.fromkeys(CLASSES, 3 * largest)
    assert sum(run.made.values()) == len(images)
    assert list(run.history) == ["accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"]
    assert {len(values) for values in run.history.values()} == {2}
    assert run.training == Training("cnn", None)
    assert run.params["strategies.balanced.oversample"] is True
    assert run.params["data.image_size"] == 16
    for path in FINGERPRINTED:
        data = (reproduced.folder / path).read_bytes()
        assert run.fingerprints[path.as_posix()] == hashlib.sha256(data).hexdigest()


def test_without_judgements_the_saved_model_is_judged(reproduced: Project) -> None:
    run = run_of(reproduced)
    predictions = read_predictions(reproduced.folder / PREDICTIONS)
    assert run.predictions[0].paths == predictions.paths
    assert not run.cross_validated
    assert run.judged.predicted.shape == (1, len(predictions.paths))
    assert run.metrics == strategy_intervals(judged_by([predictions]))
    assert run.saved_accuracy is None


def test_with_judgements_every_photograph_is_judged(outputs: Project) -> None:
    rows = read_manifest(outputs.folder / MANIFEST)
    written = judge(outputs, rows, baseline=2, balanced=3)
    run = run_of(outputs)
    assert run.cross_validated
    assert run.judged.predicted.shape == (3, len(rows))
    trainings = [*written["balanced"].values()]
    for found, of in zip(run.predictions, trainings, strict=True):
        assert found.paths == sorted(row.path for row in rows)
        assert found.predicted == of.predicted
    expected = judged_by(trainings, {row.path: row.group for row in rows})
    assert run.metrics == strategy_intervals(expected)
    assert np.array_equal(run.judged.groups, expected.groups)
    own = judged_by(
        [read_predictions(outputs.folder / PREDICTIONS)], {r.path: r.group for r in rows}
    )
    assert run.saved_accuracy == strategy_intervals(own).accuracy


def test_judgements_of_the_test_folder_are_no_cross_validation(outputs: Project) -> None:
    tested = [row for row in read_manifest(outputs.folder / MANIFEST) if row.split == "test"]
    judge(outputs, tested, balanced=2)
    run = run_of(outputs)
    assert not run.cross_validated
    assert run.judged.predicted.shape == (2, len(tested))


def test_a_model_trained_on_all_photographs_is_judged_by_others(outputs: Project) -> None:
    path = outputs.folder / PREDICTIONS
    header, _ = path.read_text().split("\n", 1)
    path.write_text(f"{header}\n")
    with pytest.raises(UserError, match=r"outputs/predictions\.csv: edited or damaged"):
        run_of(outputs)
    judge(outputs, read_manifest(outputs.folder / MANIFEST), balanced=2)
    assert run_of(outputs).cross_validated
    assert run_of(outputs).saved_accuracy is None


def test_judgements_of_other_strategies_alone_are_not_used(outputs: Project) -> None:
    judge(outputs, read_manifest(outputs.folder / MANIFEST), baseline=2)
    assert len(run_of(outputs).judged.predicted) == 1


def test_photographs_of_a_group_are_known_to_be(outputs: Project) -> None:
    rows = read_manifest(outputs.folder / MANIFEST)
    judge(outputs, rows, balanced=1)
    path = outputs.folder / MANIFEST
    one = min(rows)
    twin = next(row for row in rows if row.class_ == one.class_ and row.group != one.group)
    path.write_text(path.read_text().replace(f",{twin.group},", f",{one.group},"))
    groups = len({row.group for row in rows})
    assert len({*run_of(outputs).judged.groups.tolist()}) == groups - 1


@pytest.mark.parametrize("of", ["predictions", "judgements"])
def test_photographs_that_the_manifest_lacks_are_an_edited_file(outputs: Project, of: str) -> None:
    rows = read_manifest(outputs.folder / MANIFEST)
    tested = [row for row in rows if row.split == "test"]
    strange = [*tested[1:], tested[0]._replace(path="one/strange.png")]
    if of == "predictions":
        write_predictions(outputs.folder / PREDICTIONS, guesses(strange, 1))
    else:
        judge(outputs, strange, balanced=2)
    path = PREDICTIONS if of == "predictions" else JUDGEMENTS
    with pytest.raises(UserError, match=f"{path.name}: edited or damaged"):
        run_of(outputs)


def test_trainings_that_judged_different_photographs_are_an_edited_file(outputs: Project) -> None:
    rows = read_manifest(outputs.folder / MANIFEST)
    judge(outputs, rows, balanced=2)
    path = outputs.folder / JUDGEMENTS
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(UserError, match=r"cross_validation\.csv: edited or damaged"):
        run_of(outputs)


def test_the_reference_judged_the_same_photographs(outputs: Project) -> None:
    rows = read_manifest(outputs.folder / MANIFEST)
    written = judge(outputs, rows, baseline=2, balanced=2)
    run = run_of(outputs)
    reference = read_reference(run, outputs.folder, "baseline")
    assert reference
    assert reference.name == "baseline"
    assert reference.cross_validated
    assert np.array_equal(reference.judged.true, run.judged.true)
    expected = judged_by([*written["baseline"].values()], {row.path: row.group for row in rows})
    assert reference.metrics == strategy_intervals(expected)


@pytest.mark.parametrize("name", ["balanced", "weights"])
def test_there_is_no_reference_if_it_is_the_run_or_was_not_judged(
    outputs: Project, name: str
) -> None:
    judge(outputs, read_manifest(outputs.folder / MANIFEST), baseline=2, balanced=2)
    assert read_reference(run_of(outputs), outputs.folder, name) is None


def test_a_reference_with_other_trainings_is_an_edited_file(outputs: Project) -> None:
    judge(outputs, read_manifest(outputs.folder / MANIFEST), baseline=1, balanced=2)
    with pytest.raises(UserError, match=r"cross_validation\.csv: edited or damaged"):
        read_reference(run_of(outputs), outputs.folder, "baseline")


def test_runs_are_compared_with_as_many_trainings(make_run: Callable[..., Run]) -> None:
    few, many = make_run("few", CLASSES), make_run("many", CLASSES)
    (right,) = few.predictions
    wrong = right._replace(probabilities=right.probabilities[:, ::-1])
    few = few._replace(judged=judged_by([right] * 2), predictions=[right] * 2)
    three = [wrong, right, right]
    many = many._replace(
        judged=judged_by(three), metrics=strategy_intervals(judged_by(three)), predictions=three
    )
    first, second = alike([few, many])
    assert np.array_equal(first.judged.predicted, few.judged.predicted)
    assert np.array_equal(second.judged.predicted, many.judged.predicted[:2]), "the first ones"
    assert second.predictions == three[:2]
    assert second.metrics == strategy_intervals(second.judged) != many.metrics


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
