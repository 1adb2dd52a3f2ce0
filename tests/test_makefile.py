"""make, as a new user runs it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from projects import UV, Project

from ballast.scores.advice import COMPARED_BY_DEFAULT

ROOT = Path(__file__).parent.parent


@pytest.fixture
def with_makefile(project: Project) -> Project:
    """A project with the Makefile, whose environment is this one, ready."""
    for name in ("Makefile", "uv.lock"):
        shutil.copy(ROOT / name, project.folder)
    (project.folder / ".venv").mkdir()
    (project.folder / ".venv" / ".ready").touch()
    uv = project.folder / "uv"
    uv.write_text(UV)
    uv.chmod(0o755)
    return project


def make(project: Project, *targets: str) -> subprocess.CompletedProcess[str]:
    return project.run("make", f"UV={project.folder / 'uv'}", *targets, check=False)


def test_make_says_what_is_wrong_with_the_folder_before_anything_runs(
    with_makefile: Project,
) -> None:
    with_makefile.set_params({"data.raw": "data/nowhere"})
    done = make(with_makefile, "run")
    assert done.returncode != 0
    assert "ERROR: params.yaml: data.raw: no such folder: data/nowhere" in done.stderr
    assert "Running stage" not in done.stdout


def test_a_download_without_git_is_set_up_for_dvc(with_makefile: Project) -> None:
    assert make(with_makefile, "setup").returncode == 0
    assert "no_scm = true" in with_makefile.read(".dvc/config.local")
    assert "Running stage 'split'" in with_makefile.dvc("repro", "split")


def test_a_download_that_becomes_a_git_repository_is_set_up_for_git(
    with_makefile: Project,
) -> None:
    assert make(with_makefile, "setup").returncode == 0
    with_makefile.git("init", "--quiet")
    assert make(with_makefile, "setup").returncode == 0
    assert "no_scm" not in with_makefile.read(".dvc/config.local")
    assert make(with_makefile, "setup").returncode == 0


PIP_FAILS = """#!/bin/sh
case "$*" in
  "-m pip --version") ;;
  "-m pip "*) echo "ERROR: No matching distribution found for uv" >&2; exit 1 ;;
esac
"""
NO_PIP = """#!/bin/sh
echo "No module named $2" >&2
exit 1
"""


@pytest.mark.parametrize(
    ("python", "said"),
    [
        (PIP_FAILS, ["ERROR: No matching distribution found for uv", "for the reason above"]),
        (NO_PIP, ["has neither pip nor venv; install one of them, or uv"]),
    ],
)
def test_what_keeps_uv_from_being_installed_is_said(
    with_makefile: Project, python: str, said: list[str]
) -> None:
    stand_in = with_makefile.folder / "python"
    stand_in.write_text(python)
    stand_in.chmod(0o755)
    done = with_makefile.run(
        "make", f"PYTHON={stand_in}", "UV=.uv/bin/uv", ".uv/bin/uv", check=False
    )
    assert done.returncode != 0
    for text in said:
        assert text in done.stderr
    assert ("neither pip nor venv" in done.stderr) == (python == NO_PIP)


def test_compare_without_git_says_what_to_do(with_makefile: Project) -> None:
    done = make(with_makefile, "compare")
    assert done.returncode != 0
    assert "ERROR: comparing needs a git repository with a commit" in done.stderr
    assert "git init" in done.stderr


def test_by_default_the_strategies_are_compared_that_the_advice_expects() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    assert f"STRATEGIES ?= {' '.join(COMPARED_BY_DEFAULT)}" in lines


def test_compare_takes_strategies_or_the_values_of_a_key(with_makefile: Project) -> None:
    said = make(with_makefile, "--dry-run", "compare").stdout
    assert "ballast compare --train $STRATEGIES\n" in said
    assert "dvc plots diff --out outputs/plots $STRATEGIES\n" in said
    said = make(with_makefile, "--dry-run", "compare", "VARY=train.learning_rate=0.1,0.2").stdout
    assert 'ballast compare --vary "$VARY"\n' in said
    assert "plots diff" not in said


def test_export_installs_what_check_asks_for_before_it_checks(with_makefile: Project) -> None:
    said = make(with_makefile, "--dry-run", "export").stdout
    steps = ("uv sync --frozen --inexact --group export", "ballast check", "dvc repro train")
    places = [said.index(step) for step in steps]
    assert places == sorted(places)
    assert said.count("ballast check") == 1


def test_no_character_of_a_key_is_syntax_of_make_or_the_shell(with_makefile: Project) -> None:
    key = "a\"b'c`d$e$(shell echo f)\\g;h #*"
    done = make(with_makefile, "--assume-old=check", "compare", f"VARY={key}=1,2")
    assert f"ERROR: --vary: {key}: unknown key; " in done.stderr


@pytest.mark.parametrize(
    ("target", "name", "told"),
    [
        ("cross-validate", "STRATEGIES", "it's"),
        ("cross-validate", "FOLDS", "3'"),
        ("cross-validate", "SEEDS", "1'"),
        ("cross-validate", "JOBS", "$(shell echo 2)"),
    ],
)
def test_no_value_is_syntax_of_make_or_the_shell(
    with_makefile: Project, target: str, name: str, told: str
) -> None:
    done = make(with_makefile, "--assume-old=check", target, f"{name}={told}")
    assert done.returncode
    assert "Syntax error" not in done.stderr
    assert told in done.stderr


def test_a_clone_keeps_its_git(with_makefile: Project) -> None:
    with_makefile.git("init", "--quiet")
    assert make(with_makefile, "setup").returncode == 0
    assert not (with_makefile.folder / ".dvc/config.local").exists()
