"""The shipped params on the sample: the baseline fails on dog, balanced does not."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from projects import Project


@pytest.fixture(scope="module")
def sample_project(
    copy_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The project as shipped, without git."""
    project = copy_project(tmp_path_factory.mktemp("sample"), "data/sample")
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
