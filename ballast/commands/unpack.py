"""Unpack the training images of augment.pack, to look at them.

    python -m ballast.commands.unpack FOLDER

Every image of data/augmented.csv is checked, and written to FOLDER/<class>/.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ballast.augment.shards import image_reader
from ballast.core.errors import UserError, one_line_errors
from ballast.core.files import make_folder, writing
from ballast.core.manifest import read_augmented


def main(arguments: Sequence[str]) -> None:
    """Read data/augmented and its list; write the images to the folder in `arguments`.

    Raises:
        UserError: where that folder is there already, or an image is not as it was listed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ballast.commands.unpack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new one")
    target: Path = parser.parse_args(arguments).folder
    if target.exists():
        raise UserError(f"{target}: is there already; name a new folder")
    images, read = read_augmented(Path("data/augmented.csv")), image_reader(Path("data/augmented"))
    for image in images:
        data, path = read(image), target / image.path
        make_folder(path.parent)
        with writing(path):
            path.write_bytes(data)
    print(f"{len(images)} images in {target}")


if __name__ == "__main__":
    with one_line_errors():
        main(sys.argv[1:])
