"""Train the classifier, a head on frozen features or a network; predict the test photographs."""

from pathlib import Path

import numpy as np
import yaml

from ballast.augment.shards import training_image_reader
from ballast.core import paths
from ballast.core.errors import UserError, one_line_errors
from ballast.core.files import read_json, read_text, write_bytes, write_csv, write_json
from ballast.core.greys import read_range
from ballast.core.manifest import (
    class_names,
    image_reader,
    read_augmented,
    read_manifest,
    subset_rows,
)
from ballast.core.params import parse_params
from ballast.core.source import code_deps, source_hash
from ballast.core.stage_times import timed
from ballast.core.store import ContentStore
from ballast.model.features import image_features, read_backbone
from ballast.model.head_strategy import (
    Terms,
    fit_probe,
    head_choice,
    held_out,
    photograph_terms,
    solver_history,
    source_groups,
)
from ballast.model.inputs import image_files
from ballast.model.logits import linear_probabilities
from ballast.model.model_file import ModelInfo, with_entries
from ballast.model.probe_file import probe_file
from ballast.model.training_photographs import (
    ENTRY,
    TrainingPhotographs,
    kept_rows,
    to_bytes,
)
from ballast.model.weight_files import weights_hashes
from ballast.scores.predictions import Predictions, write_predictions
from ballast.workers.processes import engine_of


def main() -> None:
    """Read data/augmented, class weights and photographs; write models/ and what it predicts."""
    params = parse_params(read_text(paths.PARAMS))
    settings, runtime, size = params.train, params.runtime, params.data.image_size
    engine = engine_of(runtime)
    workers = engine.workers
    rows, rows_made = read_manifest(paths.MANIFEST), read_augmented(paths.AUGMENTED_LIST)
    # By class and name, wherever the files are, as the training images are: val_loss is a sum.
    val_rows = sorted(
        subset_rows(rows, "val"), key=lambda row: (row.class_, Path(row.path).name, row)
    )
    test_rows = subset_rows(rows, "test")
    if not (test_rows or settings.has_linear_head):
        raise UserError(f"{paths.MANIFEST}: edited or damaged; run ballast check, then dvc repro")
    classes = class_names(rows)
    weights = read_json(paths.CLASS_WEIGHTS)
    class_weights = np.array([weights[name] for name in classes])
    read_raw = image_reader(Path(params.data.raw))
    greys = read_range(paths.RANGE)
    images = image_files(training_image_reader(paths.AUGMENTED), rows_made, classes, size, workers)
    val, test = (
        image_files(read_raw, found, classes, size, workers, greys)
        for found in (val_rows, test_rows)
    )

    info = ModelInfo(classes, params.data.max_megapixels, settings.threads, greys)
    if settings.has_linear_head:
        backbone = read_backbone(settings, size, paths.KERAS_DOWNLOADS, workers)
        store = ContentStore(paths.IMAGE_STORE, runtime.image_store)
        features, tested = (
            image_features(backbone, found, [row.sha256 for row in listed], store, engine)
            for found, listed in ((images, rows_made), (test, test_rows))
        )
        terms = Terms(features, images.labels, source_groups(rows_made, rows))
        head = fit_probe(terms, class_weights, params.active_strategy)
        choice, history = head_choice(head), solver_history(head)
        probabilities = linear_probabilities(tested, head.weights, head.bias)
        model = probe_file(backbone, head.weights, head.bias, info, store)
        kept = kept_rows(subset_rows(rows, "train"), settings.kept_photographs)
        if kept:
            photographs = image_files(read_raw, kept, classes, size, workers, greys)
            # Of the photographs as prediction sees them, not of their JPEG copies.
            seen = image_features(
                backbone, photographs, [row.sha256 for row in kept], store, engine
            )
            places = photograph_terms(rows_made, kept)
            judged = held_out(terms, class_weights, params.active_strategy, head, places)
            known = TrainingPhotographs(seen, terms.labels[places], terms.groups[places], judged)
            model = with_entries(model, {ENTRY: to_bytes(known)})
    else:
        # Loads TensorFlow, which linear heads can do without.
        from ballast.model.networks import trained_file

        choice = None
        model, history, probabilities = trained_file(params, class_weights, images, val, test, info)
    write_bytes(paths.MODEL, model)

    stages = yaml.safe_load(read_text(Path("dvc.yaml")))["stages"]
    write_json(paths.CLASSES, classes)
    training = {
        "backbone": settings.backbone,
        "weights": settings.weights,
        "weights_sha256": weights_hashes(settings, size, paths.KERAS_DOWNLOADS),
        "head": choice,
        "code_sha256": source_hash(code_deps(stages, ["train"])),
    }
    write_json(paths.TRAINING, training)
    steps = range(1, 1 + len(history["loss"]))
    columns = [[f"{value:.6g}" for value in values] for values in history.values()]
    write_csv(paths.HISTORY, ["step", *history], zip(steps, *columns, strict=True))
    names, true = [row.path for row in test_rows], [row.class_ for row in test_rows]
    write_predictions(paths.PREDICTIONS, Predictions(classes, names, true, probabilities))


if __name__ == "__main__":
    with one_line_errors(), timed("train"):
        main()
