"""Perfect calibration has the calibration error that chance gives it."""

import numpy as np
import pytest

from ballast.scores import calibration
from ballast.scores.calibration import perfect_calibration_error
from ballast.scores.metrics import calibration_error, reliability
from ballast.scores.predictions import Predictions


def test_it_is_the_mean_deviation_of_a_binomial_share() -> None:
    # All in one bin: |X / 4 - 0.7| for X of binomial(4, 0.7), by hand.
    chances = {0: 0.0081, 1: 0.0756, 2: 0.2646, 3: 0.4116, 4: 0.2401}
    expected = sum(chance * abs(x / 4 - 0.7) for x, chance in chances.items())
    found = perfect_calibration_error(np.tile([0.7, 0.3], (4, 1)), seed=0, draws=100_000)
    assert found.mean == pytest.approx(expected, abs=0.002)
    assert found.highest == pytest.approx(0.45)


def test_it_is_that_of_metrics_json() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([1, 1, 1], 13)
    errors = []
    for _ in range(500):
        true = [str(generator.choice(3, p=row)) for row in probabilities]
        judged = Predictions(["0", "1", "2"], [*map(str, range(13))], true, probabilities)
        errors.append(calibration_error(reliability([judged])))
    found = perfect_calibration_error(probabilities, seed=1)
    assert found.mean == pytest.approx(np.mean(errors), abs=0.01)
    assert found.highest == pytest.approx(np.quantile(errors, 0.95), abs=0.02)


def test_certainty_has_no_error() -> None:
    assert perfect_calibration_error(np.eye(3), seed=0) == (0, 0)


def test_drawing_a_part_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    whole = perfect_calibration_error(probabilities, seed=1)
    monkeypatch.setattr(calibration, "DRAWN", 7 * 50)
    assert perfect_calibration_error(probabilities, seed=1) == pytest.approx(whole, abs=1e-12)
