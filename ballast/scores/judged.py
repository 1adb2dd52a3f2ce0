"""What the trainings of one strategy predicted of the same photographs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.scores.predictions import Predictions, path_order


class Judged(NamedTuple):
    """The classes that s trainings of a strategy predicted for the same n photographs.

    A test folder judged by several models has this form, and so has a cross-validation with several
    seeds, where each photograph is judged once per seed by a model that has not seen it.
    """

    classes: list[str]
    true: NDArray[np.int64]  # (n,), places in `classes`, like `predicted`
    groups: NDArray[np.int64]  # (n,); photographs with the same number are not independent
    predicted: NDArray[np.int64]  # (s, n), a row per training


def judged_by(trainings: Sequence[Predictions], groups: Mapping[str, str] | None = None) -> Judged:
    """Put the predictions of a strategy's trainings together, photographs sorted by path.

    Args:
        trainings: at least one, all for the same photographs in any order.
        groups: name of each photograph's group, by path; None if photographs are independent.

    Raises:
        ValueError: if trainings differ in their photographs or classes.
    """
    classes, names = trainings[0].classes, sorted(trainings[0].paths)
    if any(sorted(of.paths) != names or of.classes != classes for of in trainings):
        raise ValueError("trainings judged different photographs, or differ in their classes")
    index = {name: place for place, name in enumerate(classes)}
    orders = [path_order(of) for of in trainings]
    true = np.array([index[name] for name in trainings[0].true], np.int64)
    own = [groups[name] if groups else name for name in names]
    return Judged(
        classes,
        true[orders[0]],
        np.unique(own, return_inverse=True)[1].astype(np.int64),
        np.stack(
            [
                of.probabilities.argmax(axis=1)[order]
                for of, order in zip(trainings, orders, strict=True)
            ]
        ).astype(np.int64),
    )


def recall_by_training(judged: Judged) -> list[dict[str, float]]:
    """The recall of each judged class by its name, 0 to 1, in each training."""
    right = judged.predicted == judged.true
    places = np.unique(judged.true)
    recalls = np.stack([right[:, judged.true == place].mean(axis=1) for place in places], axis=1)
    names = [judged.classes[place] for place in places]
    return [dict(zip(names, row, strict=True)) for row in recalls.tolist()]


def confusion_counts(judged: Judged) -> NDArray[np.int64]:
    """Count the judgements of all trainings, shape (k, k): rows are true classes."""
    k, (trainings, _) = len(judged.classes), judged.predicted.shape
    places = np.tile(judged.true, trainings) * k + judged.predicted.ravel()
    return np.bincount(places, minlength=k * k).reshape(k, k)


def judged_photographs(judged: Judged) -> Mapping[str, int]:
    """Number of judged photographs by class name."""
    counts = np.bincount(judged.true, minlength=len(judged.classes)).tolist()
    return dict(zip(judged.classes, counts, strict=True))


def independent_groups(judged: Judged) -> int:
    """Number of groups of the judged photographs."""
    return len(np.unique(judged.groups))
