"""What the stage explain works out from features, heads and judgements: results of each kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.manifest import Row
from ballast.core.mapped import rows_at
from ballast.core.store import ContentStore
from ballast.dataset.folds import Trial
from ballast.insight.evidence import evidence_maps, evidence_scale, strengths
from ballast.insight.nearest import nearest
from ballast.model.features import gathered
from ballast.model.judging_heads import JudgingHead
from ballast.model.training_photographs import TrainingPhotographs
from ballast.scores.explanations import Evidence, Neighbour
from ballast.scores.mistakes import MISTAKES, confident_mistakes
from ballast.scores.predictions import Predictions

NEIGHBOURS = 3  # of each mistake
RIGHT = 2  # photographs of each class that were classified correctly
CLASSES = 12  # of which right answers are shown: those with the fewest photographs


class Seen(NamedTuple):
    """A photograph whose evidence is shown, with its label and the predicted class."""

    path: str
    class_: str
    predicted: str


def heads_of(
    trials: Sequence[Trial], heads: Sequence[JudgingHead], saved: JudgingHead, tested: Sequence[str]
) -> dict[str, JudgingHead]:
    """The head that judged each photograph, by path.

    Args:
        trials: of cross-validation; empty if there was none.
        heads: of the trials, in their order.
        saved: the saved model's, which judged the others.
        tested: paths of the photographs that the saved model judged.
    """
    found = dict.fromkeys(tested, saved)
    for trial, head in zip(trials, heads, strict=True):
        found |= dict.fromkeys((row.path for row in trial.judged), head)
    return found


def with_training_photographs(
    tested: Predictions, kept: TrainingPhotographs, paths: Sequence[str]
) -> Predictions:
    """Add what heads that had not seen them predict of a model's training photographs.

    Args:
        tested: predictions for photographs that the model has not seen.
        kept: by the model.
        paths: of the kept photographs, in their order.
    """
    known = np.flatnonzero(~np.isnan(kept.held_out).any(axis=1))
    return Predictions(
        tested.classes,
        [*tested.paths, *(paths[place] for place in known)],
        [*tested.true, *(tested.classes[kept.labels[place]] for place in known)],
        np.concatenate(
            [tested.probabilities.reshape(-1, len(tested.classes)), kept.held_out[known]]
        ),
    )


def shown_photographs(
    trainings: Sequence[Predictions], groups: Mapping[str, str]
) -> tuple[list[Seen], list[Seen]]:
    """The mistakes of a page, and up to RIGHT photographs of each class that every model got right.

    Of the right ones, those in the middle by probability are shown, as the typical ones.

    Args:
        trainings: predictions of one or more trainings for the same photographs.
        groups: the group of each photograph, by path.
    """
    mistakes = [
        Seen(one.path, one.true, one.predicted)
        for one in confident_mistakes(trainings, MISTAKES, groups)
    ]
    sure: dict[str, dict[str, float]] = {}
    wrong = {
        path
        for of in trainings
        for path, true, guess in zip(of.paths, of.true, of.predicted, strict=True)
        if true != guess
    }
    first = trainings[0]
    for path, true, row in zip(first.paths, first.true, first.probabilities, strict=True):
        if path not in wrong:
            sure.setdefault(true, {})[path] = round(float(row.max()), 6)
    counts = {name: first.true.count(name) for name in sure}
    rarest = sorted(sure, key=lambda name: (counts[name], name))[:CLASSES]
    right = []
    for name in sorted(rarest):
        ordered = sorted(sure[name], key=lambda path: (sure[name][path], path))
        start = max(0, (len(ordered) - RIGHT) // 2)
        right += [Seen(path, name, name) for path in ordered[start : start + RIGHT]]
    return mistakes, right


def neighbours(
    rows: Sequence[Row],
    features: NDArray[Any],
    of: Sequence[str],
    known: Callable[[Row], bool],
    store: ContentStore,
) -> list[Neighbour]:
    """The nearest known photographs of other groups, for some photographs.

    Args:
        rows: n photographs, sorted by path.
        features: of each, shape (n, d).
        of: paths of the photographs that are looked up.
        known: whether a photograph may be named as a neighbour.
        store: whose folder has room for a copy of some features.

    Returns:
        Up to NEIGHBOURS rows for each photograph, the nearest first.
    """
    place = {row.path: number for number, row in enumerate(rows)}
    asked = [place[path] for path in of]
    candidates = [number for number, row in enumerate(rows) if known(row)]
    if not (asked and candidates):
        return []
    _, groups = np.unique([row.group for row in rows], return_inverse=True)
    all_known = len(candidates) == len(rows)
    searched = features if all_known else gathered(features, candidates, store)
    sought = rows_at(features, asked)
    found = nearest(sought, searched, NEIGHBOURS, groups[asked], groups[candidates])
    return [
        Neighbour(rows[number].path, rows[number].class_, near.path, near.class_, distance)
        for number, places, distances in zip(
            asked, found.places.tolist(), found.distances.tolist(), strict=True
        )
        for near, distance in (
            (rows[candidates[at]], away) for at, away in zip(places, distances, strict=True)
        )
        if np.isfinite(distance)
    ]


def evidence(
    seen: Sequence[Seen],
    maps: NDArray[np.uint8],
    heads: Mapping[str, JudgingHead],
    classes: Sequence[str],
) -> list[Evidence]:
    """Where the heads that judged some photographs found what speaks for the predicted class.

    Args:
        seen: n photographs.
        maps: last feature map of each, shape (n, side, side, d).
        heads: that judged them, by path.
        classes: names in the order of the heads' outputs.
    """
    found = [
        evidence_maps(one[None], heads[photograph.path].weights)[
            0, :, :, classes.index(photograph.predicted)
        ]
        for photograph, one in zip(seen, maps, strict=True)
    ]
    scale = evidence_scale(found)
    return [
        Evidence(*photograph, strengths(one, scale).tolist())
        for photograph, one in zip(seen, found, strict=True)
    ]
