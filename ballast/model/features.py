"""Features of images, computed once and kept for later runs.

An image's features depend on nothing but its bytes and the backbone: a run with another strategy,
factor, fold or seed only computes the features of new images.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from operator import itemgetter
from pathlib import Path
from platform import node
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import features as pillow

from ballast.core.errors import UserError
from ballast.core.images import DECODING, image_array
from ballast.core.mapped import copied, release, rows_at
from ballast.core.params import EXACT_BACKBONE, Train
from ballast.core.paths import KERAS_DOWNLOADS
from ballast.core.source import BALLAST, source_hash
from ballast.core.store import ContentStore
from ballast.model.efficientnet_lite0 import Network, read_network
from ballast.model.efficientnet_lite0_numpy import feature_maps
from ballast.model.inputs import ImageFiles, decoded, pixel_batches
from ballast.model.weight_files import EXACT_FEATURES, EXACT_WEIGHTS, weights_hashes
from ballast.workers.processes import Engine, each
from ballast.workers.progress import with_progress
from ballast.workers.threads import ahead
from ballast.workers.versions import CODECS

if TYPE_CHECKING:
    from ballast.keras_setup import keras

# The modules that features depend on, besides the weights and LIBRARIES.
SHAPING = (
    *DECODING,
    "keras_setup.py",
    "model/applications.py",
    "model/backbones.py",
    "model/efficientnet_lite0.py",
    "model/efficientnet_lite0_keras.py",
    "model/efficientnet_lite0_numpy.py",
    "model/layers.py",
    "model/maps.py",
)
BATCH_SIZE, BATCH_BYTES = 64, 2**24  # images, and bytes of their files sent to a worker
# The exact backbone computes on each core a batch of its own. What it makes of 16 images stays in
# the caches: 1.15 times as fast as 64 on one core, and 1.2 times on two.
EXACT_BATCH_SIZE = 16
# Up to here, the form without TensorFlow is done before TensorFlow would be imported: 32 images of
# 160 pixels take 0.8 s. It would be up to 250, but where many are missing, others often follow.
FEW = 32
# Bytes of features that are held in memory: those of 52,428 photographs with the exact backbone.
# More are in a file that is mapped into memory, which the system can take back.
IN_MEMORY = 2**27
RELEASED = 2**14  # photographs after which the pages of that file are given back
LIBRARIES = ("keras", "numpy", "pillow", "pillow-heif")


Content = TypeVar("Content")  # of a file: its bytes, or more
Unread = TypeVar("Unread")  # what stands for an image that cannot be read
# From RGB images of shape (n, size, size, 3), uint8, to features of shape (n, d).
Computing = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Backbone(NamedTuple):
    """A frozen network from pixels to features, and what its features depend on."""

    load: "Callable[[], keras.Model]"  # the same model each time
    few: Computing | None  # the same without TensorFlow, for a few images
    train: Train  # params that it is loaded with
    image_size: int
    key: str  # SHA-256 of its weights, the image size, the code and the libraries
    width: int  # number of features
    dtype: str  # of stored features; "<u2" holds whole numbers without loss
    batch_size: int
    threads: int  # batches computed at a time


def read_backbone(
    train: Train, image_size: int, downloads: Path, cores: int | None = None
) -> Backbone:
    """Read what features depend on; load the exact backbone when it is needed, others at once.

    TensorFlow takes seconds to import, and is not needed if all features are in the store.

    Args:
        train: its backbone, backbone_alpha and weights are used.
        image_size: side in pixels.
        downloads: folder for Keras's downloads.
        cores: for a process that has not used TensorFlow yet: calls prepare_training first. The
            exact backbone then computes so many batches at a time, each with one thread. Others
            compute one with train.threads, since the number can change their last bits.

    Raises:
        UserError: if the backbone or its weights cannot be loaded.
    """
    exact = train.backbone == EXACT_BACKBONE
    # Threads of an operation, and operations at a time.
    threads = ((1, cores) if exact else (train.threads,) * 2) if cores else None
    load = cache(partial(_frozen, train, image_size, downloads, threads))
    shaping = {
        "backbone": [train.backbone, train.backbone_alpha, image_size],
        # Layers of a model know their precision, float32 or mixed_float16.
        "precision": "float32" if exact else load().layers[-1].dtype_policy.name,
        "weights": weights_hashes(train, image_size, downloads),
        "code": source_hash(BALLAST / module for module in SHAPING),
        "libraries": [*map(version, LIBRARIES), _tensorflow_version()],
        "codecs": [pillow.version(name) for name in CODECS.values()],
    }
    key = hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
    width = EXACT_FEATURES if exact else load().output_shape[1]
    few = _few_features if exact else None
    dtype, batch_size = ("<u2", EXACT_BATCH_SIZE) if exact else ("<f4", BATCH_SIZE)
    together = cores if cores and exact else 1
    return Backbone(load, few, train, image_size, key, width, dtype, batch_size, together)


def map_side(backbone: Backbone) -> int:
    """The number of cells along a side of the last feature map of the exact backbone."""
    return -(-backbone.image_size // 32)


def with_maps(backbone: Backbone) -> Backbone:
    """The exact backbone, with the cells of its last feature map instead of their sums.

    Returns:
        A backbone whose features have the shape (n, side · side · d); see map_side.
    """

    def load() -> "keras.Model":
        from ballast.keras_setup import keras
        from ballast.model.maps import maps_network

        maps = maps_network(backbone.load())
        assert maps is not None, "not the exact backbone"
        return keras.Model(maps.input, keras.layers.Flatten()(maps.output), name="flat_maps")

    key = hashlib.sha256(f"{backbone.key}:maps".encode()).hexdigest()
    width = map_side(backbone) ** 2 * backbone.width
    return backbone._replace(load=cache(load), few=_few_maps, key=key, width=width, dtype="<u1")


def _few_maps(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    maps = feature_maps(_exact_network(), pixels)
    return maps.reshape(len(pixels), -1)


def _few_features(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(feature_maps(_exact_network(), pixels).sum(axis=(1, 2)))


@cache
def _exact_network() -> Network:
    return read_network(EXACT_WEIGHTS)


def _computing(backbone: Backbone, images: int) -> Computing:
    """What computes the features of some images sooner."""
    if backbone.few and images <= FEW and "tensorflow" not in sys.modules:
        return backbone.few
    network = backbone.load()
    return lambda pixels: np.asarray(network.predict_on_batch(pixels))


def _tensorflow_version() -> str:
    """The version of TensorFlow, whose wheel without code for GPUs has another name."""
    try:
        return version("tensorflow")
    except PackageNotFoundError:
        return version("tensorflow-cpu")


def _frozen(
    train: Train, image_size: int, downloads: Path, threads: tuple[int, int] | None
) -> "keras.Model":
    # These load TensorFlow.
    from ballast.model.backbones import load_backbone

    if threads:
        _prepare(*threads)
    model = load_backbone(train, image_size, downloads)
    model.trainable = False
    return model


def image_features(
    backbone: Backbone,
    images: ImageFiles,
    sha256: Sequence[str],
    store: ContentStore,
    engine: Engine,
) -> NDArray[Any]:
    """Read the features of images from the store; compute and store those that are missing.

    Args:
        backbone: loaded for the size of the images.
        images: n images.
        sha256: of each image's file, in hexadecimal.
        store: features from earlier runs.
        engine: what computes them. Local means this process, since others would take seconds to
            import TensorFlow.

    Returns:
        Shape (n, d) and the backbone's dtype, in the order of the images; on disk if they are more
        than IN_MEMORY.

    Raises:
        UserError: if an image cannot be read, or the engine fails.
    """
    start = f"{backbone.key}:{images.greys}" if images.greys else backbone.key
    keys = [hashlib.sha256(f"{start}:{digest}".encode()).hexdigest() for digest in sha256]
    return _kept(backbone, keys, store, partial(_computed, backbone, images, engine=engine))


def pixel_features(
    backbone: Backbone, pixels: NDArray[np.uint8], store: ContentStore
) -> NDArray[Any]:
    """Like image_features, for n images in memory: RGB of shape (n, size, size, 3)."""
    start = f"{backbone.key}:pixels:".encode()
    keys = [hashlib.sha256(start + image.tobytes()).hexdigest() for image in pixels]

    def computed(batches: Sequence[Sequence[int]]) -> Iterator[NDArray[np.float32]]:
        compute = _computing(backbone, sum(map(len, batches)))
        chosen = (pixels[list(batch)] for batch in batches)
        yield from ahead(compute, chosen, backbone.threads, backbone.threads)

    return _kept(backbone, keys, store, computed)


def _kept(
    backbone: Backbone,
    keys: Sequence[str],
    store: ContentStore,
    compute: Callable[[Sequence[Sequence[int]]], Iterator[NDArray[np.float32]]],
) -> NDArray[Any]:
    """Read features from the store by their keys; compute and store those that are missing.

    Args:
        backbone: whose features they are.
        keys: n keys.
        store: features from earlier runs.
        compute: yields the features of each batch of places among the keys.

    Returns:
        Shape (n, d) and the backbone's dtype, in the order of the keys.
    """
    shape, length = (len(keys), backbone.width), backbone.width * np.dtype(backbone.dtype).itemsize
    features: NDArray[Any]
    if len(keys) * length <= IN_MEMORY:
        features = np.empty(shape, backbone.dtype)
    else:
        features = store.mapped(backbone.dtype, shape)
    missing = []
    for place, key in enumerate(keys):
        store.numbers(key)  # tells the store that the entry is in use
        (record,) = store.read(key, [0])
        if record and len(record.data) == length:
            features[place] = np.frombuffer(record.data, backbone.dtype)
        else:
            missing.append(place)
        if place % RELEASED == 0:
            release(features)
    if not missing:
        return features
    starts = range(0, len(missing), backbone.batch_size)
    batches = [missing[start : start + backbone.batch_size] for start in starts]
    # Also if they are not kept: the same values as from the store, for example without -0.0.
    computed = chain.from_iterable(batch.astype(backbone.dtype) for batch in compute(batches))
    shown = with_progress(computed, len(missing), "features")
    for place, row in zip(missing, shown, strict=True):
        features[place] = row
        store.add(keys[place], {0: row.tobytes()})
        if place % RELEASED == 0:
            release(features)
    return features


def gathered(features: NDArray[Any], places: Sequence[int], store: ContentStore) -> NDArray[Any]:
    """Copy some rows of features; those of many into a file, like the features themselves.

    Args:
        features: shape (n, d).
        places: of m rows.
        store: whose folder has room for the file.

    Returns:
        Shape (m, d).

    Raises:
        UserError: if the disk has no room.
    """
    if len(places) * features[:1].nbytes <= IN_MEMORY:
        return rows_at(features, places)
    found = store.mapped(features.dtype.str, (len(places), features.shape[1]))
    copied(found, features, places)
    return found


def _computed(
    backbone: Backbone, images: ImageFiles, batches: Sequence[Sequence[int]], *, engine: Engine
) -> Iterator[NDArray[np.float32]]:
    if engine.name == "local":
        compute = _computing(backbone, sum(map(len, batches)))
        if backbone.threads == 1:  # decode beside it
            yield from map(compute, pixel_batches(images, batches))
        else:
            work = partial(_decoded_and_computed, images, compute)
            yield from ahead(work, batches, backbone.threads, backbone.threads)
        return
    files = ((images.paths[place], images.read(place)) for places in batches for place in places)
    decode = partial(image_array, size=backbone.image_size, greys=images.greys)
    yield from (np.stack([row]) for row in features_elsewhere(backbone, decode, files, engine))


def _decoded_and_computed(
    images: ImageFiles, compute: Computing, batch: Sequence[int]
) -> NDArray[np.float32]:
    return compute(decoded(images, batch))


def features_elsewhere(
    backbone: Backbone,
    decode: Callable[[Content], NDArray[np.uint8] | Unread],
    files: Iterable[tuple[str, Content]],
    engine: Engine,
) -> Iterator[NDArray[np.float32] | Unread]:
    """Compute the features of images on the workers of an engine, which need no file of ours.

    Args:
        backbone: a worker loads its own copy once, and compares the key.
        decode: from a file's content to pixels of shape (size, size, 3), or to what stands for an
            image that cannot be read; it can be pickled.
        files: paths and contents.
        engine: not local.

    Yields:
        For each file its features, shape (d,), or what stands for an unreadable one.

    Raises:
        UserError: as each does, or if a worker would compute other features.
    """
    work = partial(_elsewhere, backbone.train, backbone.image_size, backbone.key, decode)
    yield from chain.from_iterable(each(work, _batches(files), engine, itemgetter(0)))


def _batches(files: Iterable[tuple[str, Content]]) -> Iterator[tuple[str, tuple[Content, ...]]]:
    """Put files together, up to BATCH_SIZE or BATCH_BYTES; named by the first and last path."""
    paths: list[str] = []
    batch: list[Content] = []
    size = 0
    for path, content in files:
        paths.append(path)
        batch.append(content)
        size += len(content) if isinstance(content, bytes) else 0
        if len(batch) == BATCH_SIZE or size >= BATCH_BYTES:
            yield _span(paths), tuple(batch)
            paths, batch, size = [], [], 0
    if batch:
        yield _span(paths), tuple(batch)


def _span(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} to {paths[-1]}"


def _elsewhere(
    train: Train,
    image_size: int,
    key: str,
    decode: Callable[[Content], NDArray[np.uint8] | Unread],
    batch: tuple[str, tuple[Content, ...]],
) -> list[NDArray[np.float32] | Unread]:
    """Compute the features of a named batch on a worker, if its backbone has the given key."""
    _, files = batch
    backbone = _workers_backbone(train, image_size)
    if backbone.key != key:
        raise UserError(
            f"worker {node()} has another backbone, code or libraries, so its features could"
            " differ; check out this commit there and run uv sync --frozen"
        )
    files_decoded = [decode(content) for content in files]
    pixels = [found for found in files_decoded if isinstance(found, np.ndarray)]
    size, network = backbone.batch_size, backbone.load()
    parts = (np.stack(pixels[start : start + size]) for start in range(0, len(pixels), size))
    rows = chain.from_iterable(np.asarray(network.predict_on_batch(part)) for part in parts)
    return [next(rows) if isinstance(found, np.ndarray) else found for found in files_decoded]


@cache
def _workers_backbone(train: Train, image_size: int) -> Backbone:
    return read_backbone(train, image_size, KERAS_DOWNLOADS, cores=1)


def _prepare(threads: int, operations: int) -> None:
    from ballast.keras_setup import prepare_training

    with suppress(RuntimeError):  # in a worker, TensorFlow may have started with other threads
        prepare_training(0, threads, operations)  # nothing random happens to features
