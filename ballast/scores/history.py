"""The values of each step of a training, and which epoch was chosen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ballast.core.files import intact, read_csv

History = Mapping[str, Sequence[float]]


def read_history(path: Path) -> dict[str, list[float]]:
    """Read the values of each step, by column.

    Raises:
        UserError: as intact does.
    """
    with intact(path):
        rows = read_csv(path, ("step",))
        if not rows or "loss" not in rows[0]:
            raise ValueError(path)
        return {key: [float(row[key]) for row in rows] for key in rows[0] if key != "step"}


def is_solved(history: History) -> bool:
    """Whether its steps are a solver's, up to the one optimum, and no epochs to choose from."""
    return "gradient_norm" in history


def chosen_epoch(history: History, min_epochs: int) -> int:
    """The epoch whose weights were kept: that of the lowest val_loss, from min_epochs on.

    Args:
        history: as train writes it; without val_loss, the training loss stands in.
        min_epochs: as in params.

    Returns:
        From 1.
    """
    values = _judged(history)
    first = min(min_epochs, len(values)) - 1
    return first + int(np.argmin(values[first:])) + 1


def best_loss(history: History, min_epochs: int) -> float:
    """The loss, of val where there is any, at the chosen epoch."""
    return _judged(history)[chosen_epoch(history, min_epochs) - 1]


def _judged(history: History) -> Sequence[float]:
    return history["val_loss"] if "val_loss" in history else history["loss"]
