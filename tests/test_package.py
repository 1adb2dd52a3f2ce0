"""Ballast as a package: built, installed in an empty environment, and used to predict."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest
from projects import Project

ROOT = Path(__file__).parent.parent


class Installed(NamedTuple):
    """An environment that has Ballast's wheel and what that needs, and no more."""

    bin: Path
    folder: Path  # to run in, far from the source

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment."""
        return subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.folder,
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
        )


def uv(*arguments: str | Path) -> None:
    program = shutil.which("uv") or ROOT / ".uv/bin/uv"
    subprocess.run([program, *arguments], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist and of the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--out-dir", folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    locked = folder / "locked.txt"  # the versions in uv.lock, which are here already
    uv("export", "--quiet", "--frozen", "--no-hashes", "--no-emit-project", "-o", locked)
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv/bin/python"
    (wheel,) = built.glob("*.whl")
    uv("pip", "install", "--quiet", "--python", python, "--constraint", locked, wheel)
    return Installed(python.parent, folder)


def test_the_source_distribution_has_the_library_its_templates_and_the_licence(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {
        "LICENSE", "README.md", "pyproject.toml", "ballast/core/params.py",
        "ballast/report/templates/page.html", "ballast/py.typed",
    } <= names  # fmt: skip
    assert not [name for name in names if name.startswith(("data/", "tests/", "outputs/"))]


def test_the_command_predicts_a_photograph(installed: Installed, reproduced: Project) -> None:
    model = reproduced.folder / "models/model.keras"
    photograph = reproduced.folder / "data/raw/one/000.png"
    done = installed.run(
        "ballast", "predict", "--model", str(model), "--format", "json", str(photograph)
    )
    assert done.returncode == 0, done.stderr
    here = reproduced.ballast("predict", "--format", "json", str(photograph))
    assert json.loads(done.stdout) == json.loads(here.stdout)


def test_a_program_predicts_a_photograph(installed: Installed, reproduced: Project) -> None:
    script = (
        "from ballast.classifier import Classifier;"
        f"classifier = Classifier.load({str(reproduced.folder / 'models/model.keras')!r});"
        f"print(classifier.predict([{str(reproduced.folder / 'data/raw/one/000.png')!r}]))"
    )
    done = installed.run("python", "-c", script)
    assert "Prediction(predicted=" in done.stdout, done.stderr


def test_a_command_of_the_pipeline_says_what_it_lacks(installed: Installed) -> None:
    done = installed.run("ballast", "compare", "baseline", "balanced")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "ERROR: ballast compare: the package dvc is not installed; run it in a clone of Ballast,"
        " where make installs what the pipeline needs"
    ]
