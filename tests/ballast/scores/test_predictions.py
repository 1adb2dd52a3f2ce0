"""Predictions are read back as written, whatever classes are called."""

from pathlib import Path

import numpy as np

from ballast.scores.predictions import Predictions, read_predictions, write_predictions


def test_they_come_back(tmp_path: Path) -> None:
    probabilities = np.array([[0.1, 0.9], [0.7, 0.3]], dtype=np.float32).astype(np.float64)
    written = Predictions(["path", "true"], ["a,b.png", "ü.png"], ["path", "true"], probabilities)
    write_predictions(tmp_path / "predictions.csv", written)
    read = read_predictions(tmp_path / "predictions.csv")
    assert (read.classes, read.paths, read.true) == (written.classes, written.paths, written.true)
    assert read.predicted == ["true", "path"]
    assert np.abs(read.probabilities - probabilities).max() < 1e-9


def test_the_columns_are_named(tmp_path: Path) -> None:
    write_predictions(
        tmp_path / "predictions.csv", Predictions(["cat"], ["a.png"], ["cat"], np.array([[1.0]]))
    )
    assert (tmp_path / "predictions.csv").read_text() == (
        "path,true,predicted,p_cat\na.png,cat,cat,1\n"
    )
