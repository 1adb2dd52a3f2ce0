"""What the shipped params do on the shipped sample: the baseline fails dog, balanced does not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from projects import Project

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def sample_project(
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """The project as shipped, without git."""
    names = (".dvc/config", "ballast", "data/sample", "dvc.yaml", "params.yaml", "pyproject.toml")
    folder = tmp_path_factory.mktemp("sample")
    for name in (*names, "stages"):
        source = ROOT / name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy(source, folder / name)
    project = Project(folder)
    project.dvc("config", "--local", "core.no_scm", "true")
    return project


def metrics(project: Project, strategy: str, seed: int) -> dict[str, Any]:
    project.set_params({"strategy": strategy, "seed": seed})
    project.repro()
    found: dict[str, Any] = json.loads(project.read("outputs/metrics.json"))
    return found


@pytest.mark.long
@pytest.mark.parametrize("seed", [42, 1, 2])
def test_balanced_recognises_every_class_where_the_baseline_fails_dog(
    sample_project: Project, seed: int
) -> None:
    assert metrics(sample_project, "baseline", seed)["recall"]["dog"] < 0.5
    balanced = metrics(sample_project, "balanced", seed)
    assert balanced["worst_class_recall"] >= 0.60
    assert balanced["accuracy"] >= 0.70
