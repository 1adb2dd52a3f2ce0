"""Predictions of a model for the test photographs, written and read as a table."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.files import intact, read_csv, write_csv

# Prefix of probability columns, so that a class may be called "path" or "true".
PREFIX = "p_"
COLUMNS = ("path", "true", "predicted")


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


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the columns path, true, predicted, and p_<class> with the probability of each class.

    Probabilities have nine significant digits: the last of a float64 depend on the processor's
    exponential function.
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
    """Read a file in the format of write_predictions, from any model.

    Raises:
        UserError: if the file is missing or has another format.
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
