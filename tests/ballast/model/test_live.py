"""Live values exist during training, are gone afterwards, and never disturb it."""

import json
import os
import sys
from pathlib import Path

import pytest

from ballast.model.live import live_values


@pytest.fixture
def run_by_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which DVC seems to run this."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def test_the_latest_epoch_is_there_while_it_runs_and_gone_afterwards(run_by_dvc: Path) -> None:
    folder = run_by_dvc / "live"
    with live_values(folder) as callbacks:
        for epoch in range(3):
            for callback in callbacks:
                callback.on_epoch_end(epoch, {"loss": 1.5 - epoch / 2, "val_loss": 2.0})
        found = json.loads((folder / "metrics.json").read_text())
        assert found == {"train": {"loss": 0.5}, "eval": {"loss": 2.0}, "step": 2}
    assert list(folder.iterdir()) == []
    assert not (run_by_dvc / "dvc.yaml").exists()


def test_it_is_gone_after_an_error_too(run_by_dvc: Path) -> None:
    folder = run_by_dvc / "live"

    def fail() -> None:
        with live_values(folder) as callbacks:
            callbacks[0].on_epoch_end(0, {"loss": 1.0})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(folder.iterdir()) == []


def test_a_token_for_dvc_studio_is_not_used(
    run_by_dvc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STUDIO_TOKEN", "token")
    with live_values(run_by_dvc / "live") as callbacks:
        assert callbacks[0].live._dvc_studio_config == {}
    assert os.environ["DVC_STUDIO_OFFLINE"] == "true"


def test_without_dvclive_there_is_nothing(
    run_by_dvc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dvclive.keras", None)
    with live_values(run_by_dvc / "live") as callbacks:
        assert callbacks == []


def test_without_dvc_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    with live_values(tmp_path / "live") as callbacks:
        assert callbacks == []
    assert not (tmp_path / "live").exists()
