"""How long stages took, and what that says of the runs to come."""

import time
from pathlib import Path

import pytest

from ballast.core import paths
from ballast.core.stage_times import EXPERIMENT_SECONDS, duration_of, stage_times, timed


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_stages_that_succeed_are_stored_by_name() -> None:
    with timed("train"):
        time.sleep(0.1)
    with timed("evaluate"):
        pass
    assert stage_times().keys() == {"train", "evaluate"}
    assert stage_times()["train"] >= 0.1


def test_a_stage_that_fails_is_not_stored() -> None:
    with pytest.raises(ValueError, match="no"), timed("train"):
        raise ValueError("no")
    assert stage_times() == {}


@pytest.mark.parametrize("content", ["", "[]", "[1]", '{"train": "long"}', '{"train": null}'])
def test_damaged_times_are_unknown(content: str) -> None:
    paths.STAGE_TIMES.parent.mkdir(parents=True)
    paths.STAGE_TIMES.write_text(content)
    assert stage_times() == {}
    with timed("train"):
        pass
    assert stage_times().keys() == {"train"}


@pytest.mark.parametrize(
    ("experiments", "at_a_time", "train", "said"),
    [
        (1, 1, 0, "about 10 seconds"),
        (2, 1, 20, "about 50 seconds"),
        (30, 1, 20, "about 12 minutes"),
        (30, 2, 20, "about 6 minutes"),
        (30, 1, 2000, "about 17 hours"),
    ],
)
def test_experiments_take_what_the_stages_took(
    experiments: int, at_a_time: int, train: float, said: str
) -> None:
    seconds = {"oversample": 0.0, "train": float(train), "evaluate": 5.0 - EXPERIMENT_SECONDS}
    assert duration_of(experiments, at_a_time, seconds) == said


def test_without_a_complete_run_nothing_is_said() -> None:
    assert duration_of(2, 1, {}) == ""
    assert duration_of(2, 1, {"split": 1.0, "train": 1.0}) == ""
