"""Photographs that were misclassified."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from ballast.scores.predictions import Predictions

MISTAKES = 12  # maximum number that a page shows


class Mistake(NamedTuple):
    """A judged photograph that was misclassified."""

    path: str
    true: str
    predicted: str  # in most of the trainings that misclassified it
    probability: float  # of that class, the mean over these trainings
    times: int  # trainings that misclassified it


def confident_mistakes(
    trainings: Sequence[Predictions], most: int, groups: Mapping[str, str] | None = None
) -> list[Mistake]:
    """Find the mistakes that most models make, and make most confidently.

    Of the photographs of a group, such as the frames of a burst, only the first counts.

    Args:
        trainings: predictions of one or more trainings for the same photographs.
        most: maximum number of mistakes to return.
        groups: the group of each photograph by path; a path without one is a group of its own.

    Returns:
        Mistakes by decreasing number of trainings, then by decreasing probability, then by path.
    """
    found: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for of in trainings:
        sureness = of.probabilities.max(axis=1).tolist()
        for path, true, guess, sure in zip(of.paths, of.true, of.predicted, sureness, strict=True):
            if guess != true:
                found[path, true].append((guess, sure))
    mistakes = []
    for (path, true), wrong in found.items():
        guesses = Counter(guess for guess, _ in wrong)
        chosen = min(guesses, key=lambda guess: (-guesses[guess], guess))
        probability = fmean(sure for guess, sure in wrong if guess == chosen)
        mistakes.append(Mistake(path, true, chosen, probability, len(wrong)))
    first: dict[str, Mistake] = {}
    for mistake in sorted(mistakes, key=lambda of: (-of.times, -of.probability, of.path)):
        first.setdefault((groups or {}).get(mistake.path, mistake.path), mistake)
    return [*first.values()][:most]
