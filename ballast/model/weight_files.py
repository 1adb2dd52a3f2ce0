"""The files that a backbone's weights are read from."""

import hashlib
from pathlib import Path

from ballast.core.params import EXACT_BACKBONE, Train
from ballast.core.source import BALLAST

EXACT_WEIGHTS = BALLAST.parent / "pretrained/efficientnet_lite0.npz"
EXACT_FEATURES = 1280


def weights_hashes(train: Train, image_size: int, downloads: Path) -> dict[str, str]:
    """SHA-256 of the files that a backbone is read from, by file name.

    Args:
        train: its backbone, backbone_alpha and weights are used.
        image_size: side in pixels.
        downloads: folder for Keras's downloads, which are complete.
    """
    files = [Path(name) for name in (train.backbone, train.weights) if name and "/" in name]
    if train.backbone == EXACT_BACKBONE:
        files = [EXACT_WEIGHTS]
    if train.weights == "imagenet":
        files = sorted((downloads_folder(train, image_size, downloads) / "models").iterdir())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def downloads_folder(train: Train, image_size: int, downloads: Path) -> Path:
    """Folder for the weights of one configuration; the backbone's name alone would be ambiguous."""
    return downloads / f"{train.backbone}-{train.backbone_alpha:g}-{image_size}"
