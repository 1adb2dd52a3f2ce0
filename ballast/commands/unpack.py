"""Unpack the training images that augment.pack packed.

Checks every image in data/augmented.csv and writes it to FOLDER/CLASS/.

Example:
    ballast unpack /tmp/images
"""

import argparse
from pathlib import Path

from ballast.augment.shards import training_image_reader
from ballast.core import paths
from ballast.core.errors import UserError
from ballast.core.files import make_folder, writing
from ballast.core.manifest import read_augmented


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder to create")


def run(options: argparse.Namespace) -> int:
    """Read data/augmented and its list; write the images; return the exit code.

    Raises:
        UserError: if the folder already exists, or an image has changed since it was listed.
    """
    target: Path = options.folder
    if target.exists():
        raise UserError(f"{target}: already exists; name a new folder")
    images, read = read_augmented(paths.AUGMENTED_LIST), training_image_reader(paths.AUGMENTED)
    for image in images:
        data, path = read(image), target / image.path
        make_folder(path.parent)
        with writing(path):
            path.write_bytes(data)
    print(f"{len(images)} images in {target}")
    return 0
