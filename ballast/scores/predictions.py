"""Predictions of a model for the test photographs, written and read as a table."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from sys import intern
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.files import intact, read_csv, write_csv

# Prefix of probability columns, so that a class may be called "path" or "true".
PREFIX = "p_"
COLUMNS = ("path", "true", "predicted")
JUDGED = ("strategy", "seed", *COLUMNS)


class Predictions(NamedTuple):
    """Predictions for n photographs and k classes, from any model."""

    classes: list[str]
    paths: list[str]
    true: list[str]
    probabilities: NDArray[np.float64]  # (n, k); each row sums to 1

    @property
    def predicted(self) -> list[str]:
        """The most probable class of each photograph; of equal ones, the first by name."""
        return [self.classes[index] for index in self.probabilities.argmax(axis=1)]


Judgements = Mapping[str, Mapping[int, Predictions]]  # by strategy and seed


def path_order(predictions: Predictions) -> NDArray[np.int64]:
    """The places of the photographs, sorted by path; shape (n,)."""
    paths = predictions.paths
    # An array of text would take 4 bytes for each character of the longest.
    return np.array(sorted(range(len(paths)), key=paths.__getitem__), np.int64)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the columns path, true, predicted, and p_<class> with the probability of each class.

    Probabilities have nine significant digits: the last of a float64 depend on the processor's
    exponential function.
    """
    columns = [*COLUMNS, *(PREFIX + name for name in predictions.classes)]
    write_csv(path, columns, _lines(predictions))


def read_predictions(path: Path) -> Predictions:
    """Read a file in the format of write_predictions, from any model; it may have no rows.

    Raises:
        UserError: if the file is missing or has another format.
    """
    with intact(path):
        part = _Part([], [], [], array("d"))
        for row in read_csv(path, COLUMNS):
            part.add(row)
        return part.predictions()


def write_judgements(path: Path, classes: Sequence[str], judgements: Judgements) -> None:
    """Write the columns strategy and seed, and those of write_predictions; no row if none."""
    rows = (
        [strategy, seed, *line]
        for strategy, by_seed in judgements.items()
        for seed, predictions in by_seed.items()
        for line in _lines(predictions)
    )
    write_csv(path, [*JUDGED, *(PREFIX + name for name in classes)], rows)


def read_judgements(path: Path, strategy: str | None = None) -> dict[str, dict[int, Predictions]]:
    """Read what write_judgements wrote; empty if it has no row.

    Args:
        path: of the file.
        strategy: read its rows alone; None reads all.

    Raises:
        UserError: if the file is missing or has another format.
    """
    with intact(path):
        parts: dict[str, dict[int, _Part]] = {}
        same: dict[str, str] = {}  # one text for all rows of a photograph
        for row in read_csv(path, JUDGED):
            if strategy in (None, row["strategy"]):
                by_seed = parts.setdefault(row["strategy"], {})
                part = by_seed.setdefault(int(row["seed"]), _Part([], [], [], array("d")))
                part.add({**row, "path": same.setdefault(row["path"], row["path"])})
        return {
            strategy: {seed: part.predictions() for seed, part in by_seed.items()}
            for strategy, by_seed in parts.items()
        }


def _lines(predictions: Predictions) -> Iterator[list[str]]:
    for path, true, guess, row in zip(
        predictions.paths,
        predictions.true,
        predictions.predicted,
        predictions.probabilities,
        strict=True,
    ):
        yield [path, true, guess, *(f"{p:.9g}" for p in row)]


class _Part(NamedTuple):
    """Predictions that are read row by row."""

    classes: list[str]
    paths: list[str]
    true: list[str]
    probabilities: "array[float]"  # row after row

    def add(self, row: Mapping[str, str]) -> None:
        if not self.paths:
            names = (name for name in row if name.startswith(PREFIX))
            self.classes.extend(name.removeprefix(PREFIX) for name in names)
        self.paths.append(row["path"])
        self.true.append(intern(row["true"]))
        self.probabilities.extend(float(row[PREFIX + name]) for name in self.classes)

    def predictions(self) -> Predictions:
        shape = (len(self.paths), len(self.classes)) if self.paths else (0,)
        found = np.frombuffer(self.probabilities).reshape(shape)
        return Predictions(self.classes, self.paths, self.true, found)
