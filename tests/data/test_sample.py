"""The sample: small, imbalanced for training, balanced for testing, from a seeded script."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"


def draw(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "data" / "draw_sample.py"
    return subprocess.run(
        [sys.executable, str(script), "--out", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.jpg")
    }


def test_the_imbalance_is_the_one_that_the_project_was_born_from() -> None:
    counts = Counter(path.parent.relative_to(SAMPLE).as_posix() for path in SAMPLE.rglob("*.jpg"))
    assert counts == {
        "train/human": 24,
        "train/dog": 3,
        "train/snake": 35,
        "test/human": 40,
        "test/dog": 40,
        "test/snake": 40,
    }


def test_it_is_small_to_clone_and_large_enough_to_look_at() -> None:
    paths = list(SAMPLE.rglob("*.jpg"))
    assert sum(path.stat().st_size for path in paths) < 2_000_000
    for path in paths:
        with Image.open(path) as image:
            assert image.format == "JPEG"
            assert image.mode == "RGB"
            assert min(image.size) >= 128


def test_the_script_draws_what_is_in_git(tmp_path: Path) -> None:
    assert draw(tmp_path / "again").returncode == 0
    assert contents(tmp_path / "again") == contents(SAMPLE)


def test_it_never_draws_over_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = draw(tmp_path)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def colours(paths: list[Path]) -> NDArray[np.float64]:
    features = []
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image, dtype=np.float64).reshape(-1, 3)
        histogram, _ = np.histogramdd(pixels, bins=4, range=[(0, 256)] * 3, density=True)
        features.append([*pixels.mean(axis=0), *pixels.std(axis=0), *histogram.ravel()])
    return np.array(features)


@pytest.mark.parametrize(
    "classifier",
    [
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)),
        RandomForestClassifier(300, random_state=0),
    ],
    ids=["logistic regression", "random forest"],
)
def test_colour_alone_does_not_tell_the_classes_apart(classifier: LogisticRegression) -> None:
    paths = sorted((SAMPLE / "test").rglob("*.jpg"))
    labels = [path.parent.name for path in paths]
    order = np.random.default_rng(0).permutation(len(paths))
    features, names = colours(paths)[order], np.array(labels)[order]
    right = 0
    for fold in range(4):
        test = np.arange(len(paths)) % 4 == fold
        right += int(
            (
                classifier.fit(features[~test], names[~test]).predict(features[test]) == names[test]
            ).sum()
        )
    # A third is chance; two standard errors of 120 images are 0.09.
    assert right / len(paths) < 0.5
