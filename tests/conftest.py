"""Fixtures: real images, and projects in which real DVC runs."""

import compileall
import fcntl
import io
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from projects import Project
from sklearn.datasets import load_digits

from ballast.core.params import EXACT_BACKBONE, EXACT_LEAST_SIZE, Params, parse_params
from ballast.report.pictures import Explained, RunPictures, thumbnail
from ballast.scores.estimates import strategy_intervals
from ballast.scores.explanations import (
    Curve,
    CurvePoint,
    Evidence,
    Explanations,
    LabelIssue,
    Mark,
    Neighbour,
    Shortcut,
)
from ballast.scores.judged import judged_by
from ballast.scores.mistakes import confident_mistakes
from ballast.scores.predictions import Predictions
from ballast.scores.run import HeadChoice, Run, Training
from ballast.vendoring.shipped import SHIPPED

if TYPE_CHECKING:
    from ballast.classifier import Classifier

ROOT = Path(__file__).parent.parent

# A busy machine is no failure: nothing here is about time.
settings.register_profile("ballast", deadline=None)
settings.load_profile("ballast")
# What a copy of Ballast has, and what its clone adds that tests need.
CODE = sorted(
    {*SHIPPED, ".dvc/config", ".gitattributes", "verification"} - {"LICENSE", "Makefile", "uv.lock"}
)


def pytest_configure() -> None:
    """Let every process that a test starts keep the bytecode of what it imports."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


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
    """Write one folder per digit, with the given numbers of images."""

    def write(folder: Path, **counts: int) -> None:
        for name, count in counts.items():
            (folder / name).mkdir(parents=True)
            for number, data in enumerate(digits[name][:count]):
                (folder / name / f"{number:03d}.png").write_bytes(data)

    return write


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    """Make a run over any classes, with 4 test photographs of each but the last.

    One photograph of each class is misclassified as the next class. Its model alone judged them.
    """

    def make(name: str, classes: Sequence[str], *, path: str = "test/{}/{}.png") -> Run:
        tested = len(classes) - 1
        true = [class_ for class_ in classes[:tested] for _ in range(4)]
        probabilities = np.full((len(true), len(classes)), 0.1 / max(tested, 1))
        for row, class_ in enumerate(true):
            taken = classes.index(class_) + (row % 4 == 3)
            probabilities[row, taken] = 0.9
        paths = [path.format(class_, row) for row, class_ in enumerate(true)]
        predictions = Predictions([*classes], paths, true, probabilities)
        of_model = judged_by([predictions])
        return Run(
            name=name,
            judged=of_model,
            cross_validated=False,
            metrics=strategy_intervals(of_model),
            predictions=[predictions],
            counts={
                class_: {"train": 1 + place, "val": 1, "test": 4 * (place < tested)}
                for place, class_ in enumerate(classes)
            },
            made=dict.fromkeys(classes, 3 * len(classes)),
            weights=dict.fromkeys(classes, 1.0),
            training=Training("cnn", None),
            history={"loss": [1.1, 0.8, 0.5], "val_loss": [1.2, 0.9, 1.0], "accuracy": [0, 0.5, 1],
                     "val_accuracy": [0, 0.4, 0.4], "learning_rate": [0.1, 0.1, 0.05]},
            min_epochs=1,
            params={"seed": 42, "strategy": name, f"strategies.{name}.oversample": True,
                    f"strategies.{name}.class_weights": None,
                    f"strategies.{name}.balanced_batches": False, "split.group": path},
            fingerprints={"data/manifest.csv": "0123456789abcdef" * 4},
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def with_head() -> Callable[[Run], Run]:
    """Make a run one of a linear head: of other steps, and without photographs to validate."""

    def make(run: Run) -> Run:
        losses = {"1": 0.61, "0.1": 0.42, "0.01": 0.5}
        return run._replace(
            training=Training(EXACT_BACKBONE, HeadChoice(0.1, 1.25, 0.7, losses)),
            history={"loss": [1.1, 0.6, 0.5], "gradient_norm": [0.3, 0.01, 1e-3]},
            counts={name: {**subsets, "val": 0} for name, subsets in run.counts.items()},
        )

    return make


@pytest.fixture(scope="session")
def make_pictures(digits: dict[str, list[bytes]]) -> Callable[..., RunPictures]:
    """Make the pictures of a run: images of each class, and only the first of its mistakes."""

    def make(run: Run, images: int = 4) -> RunPictures:
        thumbnails = [thumbnail(data) for data in digits["zero"][:images]]
        mistakes = confident_mistakes(run.predictions, 12)
        return RunPictures(
            sheets=dict.fromkeys(run.judged.classes, thumbnails),
            mistakes=[
                (mistake, None if place else thumbnails[0])
                for place, mistake in enumerate(mistakes)
            ],
        )

    return make


@pytest.fixture(scope="session")
def make_explained(digits: dict[str, list[bytes]]) -> Callable[[Run], Explained]:
    """Make all that a page can explain of a run: for each of its classes, and for each mistake."""

    def make(run: Run) -> Explained:
        of, picture = run.predictions[0], thumbnail(digits["zero"][0])
        judged = [*zip(of.paths, of.true, of.predicted, strict=True)]
        wrong = [one for one in judged if one[1] != one[2]]
        first, last = run.judged.classes[0], run.judged.classes[-1]
        points = [CurvePoint(n, n + 0.5, n / 10, n / 20, n / 5) for n in (1, 2, 4)]
        found = Explanations(
            label_issues=[LabelIssue(*one, 0.25) for one in wrong],
            neighbours=[
                Neighbour(path, true, near, class_, 0.25)
                for path, true, _ in wrong
                for near, class_, _ in judged[:3]
            ],
            curves=[
                Curve(name, 3, points, 0.2, low, 0.5) for name, low in ((first, 0.1), (last, -0.1))
            ],
            shortcuts=[Shortcut(first, "top left", 0.95, 11, 12)],
            marks=[Mark(last, "border", "#f9c812", 0.25, 12)],
            evidence=[Evidence(*one, [[0, 255], [99, 128]]) for one in judged],
        )
        missing = {judged[0][0]: None}  # a photograph that is gone
        thumbnails = dict.fromkeys(of.paths, picture) | missing
        overlays = dict.fromkeys(of.paths[1:], picture)
        return Explained(found, thumbnails, overlays)

    return make


@pytest.fixture(scope="session")
def copy_project() -> Callable[..., Project]:
    """Copy the code and the given paths, without git."""
    for name in CODE:  # to copy the bytecode, too: each process would compile it anew
        compileall.compile_dir(ROOT / name, quiet=2)

    def copy(folder: Path, *more: str) -> Project:
        for name in (*CODE, *more):
            source = ROOT / name
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, folder / name)
            else:
                shutil.copy(source, folder / name)
        return Project(folder)

    return copy


@pytest.fixture(scope="session")
def new_project(
    copy_project: Callable[..., Project], write_digits: Callable[..., None]
) -> Callable[[Path], Project]:
    """Make a project with 8 zeros, 3 ones and 10 twos, and params for quick training."""

    def make(folder: Path) -> Project:
        project = copy_project(folder)
        write_digits(folder / "data" / "raw", zero=8, one=3, two=10)
        quick = {
            "data.raw": "data/raw",
            "data.image_size": 16,
            "train.epochs": 2,
            "augment.factor": 3,
            "cross_validation.seeds": 2,
        }
        project.set_params({**quick, "train.backbone": "cnn"})
        return project

    return make


@pytest.fixture
def project(new_project: Callable[[Path], Project], tmp_path: Path) -> Project:
    """A project for one test, without git."""
    return new_project(tmp_path / "project")


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """Make a project in one of the processes that run the tests; the others copy it."""

    def make(name: str, function: Callable[[Path], Project]) -> Project:
        own = tmp_path_factory.mktemp(name) / "project"
        if "PYTEST_XDIST_WORKER" not in os.environ:
            return function(own)
        first = tmp_path_factory.getbasetemp().parent / name
        with Path(f"{first}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not first.exists():
                function(own).copied(first)
                return Project(own)
        return Project(first).copied(own)

    return make


@pytest.fixture(scope="session")
def reproduced(
    make_once: Callable[..., Project], new_project: Callable[[Path], Project]
) -> Project:
    """A shared project in git after dvc repro; tests that change it must restore it."""

    def make(folder: Path) -> Project:
        project = new_project(folder)
        project.commit_all()
        project.dvc("repro")
        project.commit_all()
        return project

    return make_once("reproduced", make)


@pytest.fixture(scope="session")
def features_project(
    make_once: Callable[..., Project], new_project: Callable[[Path], Project]
) -> Project:
    """A project of the default backbone after dvc repro, shared: change back what you change."""

    def make(folder: Path) -> Project:
        project = new_project(folder)
        project.set_params({"train.backbone": EXACT_BACKBONE, "data.image_size": EXACT_LEAST_SIZE})
        project.commit_all()
        project.dvc("repro")
        project.commit_all()
        return project

    return make_once("features", make)


@pytest.fixture(scope="module")
def classifier(reproduced: Project) -> "Classifier":
    """The model of the project `reproduced`, ready to predict."""
    from ballast.classifier import Classifier  # loads TensorFlow

    return Classifier.load(reproduced.folder / "models/model.keras")


@pytest.fixture(scope="module")
def linear(features_project: Project) -> "Classifier":
    """A model with a linear head, which keeps the features of its training photographs."""
    from ballast.classifier import Classifier

    return Classifier.load(features_project.folder / "models/model.keras")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command load its model here, where TensorFlow has its threads already."""
    monkeypatch.setattr("ballast.keras_setup.make_deterministic", lambda *_: None)
