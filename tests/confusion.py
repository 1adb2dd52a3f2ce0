"""Predictions constructed from a confusion matrix."""

from collections.abc import Sequence

import numpy as np

from ballast.scores.predictions import Predictions

CLASSES = ["dog", "human", "snake"]


def predictions(
    matrix: Sequence[Sequence[int]], classes: Sequence[str] = tuple(CLASSES)
) -> Predictions:
    """Any predictions with these counts by true and predicted class."""
    cells = [cell for cell, count in np.ndenumerate(np.array(matrix)) for _ in range(count)]
    return Predictions(
        [*classes],
        [f"{i}.png" for i in range(len(cells))],
        [classes[true] for true, _ in cells],
        np.eye(len(classes))[[guess for _, guess in cells]],
    )
