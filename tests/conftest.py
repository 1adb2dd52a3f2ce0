"""Fixtures: real images, and projects in which real DVC runs."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from projects import Project
from sklearn.datasets import load_digits

from ballast.params import Params, parse_params

ROOT = Path(__file__).parent.parent
CODE = (
    ".dvc/config",
    ".dvc/plots",
    ".dvcignore",
    ".gitignore",
    "ballast",
    "dvc.yaml",
    "outputs/live",
    "params.yaml",
    "pyproject.toml",
    "stages",
    "verification",
)


@pytest.fixture(scope="session")
def shipped() -> Params:
    """params.yaml as it ships."""
    return parse_params((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def digits() -> dict[str, list[bytes]]:
    """Handwritten digits as PNG files, 8 x 8 pixels scaled to 16: zero, one and two."""
    data = load_digits()
    files: dict[str, list[bytes]] = {"zero": [], "one": [], "two": []}
    names = dict(enumerate(files))
    for pixels, label in zip(data.images, data.target, strict=True):
        if label in names:
            image = Image.fromarray((pixels * 15).astype(np.uint8)).resize((16, 16))
            file = io.BytesIO()
            image.save(file, "PNG")
            files[names[label]].append(file.getvalue())
    return files


@pytest.fixture(scope="session")
def write_digits(digits: dict[str, list[bytes]]) -> Callable[..., None]:
    """Write a folder a digit, with as many images as asked for."""

    def write(folder: Path, **counts: int) -> None:
        for name, count in counts.items():
            (folder / name).mkdir(parents=True)
            for number, data in enumerate(digits[name][:count]):
                (folder / name / f"{number:03d}.png").write_bytes(data)

    return write


@pytest.fixture(scope="session")
def copy_project() -> Callable[..., Project]:
    """Copy the code and what else is asked for, without git."""

    def copy(folder: Path, *more: str) -> Project:
        for name in (*CODE, *more):
            source = ROOT / name
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / name, ignore=ignore)
            else:
                shutil.copy(source, folder / name)
        return Project(folder)

    return copy


@pytest.fixture(scope="session")
def new_project(
    copy_project: Callable[..., Project], write_digits: Callable[..., None]
) -> Callable[[Path], Project]:
    """Make a project with 8 zeros, 3 ones and 10 twos, and params that train for a moment."""

    def make(folder: Path) -> Project:
        project = copy_project(folder)
        write_digits(folder / "data" / "raw", zero=8, one=3, two=10)
        quick = {"data.raw": "data/raw", "data.image_size": 16, "train.epochs": 2}
        project.set_params(quick)
        return project

    return make


@pytest.fixture
def project(new_project: Callable[[Path], Project], tmp_path: Path) -> Project:
    """A project of the test's own, without git."""
    return new_project(tmp_path / "project")


@pytest.fixture(scope="session")
def reproduced(
    new_project: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project in git after dvc repro, shared: a test that changes it must change it back."""
    project = new_project(tmp_path_factory.mktemp("reproduced") / "project")
    project.git("init", "--quiet")
    project.git("add", ".")
    project.git("commit", "--quiet", "--message", "start")
    project.dvc("repro")
    project.git("add", ".")
    project.git("commit", "--quiet", "--message", "run")
    return project
