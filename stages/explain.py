"""Look inside: what models looked at, which labels to doubt, what more photographs would bring."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ballast.core import paths
from ballast.core.errors import counted, one_line_errors
from ballast.core.files import read_text
from ballast.core.greys import read_range
from ballast.core.manifest import (
    class_names,
    has_test_folder,
    image_reader,
    read_manifest,
    subset_rows,
)
from ballast.core.params import EXACT_BACKBONE, Params, parse_params
from ballast.core.stage_times import timed
from ballast.core.store import ContentStore
from ballast.dataset.folds import fold_trials, given_trial
from ballast.insight.explanation import (
    evidence,
    heads_of,
    neighbours,
    shown_photographs,
    with_training_photographs,
)
from ballast.insight.label_issues import label_issues
from ballast.insight.learning_curve import Photographs, learning_curves
from ballast.insight.marks import cell_colours, marks
from ballast.insight.shortcuts import shortcuts, spread
from ballast.model.features import (
    image_features,
    map_side,
    pixel_features,
    read_backbone,
    with_maps,
)
from ballast.model.inputs import image_files, pixel_batches
from ballast.model.judging_heads import JudgingHead, read_heads
from ballast.model.logits import linear_logits
from ballast.model.model_file import read_linear_head
from ballast.model.training_photographs import kept_rows, read_training_photographs
from ballast.scores.explanations import Explanations, write_explanations
from ballast.scores.predictions import read_judgements, read_predictions
from ballast.workers.processes import engine_of

MOST_CLASSES = 40  # with more, shortcuts are not looked for: a class takes 108 passes
MOST = 30  # photographs of each class that are looked at for marks


def main() -> None:
    """Read photographs, the model and judgements; write what lies behind the figures."""
    params = parse_params(read_text(paths.PARAMS))
    found = Explanations()
    if params.train.has_linear_head:
        found = explanations(params)
    else:
        print(f"{params.train.backbone} has no linear head on kept features: nothing to explain")
    write_explanations(Path(), found)
    print(f"{counted(len(found.label_issues), 'label')} to check, {paths.LABEL_ISSUES}")


def explanations(params: Params) -> Explanations:
    """Find all of it for a model with a linear head."""
    size, runtime, settings = params.data.image_size, params.runtime, params.train
    engine = engine_of(runtime)
    rows = [row for row in read_manifest(paths.MANIFEST) if row.split != "val"]
    classes, given = class_names(rows), has_test_folder(rows)
    groups = {row.path: row.group for row in rows}
    tested = read_predictions(paths.PREDICTIONS)
    judgements = read_judgements(paths.JUDGEMENTS)
    trainings = list(judgements.get(params.strategy, {}).values()) or [tested]
    # Of both strategies: a label is doubted if neither predicts it.
    doubting = [judged for by_seed in judgements.values() for judged in by_seed.values()]
    kept = read_training_photographs(paths.MODEL)
    if not doubting:
        listed = kept_rows(subset_rows(rows, "train"), settings.kept_photographs) if kept else []
        held_out = kept and with_training_photographs(tested, kept, [row.path for row in listed])
        doubting = [held_out or tested]

    backbone = read_backbone(settings, size, paths.KERAS_DOWNLOADS, engine.workers)
    store = ContentStore(paths.IMAGE_STORE, runtime.image_store)
    read = image_reader(Path(params.data.raw))
    photographs = image_files(read, rows, classes, size, engine.workers, read_range(paths.RANGE))
    features = image_features(backbone, photographs, [row.sha256 for row in rows], store, engine)

    free = [place for place, row in enumerate(rows) if not (given and row.split == "test")]
    may_train = np.array(free, np.int64)
    curves = learning_curves(
        Photographs(
            features,
            may_train,
            photographs.labels[may_train],
            np.array([rows[place].group for place in may_train]),
            classes,
        ),
        params.active_strategy,
        params.seed,
    )
    mistakes, right = shown_photographs(trainings, groups)
    known = {rows[place] for place in may_train}
    near = neighbours(rows, features, [one.path for one in mistakes], known.__contains__, store)
    found = Explanations(label_issues(doubting, groups), near, curves)
    if settings.backbone != EXACT_BACKBONE:
        return found

    saved, judging = JudgingHead(*read_linear_head(paths.MODEL)), read_heads(paths.HEADS)
    trials = [given_trial(rows)] if given else fold_trials(rows, params.split.folds, params.seed)
    heads = heads_of(trials if judging else (), judging, saved, tested.paths)
    shown, place_of = [*mistakes, *right], {row.path: place for place, row in enumerate(rows)}

    def pixels_of(places: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.concatenate([*pixel_batches(photographs, [places])])

    def logits_of(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        seen = pixel_features(backbone, pixels, store)
        return linear_logits(seen, saved.weights, saved.bias)

    side = map_side(backbone)
    asked = np.array([place_of[one.path] for one in shown], np.int64)
    maps = pixel_features(with_maps(backbone), pixels_of(asked), store)
    train = np.array([place for place, row in enumerate(rows) if row.split == "train"], np.int64)
    looked_at = [spread(np.flatnonzero(photographs.labels == c), MOST) for c in range(len(classes))]
    colours = {
        name: cell_colours(pixels_of(np.unique(places)))
        for name, places in zip(classes, looked_at, strict=True)
    }
    return found._replace(
        marks=marks(colours),
        shortcuts=[]
        if len(classes) > MOST_CLASSES
        else shortcuts(
            linear_logits(features, saved.weights, saved.bias)[train],
            photographs.labels[train],
            classes,
            lambda places: pixels_of(train[places]),
            logits_of,
        ),
        evidence=evidence(shown, maps.reshape(len(shown), side, side, -1), heads, classes),
    )


if __name__ == "__main__":
    with one_line_errors(), timed("explain"):
        main()
