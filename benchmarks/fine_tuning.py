"""Measure from how many photographs fine-tuning beats a linear head on frozen features.

    python -m benchmarks.fine_tuning --data photos --shares 16 4 1

photos has the folders train/ and test/. Each share trains on 1/share of the photographs of every
class, at least three. Both ways use the weights of efficientnet_lite0 and the same strategy, and
are tested on the same photographs:

- linear head: fitted to the features in whole numbers, as in the stage train;
- fine-tuned: the network in float32, with a share of the photographs for validation; first a head,
  then its last layers, as with train.fine_tune_epochs. Each photograph passes through the layers
  below them once, since these never change.

Prints the balanced accuracy of both, and the seconds that each took, features included.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from tabulate import tabulate

from ballast.balance.class_weights import class_weights
from ballast.core.files import read_text
from ballast.core.manifest import Row, class_names, subset_rows
from ballast.core.params import Params, Strategy, Train, parse_params
from ballast.core.paths import KERAS_DOWNLOADS, PARAMS
from ballast.dataset.folds import split_photos
from ballast.dataset.layout import folder_layout
from ballast.dataset.scan import Photo, Rejection, inspect_files
from ballast.keras_setup import keras, make_deterministic
from ballast.model.efficientnet_lite0 import (
    MIDDLE,
    Block,
    Network,
    is_depthwise,
    is_linear,
    read_network,
    walk,
)
from ballast.model.features import BATCH_SIZE, read_backbone
from ballast.model.fine_tuning import fit_backbone
from ballast.model.head_strategy import Terms, fit_probe
from ballast.model.inputs import ImageSet, load_images
from ballast.model.logits import linear_probabilities
from ballast.model.training import TrainingInputs
from ballast.model.weight_files import EXACT_WEIGHTS
from ballast.workers.processes import Engine

UNIT = 6 / 255  # of a feature map in whole numbers


def main() -> None:
    """Run the benchmark; print a line for each share, then the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shares", type=int, nargs="+", default=[16, 4, 1])
    parser.add_argument("--size", type=int, default=96, help="image size; default: %(default)s")
    parser.add_argument("--strategy", default="logit_adjusted")
    parser.add_argument("--epochs", type=int, default=10, help="of fine-tuning; default: 10")
    parser.add_argument("--layers", type=int, default=20, help="fine-tuned; default: 20")
    parser.add_argument("--rate", type=float, default=0.1, help="of learning_rate; default: 0.1")
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    params = parse_params(read_text(PARAMS))
    train = replace(
        params.train,
        fine_tune_epochs=arguments.epochs,
        fine_tune_layers=arguments.layers,
        fine_tune_rate=arguments.rate,
        batch_size=arguments.batch_size,
    )
    strategy = params.strategies[arguments.strategy]
    make_deterministic(arguments.seed, train.threads)
    photos = inspected(arguments.data, params)
    rows = []
    for share in arguments.shares:
        chosen = thinned(photos, share)
        listed = split_photos(
            chosen, range(len(chosen)), params.split.folds, 0, params.split.val, arguments.seed
        )
        found = measured(arguments.data, listed, train, strategy, arguments.size, arguments.seed)
        rows.append([sum(row.split != "test" for row in listed), *found])
        print(rows[-1], flush=True)
    headers = ["photographs", "linear head", "fine-tuned", "head, s", "fine-tuning, s"]
    print(tabulate(rows, headers=headers, floatfmt=("d", ".3f", ".3f", ".0f", ".0f")))


def inspected(folder: Path, params: Params) -> list[Photo]:
    """All photographs of a folder with train/ and test/; identical ones once."""
    results = inspect_files(
        folder,
        folder_layout(folder).places,
        params.data.max_megapixels,
        Engine(2),
    )
    photos = [found for found in results if not isinstance(found, Rejection)]
    return [*{(photo.class_, photo.sha256): photo for photo in photos}.values()]


def thinned(photos: Sequence[Photo], share: int) -> list[Photo]:
    """Keep every test photograph, and the first 1/share of each class's others, by SHA-256."""
    kept = [photo for photo in photos if photo.given == "test"]
    for name in sorted({photo.class_ for photo in photos}):
        mine = [photo for photo in photos if photo.class_ == name and photo.given != "test"]
        mine.sort(key=lambda photo: photo.sha256)
        kept += mine[: max(3, len(mine) // share)]
    return kept


def measured(
    folder: Path, rows: Sequence[Row], train: Train, strategy: Strategy, size: int, seed: int
) -> tuple[float, float, float, float]:
    """Balanced accuracy of the head and of the fine-tuned network, and the seconds of each."""
    classes = class_names(rows)
    fit_rows, val_rows, test_rows = (subset_rows(rows, s) for s in ("train", "val", "test"))
    fitted, val, test = (
        load_images(folder, listed, classes, size, 2) for listed in (fit_rows, val_rows, test_rows)
    )
    start = time.perf_counter()
    probabilities = by_linear_head(fitted, val, test, strategy, size)
    head_seconds = time.perf_counter() - start
    head = balanced_accuracy_score(test.labels, probabilities.argmax(axis=1))

    start = time.perf_counter()
    frozen, top = cut_below(float_twin(read_network(EXACT_WEIGHTS), size), train.fine_tune_layers)
    fitted, val, test = (
        ImageSet(frozen.predict(images.pixels, verbose=0), images.labels)
        for images in (fitted, val, test)
    )
    inputs = TrainingInputs(fitted, val, loss_weights(fitted, strategy), strategy, seed)
    model, _ = fit_backbone(top, inputs, train)
    probabilities = model.predict(test.pixels, verbose=0)
    tuned = balanced_accuracy_score(test.labels, probabilities.argmax(axis=1))
    return head, tuned, head_seconds, time.perf_counter() - start


def by_linear_head(
    fitted: ImageSet, val: ImageSet, test: ImageSet, strategy: Strategy, size: int
) -> NDArray[np.float64]:
    """Probabilities of the test photographs by a head fitted to all others."""
    model = read_backbone(parse_params(read_text(PARAMS)).train, size, KERAS_DOWNLOADS).load()

    def features(images: ImageSet) -> NDArray[np.float32]:
        starts = range(0, len(images.labels), BATCH_SIZE)
        batches = (images.pixels[start : start + BATCH_SIZE] for start in starts)
        return np.concatenate([model.predict_on_batch(batch) for batch in batches])

    known = ImageSet(
        np.concatenate([fitted.pixels, val.pixels]), np.concatenate([fitted.labels, val.labels])
    )
    terms = Terms(features(known), known.labels, np.arange(len(known.labels)))
    head = fit_probe(terms, loss_weights(known, strategy), strategy)
    return linear_probabilities(features(test), head.weights, head.bias)


def loss_weights(images: ImageSet, strategy: Strategy) -> NDArray[np.float64]:
    """The class weights in the loss, shape (k,)."""
    counts = {str(c): int(n) for c, n in enumerate(np.bincount(images.labels))}
    weights = class_weights(counts, strategy.class_weights, strategy.weight_power, strategy.beta)
    return np.array([*weights.values()])


def float_twin(network: Network, image_size: int) -> keras.Model:
    """Build the network in float32 without its rounding, so that it can be trained.

    Args:
        network: result of read_network.
        image_size: side of the images in pixels.

    Returns:
        Model from pixels to averaged features; an activation of 6 stands for 255.
    """
    layers = keras.layers

    def convolve(x: keras.KerasTensor, name: str, stride: int) -> keras.KerasTensor:
        kernel, bias, multiplier = network[name]
        options = {"padding": "same", "strides": stride}
        if is_depthwise(name):
            layer = layers.DepthwiseConv2D(len(kernel), name=name, **options)
            scaled = kernel * multiplier[:, None]
        else:
            layer = layers.Conv2D(len(bias), len(kernel), name=name, **options)
            scaled = kernel * multiplier
        x = layer(x)
        layer.set_weights([scaled.astype(np.float32), (bias * multiplier * UNIT)])
        return x if is_linear(name) else layers.ReLU(6.0, name=f"{name}_relu6")(x)

    def add(x: keras.KerasTensor, y: keras.KerasTensor, block: Block) -> keras.KerasTensor:
        return layers.Add(name=f"{block.name}_add")([x, y])

    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    centred = layers.Rescaling(UNIT, -MIDDLE * UNIT, name="centre")(pixels)
    maps = walk(centred, convolve, add)
    return keras.Model(pixels, layers.GlobalAveragePooling2D(name="average")(maps), name="float")


def cut_below(model: keras.Model, layers: int) -> tuple[keras.Model, keras.Model]:
    """Cut a network in two, with at least the last `layers` layers that have weights in the top.

    Only one tensor may cross the cut, so the top can have a few layers more.

    Returns:
        The frozen part, from pixels to maps, and a backbone from maps to features.
    """
    order = {layer.name: position for position, layer in enumerate(model.layers)}
    weighted = [position for position, layer in enumerate(model.layers) if layer.weights]
    for position in range(weighted[-layers] - 1, 0, -1):
        above = model.layers[position + 1 :]
        sources = {
            tensor._keras_history.operation.name  # Keras has no public way
            for layer in above
            for tensor in (layer.input if isinstance(layer.input, list) else [layer.input])
        }
        if {name for name in sources if order[name] <= position} == {model.layers[position].name}:
            break
    crossing = model.layers[position].output
    top = keras.Model(crossing, model.output, name="top")
    maps = keras.Input(crossing.shape[1:], name="maps")
    features = keras.layers.Flatten(name="features")(top(maps))
    return keras.Model(model.input, crossing), keras.Model(maps, features, name="features")


if __name__ == "__main__":
    main()
