"""Which labels to doubt: photographs that look like another class to heads that never saw them.

Confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70, arXiv:1911.00068) compares the
probability of each class with the class's own level, so that a rare class, whose probabilities are
low throughout, is not doubted as a whole. The few lines that are needed stand here: the authors'
package, cleanlab, would bring pandas.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ballast.scores.effective import Indices
from ballast.scores.explanations import LabelIssue
from ballast.scores.judged import judged_by
from ballast.scores.predictions import Predictions, path_order
from ballast.scores.proportions import Array

# Probabilities become whole numbers of these parts, whose sums are exact in any order.
PARTS = 1e6
DECIMALS = 3  # of the score


def label_issues(trainings: Sequence[Predictions], groups: Mapping[str, str]) -> list[LabelIssue]:
    """Find the labels to doubt, the most doubtful first, from cross-validated predictions.

    A label is doubted if no training predicts the given class, and if the mean probability of
    another class reaches that class's level: the mean probability of a class over the photographs
    that are labelled so (the paper's eq. 2). The most probable class that reaches its level is
    suggested (eq. 1). Either condition alone doubts more honest labels: of 55 photographs whose
    labels nobody had changed, 4 and 13, against 3 for both (docs/doubtful-labels.md).

    The order is that of the normalised margin, the mean probability of the given class less the
    highest other. Relative to the classes' levels, as the paper's authors offer, it finds fewer
    wrong labels first.

    Args:
        trainings: at least one, each of heads that have not seen the photographs they judge; all of
            the same photographs. Those of two strategies together doubt fewer honest labels than
            those of one.
        groups: name of each photograph's group, by path. A group counts once in its class's level.

    Returns:
        Issues by score, then by path. A class that is never judged is never suggested.

    Raises:
        ValueError: if trainings differ in their photographs or classes.
    """
    judged, paths = judged_by(trainings, groups), sorted(trainings[0].paths)
    probabilities = _mean_probabilities(trainings)
    levels = _levels(probabilities, judged.true, judged.groups)
    reached = np.where(probabilities >= levels, probabilities, -1)
    suggested = reached.argmax(axis=1)
    never_given = (judged.predicted != judged.true).all(axis=0)
    doubted = never_given & (reached.max(axis=1) >= 0) & (suggested != judged.true)
    margins = _margins(probabilities, judged.true)
    issues = [
        LabelIssue(
            paths[place],
            judged.classes[judged.true[place]],
            judged.classes[suggested[place]],
            round(float(1 + margins[place] / PARTS) / 2, DECIMALS),
        )
        for place in np.flatnonzero(doubted)
    ]
    return sorted(issues, key=lambda issue: (issue.score, issue.path))


def _mean_probabilities(trainings: Sequence[Predictions]) -> Array:
    """The mean over the trainings, shape (n, k), in PARTS; photographs sorted by path."""
    total = np.zeros(trainings[0].probabilities.shape)
    for of in trainings:
        total += np.rint(of.probabilities[path_order(of)] * PARTS)
    return np.asarray(np.rint(total / len(trainings)))


def _levels(probabilities: Array, given: Indices, groups: Indices) -> Array:
    """The level of each class, shape (k,), in PARTS; infinite if it has no photograph."""
    levels = np.full(probabilities.shape[1], np.inf)
    for class_ in np.unique(given):
        own = given == class_
        _, group = np.unique(groups[own], return_inverse=True)
        sums = np.bincount(group, weights=probabilities[own, class_])
        levels[class_] = np.rint(np.rint(sums / np.bincount(group)).mean())
    return levels


def _margins(probabilities: Array, given: Indices) -> Array:
    """The probability of the given class less the highest other, shape (n,), in PARTS."""
    is_given = given[:, None] == np.arange(probabilities.shape[1])
    others = np.where(is_given, -np.inf, probabilities).max(axis=1)
    return np.asarray(probabilities[is_given] - others)
