"""What the calibration error of a perfectly calibrated model would be."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.scores.metrics import CALIBRATION_BINS

DRAWN = 2**22  # numbers that are drawn at a time: 32 MiB


class Yardstick(NamedTuple):
    """Calibration errors of a perfectly calibrated model on so many photographs."""

    mean: float
    highest: float  # only one in 20 such models has a higher one


def perfect_calibration_error(
    probabilities: NDArray[np.float64], seed: int, draws: int = 2000
) -> Yardstick:
    """Simulate the calibration error that chance alone would cause.

    The photographs' classes are drawn from the predicted probabilities, so that the model is
    calibrated by construction (the consistency resampling of Bröcker and Smith 2007, Weather and
    Forecasting 22, 651-661).

    Args:
        probabilities: predicted for at least one photograph, shape (n, k).
        seed: seed of the draws, 0 or more.
        draws: number of simulated test sets.

    Returns:
        Mean and 95th percentile of the error that metrics.calibration_error computes.
    """
    confidence = probabilities.max(axis=1)
    random, inner_edges = np.random.default_rng(seed), np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    members = np.eye(CALIBRATION_BINS)[np.searchsorted(inner_edges, confidence)]
    errors, at_a_time = np.empty(draws), max(1, DRAWN // len(confidence))
    for start in range(0, draws, at_a_time):
        some = slice(start, min(start + at_a_time, draws))
        right = random.random((some.stop - start, len(confidence))) < confidence
        errors[some] = np.abs((right - confidence) @ members).sum(axis=1) / len(confidence)
    return Yardstick(float(errors.mean()), float(np.quantile(errors, 0.95)))
