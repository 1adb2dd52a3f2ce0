"""Predictions: what a model says of each test photograph, as a table."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.files import intact, read_csv, write_csv

# Before every probability column, so that a class called "path" or "true" is no trouble.
PREFIX = "p_"
COLUMNS = ("path", "true", "predicted")


class Predictions(NamedTuple):
    """Any model's predictions of n photographs over k classes."""

    classes: list[str]
    paths: list[str]
    true: list[str]
    probabilities: NDArray[np.float64]  # (n, k); each row sums to 1

    @property
    def predicted(self) -> list[str]:
        """The likeliest class of each photograph; the first by name of equal ones."""
        return [self.classes[index] for index in self.probabilities.argmax(axis=1)]


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write path, true, predicted and a probability column p_<class> a class.

    Nine significant digits: the last of a float64 depend on the processor's exponential.
    """
    columns = [*COLUMNS, *(PREFIX + name for name in predictions.classes)]
    rows = zip(
        predictions.paths,
        predictions.true,
        predictions.predicted,
        predictions.probabilities,
        strict=True,
    )
    write_csv(
        path,
        columns,
        [[name, true, guess, *(f"{p:.9g}" for p in row)] for name, true, guess, row in rows],
    )


def read_predictions(path: Path) -> Predictions:
    """Read what write_predictions wrote, or the like from any other model.

    Raises:
        UserError: where it is missing or something else.
    """
    with intact(path):
        rows = read_csv(path, COLUMNS)
        if not rows:
            raise ValueError(rows)
        classes = [column.removeprefix(PREFIX) for column in rows[0] if column.startswith(PREFIX)]
        return Predictions(
            classes=classes,
            paths=[row["path"] for row in rows],
            true=[row["true"] for row in rows],
            probabilities=np.array(
                [[float(row[PREFIX + name]) for name in classes] for row in rows]
            ),
        )
