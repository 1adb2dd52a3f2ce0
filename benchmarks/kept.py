"""Photographs of a folder with their features, which are kept for the next run."""

from pathlib import Path

from ballast.core import paths
from ballast.core.files import read_text
from ballast.core.params import parse_params
from ballast.core.store import ContentStore
from ballast.model.features import image_features, read_backbone
from ballast.model.inputs import ImageFiles
from ballast.model.logits import Floats
from ballast.workers.processes import Engine
from benchmarks.head import Photos


def kept_features(photos: Photos) -> Floats:
    """Features by the backbone of params.yaml, shape (n, d), from the store where it has them."""
    params = parse_params(read_text(Path("params.yaml")))
    size = params.data.image_size
    files = ImageFiles(
        read=lambda place: photos.files[place],
        labels=photos.labels,
        size=size,
        workers=1,
        paths=[f"photograph {place}" for place in range(len(photos.files))],
    )
    backbone = read_backbone(params.train, size, paths.KERAS_DOWNLOADS)
    store = ContentStore(paths.IMAGE_STORE, params.runtime.image_store)
    return image_features(backbone, files, photos.sha256, store, Engine(workers=1)).astype(float)
