"""An engine is used where it is wanted and can be, and changes no prediction."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from projects import Project

from ballast.__main__ import main
from ballast.classifier import Classifier
from ballast.commands.prediction_engine import streaming
from ballast.core.errors import UserError


@pytest.fixture
def of_no_engine(
    features_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """The current folder has the params of `features_project`, but an engine that nobody knows."""
    project = Project(tmp_path / "project")
    project.folder.mkdir()
    (project.folder / "params.yaml").write_text(features_project.read("params.yaml"))
    project.set_params({"runtime.engine": "dusk", "runtime.workers": 1})
    monkeypatch.chdir(project.folder)
    return project


@pytest.fixture
def predict(
    features_project: Project, linear: Classifier, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """Call the command with the model `linear`; return the exit code."""
    monkeypatch.setattr("ballast.commands.predict.load_classifier", lambda *_: linear)
    model = features_project.folder / "models/model.keras"

    def call(*arguments: str) -> int:
        return main(["predict", "--model", str(model), *arguments])

    return call


def engine_of(stream: object) -> str:
    """The name of the engine that computes."""
    if not isinstance(stream, partial):
        return "local"
    name: str = stream.keywords["engine"].name
    return name


@pytest.mark.usefixtures("of_no_engine")
def test_a_cluster_makes_the_same_table(
    features_project: Project,
    predict: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    photos = (features_project.folder / "data/raw/one", tmp_path / "broken.jpg", tmp_path / "none")
    tables = []
    for engine in ("local", "dask"):
        target = tmp_path / f"{engine}.csv"
        assert predict("--engine", engine, "--out", str(target), *map(str, photos)) == 3
        assert "3 predicted, 2 could not be read" in capsys.readouterr().err
        tables.append(target.read_bytes())
    assert tables[0] == tables[1]


@pytest.mark.usefixtures("of_no_engine")
def test_the_engine_is_the_named_one_or_that_of_the_params(linear: Classifier) -> None:
    for name, used in ((None, "dusk"), ("dask", "dask"), ("local", "local")):
        assert engine_of(streaming(linear, name)) == used


def test_that_of_the_params_is_for_tables_alone(
    of_no_engine: Project, predict: Callable[..., int]
) -> None:
    (of_no_engine.folder / "empty.png").touch()
    assert predict("empty.png") == 3
    for arguments in (["--out", "all.csv"], ["--engine", "dusk"]):
        with pytest.raises(SystemExit, match=r"^ERROR: engine dusk is not one that joblib knows"):
            predict(*arguments, "empty.png")


def test_a_named_engine_needs_the_params(
    linear: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert engine_of(streaming(linear)) == "local"
    with pytest.raises(UserError, match=r"^params\.yaml: no such file; run from the top"):
        streaming(linear, "dask")


@pytest.mark.usefixtures("of_no_engine")
def test_a_model_whose_features_no_engine_computes_predicts_here(
    classifier: Classifier, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine_of(streaming(classifier)) == "local"
    assert capsys.readouterr().err == (
        "WARNING: the model has not the backbone efficientnet_lite0, so dusk is not used\n"
    )


def test_in_another_dvc_project_its_params_are_no_obstacle(
    linear: Classifier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("their_own: 1\n", encoding="utf-8")
    assert engine_of(streaming(linear)) == "local"
    said = capsys.readouterr().err
    assert said.startswith("WARNING: params.yaml: ")
    assert said.endswith("; so this machine predicts\n")


@pytest.mark.usefixtures("of_no_engine")
def test_where_ballast_is_installed_for_prediction_alone_params_are_not_read(
    linear: Classifier, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ballast.commands.prediction_engine.find_spec", lambda _: None)
    assert engine_of(streaming(linear)) == "local"
    assert capsys.readouterr().err == ""
