"""Which mistakes are shown first."""

import numpy as np

from ballast.scores.mistakes import Mistake, confident_mistakes
from ballast.scores.predictions import Predictions


def test_mistakes_come_by_how_sure_they_were_then_by_path() -> None:
    probabilities = [[0.6, 0.4], [0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.9, 0.1]]
    predictions = Predictions(
        ["a", "b"], ["5", "4", "3", "2", "1"], ["b", "b", "a", "a", "b"], np.array(probabilities)
    )
    mistakes = [
        Mistake("1", "b", "a", 0.9, 1),
        Mistake("4", "b", "a", 0.9, 1),
        Mistake("2", "a", "b", 0.8, 1),
        Mistake("5", "b", "a", 0.6, 1),
    ]
    assert confident_mistakes([predictions], 10) == mistakes
    assert confident_mistakes([predictions], 2) == mistakes[:2]


def test_mistakes_of_most_models_come_first() -> None:
    paths, true = ["1", "2", "3"], ["a", "a", "a"]
    rows = ([[0.25, 0.75, 0], [0, 0, 1], [1, 0, 0]], [[0.375, 0.625, 0], [1, 0, 0], [1, 0, 0]])
    trainings = [Predictions(["a", "b", "c"], paths, true, np.array(of)) for of in rows]
    reordered = trainings[1]._replace(
        paths=paths[::-1], probabilities=trainings[1].probabilities[::-1]
    )
    mistakes = [Mistake("1", "a", "b", 0.6875, 2), Mistake("2", "a", "c", 1.0, 1)]
    assert confident_mistakes(trainings, 10) == mistakes
    assert confident_mistakes([trainings[0], reordered], 10) == mistakes


def test_a_burst_is_one_mistake_the_first_of_them() -> None:
    paths = [f"burst/{number}" for number in range(12)] + ["other", "alone"]
    sure = [0.6, 0.9, *[0.8] * 10, 0.7, 0.55]
    predictions = Predictions(
        ["a", "b"], paths, ["b"] * 14, np.array([[of, 1 - of] for of in sure])
    )
    groups = dict.fromkeys(paths[:12], "one scene") | {"other": "another"}
    shown = confident_mistakes([predictions], 12, groups)
    assert [mistake.path for mistake in shown] == ["burst/1", "other", "alone"]
