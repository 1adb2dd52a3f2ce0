"""What has changed since a run, or why nobody can tell; tests/test_pipeline.py has a real run."""

from pathlib import Path

import pytest
from projects import Project

from ballast.core.errors import UserError
from ballast.dvc_tools.changes import _changed, changed_deps


def test_keys_are_named_that_are_gone_and_files_that_are_missing_are_not() -> None:
    deps = {"params.yaml": {"seed": "deleted", "data": "modified"}, "models": "deleted"}
    assert [*_changed([{"changed deps": deps}])] == ["params.yaml (data, seed)"]


def test_a_folder_in_no_project_has_no_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert changed_deps("evaluate") == []


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("params.yaml", "seed: 42\n  data: {}\n", "params.yaml line 2, column 7: mapping values"),
        ("params.yaml", "sead: 42\n", "params.yaml: sead: unknown key; did you mean seed?"),
        ("dvc.yaml", "stages: [\n", "dvc.yaml line 2, column 1: "),
        ("dvc.lock", "[", "DVC: "),
    ],
)
def test_what_dvc_cannot_read_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, path: str, text: str, problem: str
) -> None:
    monkeypatch.chdir(project.folder)
    (project.folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    (project.folder / path).write_text(text)
    with pytest.raises(UserError) as caught:
        changed_deps("evaluate")
    assert str(caught.value).startswith(problem)
