"""The training history: values per step, and the epoch whose weights are kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ballast.core.files import intact, read_csv

History = Mapping[str, Sequence[float]]


def read_history(path: Path) -> dict[str, list[float]]:
    """Read a training history: the values per step, by column name.

    Raises:
        UserError: if the file is missing, edited or damaged.
    """
    with intact(path):
        rows = [*read_csv(path, ("step",))]
        if not rows or "loss" not in rows[0]:
            raise ValueError(path)
        return {key: [float(row[key]) for row in rows] for key in rows[0] if key != "step"}


def is_solved(history: History) -> bool:
    """Whether the steps are iterations of a solver, which has one optimum, rather than epochs."""
    return "gradient_norm" in history


def chosen_epoch(history: History, min_epochs: int) -> int:
    """The epoch whose weights are kept: the one with the lowest val_loss, from min_epochs on.

    Args:
        history: result of read_history; without val_loss, the training loss is used.
        min_epochs: params' train.min_epochs.

    Returns:
        Number of the epoch, counted from 1.
    """
    values = _judged(history)
    first = min(min_epochs, len(values)) - 1
    return first + int(np.argmin(values[first:])) + 1


def best_loss(history: History, min_epochs: int) -> float:
    """The val_loss at the chosen epoch, or the training loss if there is no val_loss."""
    return _judged(history)[chosen_epoch(history, min_epochs) - 1]


def _judged(history: History) -> Sequence[float]:
    return history["val_loss"] if "val_loss" in history else history["loss"]
