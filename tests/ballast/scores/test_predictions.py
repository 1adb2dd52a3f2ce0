"""Predictions are read back as written, whatever classes are called."""

from pathlib import Path

import numpy as np
import pytest

from ballast.core.errors import UserError
from ballast.scores.predictions import (
    Judgements,
    Predictions,
    read_judgements,
    read_predictions,
    write_judgements,
    write_predictions,
)

CATS = Predictions(["cat", "dog"], ["a.png"], ["cat"], np.array([[1.0, 0.0]]))


def assert_equal(read: Predictions, written: Predictions) -> None:
    assert (read.classes, read.paths, read.true) == (written.classes, written.paths, written.true)
    assert np.abs(read.probabilities - written.probabilities).max() < 1e-9


def test_they_come_back(tmp_path: Path) -> None:
    probabilities = np.array([[0.1, 0.9], [0.7, 0.3]], dtype=np.float32).astype(np.float64)
    written = Predictions(["path", "true"], ["a,b.png", "ü.png"], ["path", "true"], probabilities)
    write_predictions(tmp_path / "predictions.csv", written)
    read = read_predictions(tmp_path / "predictions.csv")
    assert_equal(read, written)
    assert read.predicted == ["true", "path"]


def test_the_columns_are_named(tmp_path: Path) -> None:
    write_predictions(tmp_path / "predictions.csv", CATS)
    assert (tmp_path / "predictions.csv").read_text() == (
        "path,true,predicted,p_cat,p_dog\na.png,cat,cat,1,0\n"
    )


def test_judgements_come_back_by_strategy_and_seed(tmp_path: Path) -> None:
    names, paths = ["seed", "strategy"], ["a.png", "=b.png"]
    written: Judgements = {
        strategy: {
            seed: Predictions(names, paths, names, np.array([[share, 1 - share], [0.25, 0.75]]))
            for seed, share in seeds.items()
        }
        for strategy, seeds in {"with, comma": {42: 0.125, 7: 0.5}, "=plain": {42: 1.0}}.items()
    }
    write_judgements(tmp_path / "judgements.csv", names, written)
    read = read_judgements(tmp_path / "judgements.csv")
    assert [(name, [*by_seed]) for name, by_seed in read.items()] == [
        ("with, comma", [42, 7]),
        ("=plain", [42]),
    ], "in the order in which they were written: the first training is the first seed's"
    for name, by_seed in read.items():
        for seed, predictions in by_seed.items():
            assert_equal(predictions, written[name][seed])
    (alone,) = read_judgements(tmp_path / "judgements.csv", "=plain").items()
    assert (alone[0], [*alone[1]]) == ("=plain", [42])
    assert_equal(alone[1][42], written["=plain"][42])
    assert read_judgements(tmp_path / "judgements.csv", "none") == {}


def test_judgements_have_the_columns_of_predictions_and_two_more(tmp_path: Path) -> None:
    write_judgements(tmp_path / "judgements.csv", CATS.classes, {"balanced": {42: CATS}})
    assert (tmp_path / "judgements.csv").read_text() == (
        "strategy,seed,path,true,predicted,p_cat,p_dog\nbalanced,42,a.png,cat,cat,1,0\n"
    )


def test_no_judgements_are_a_table_without_rows(tmp_path: Path) -> None:
    write_judgements(tmp_path / "judgements.csv", ["cat", "dog"], {})
    assert (tmp_path / "judgements.csv").read_text() == (
        "strategy,seed,path,true,predicted,p_cat,p_dog\n"
    )
    assert read_judgements(tmp_path / "judgements.csv") == {}


@pytest.mark.parametrize(("old", "new"), [("seed,", "s,"), (",42,", ",first,"), (",1,0", ",1,no")])
def test_edited_judgements_are_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "judgements.csv"
    write_judgements(path, CATS.classes, {"balanced": {42: CATS}})
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=r"judgements\.csv: edited or damaged"):
        read_judgements(path)


def test_missing_judgements_are_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist yet; run dvc repro"):
        read_judgements(tmp_path / "judgements.csv")
