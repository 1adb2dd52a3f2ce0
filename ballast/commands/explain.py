"""Show where in photographs a model finds its evidence.

Writes a PNG for each photograph: the photograph, and beside it the maps for the most probable class
and for the second. Bright parts speak for the class. Prints, for each, the two classes with their
probabilities and the path of the PNG. The exit code is 0 if every file was read, 3 if some could
not be read (stderr names each), 1 after an error, and 2 for an invalid command line.

The model needs a linear head on efficientnet_lite0, the default of train.backbone.

Examples:
    ballast explain photo.jpg photos/
    ballast explain photo.jpg --model models/model.keras --out maps
"""

import argparse
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ballast.commands.predict import (
    NO_IMAGES,
    SOME_UNREAD,
    add_model_argument,
    load_classifier,
    named_files,
)
from ballast.core.colours import as_srgb
from ballast.core.errors import UserError, one_line, warn
from ballast.core.files import write_bytes
from ballast.core.images import ImageError, resize_image, without_warnings
from ballast.core.shards import shard_finder
from ballast.dataset.listing import about, printable
from ballast.insight.evidence import (
    evidence_maps,
    evidence_scale,
    strengths,
)
from ballast.model.logits import linear_probabilities
from ballast.report.overlays import overlay

if TYPE_CHECKING:  # it loads TensorFlow
    from ballast.classifier import Classifier

SIDE = 320  # of the longer side of each of the three pictures, in pixels
MARGIN, LETTER = 8, 14  # around the pictures, and height of the letters, in pixels
CAPTION = "bright, in colour: speaks for the class; inside the line: most of all"
LONGEST = 100  # characters of a photograph's name that the PNG keeps; file systems allow 255 bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument(
        "paths", nargs="+", metavar="PHOTO", help="image, folder of images or pattern"
    )
    add_model_argument(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("explained"),
        metavar="FOLDER",
        help="where the PNGs go; default: %(default)s",
    )


def run(options: argparse.Namespace) -> int:
    """Write a PNG for every image in the given paths; return the exit code."""
    classifier = load_classifier(options.model)
    return write_pictures(classifier, named_files(options.paths, []), options.out, options.model)


def write_pictures(classifier: "Classifier", files: Iterable[str], out: Path, model: Path) -> int:
    """Write a PNG for each file, and print a line; return the exit code.

    Args:
        classifier: of the model.
        files: paths of photographs.
        out: folder for the PNGs.
        model: path that an error names.

    Raises:
        UserError: if the model has no linear head on the exact backbone, or a PNG cannot be
            written.
    """
    # These load TensorFlow.
    from ballast.classifier import decode_source
    from ballast.model.maps import feature_maps, maps_network
    from ballast.model.probe import probe_of
    from ballast.model.saved import input_size

    probe = probe_of(classifier.model.layers[-1])
    network = probe and maps_network(probe.features)
    if probe is None or network is None:
        raise UserError(
            f"{model}: has no linear head on efficientnet_lite0, which maps need; train one with"
            " train.backbone: efficientnet_lite0"
        )
    size = input_size(classifier.model)
    used: set[str] = set()
    unread = 0
    find = shard_finder(Path())
    for file in files:
        try:
            with without_warnings():
                image = decode_source(file, classifier.max_megapixels, classifier.greys, find)
        except ImageError as error:
            unread += 1
            warn(about(file, error))
            continue
        maps = feature_maps(network, np.asarray(resize_image(image, size))[None])
        probabilities = linear_probabilities(
            maps.sum(axis=(1, 2), dtype=np.float64), probe.weights, probe.bias
        )[0]
        order = np.argsort(-probabilities, kind="stable")[:2].tolist()  # of equal ones, the first
        likely = [(classifier.classes[c], float(probabilities[c])) for c in order]
        evidence = evidence_maps(maps, probe.weights)[0]
        shown = [evidence[:, :, c] for c in order]
        scale = evidence_scale(shown[:1])
        name = png_name(Path(file).name, used)
        used.add(name)
        picture = side_by_side(as_srgb(image), [strengths(one, scale) for one in shown], likely)
        write_bytes(out / name, _png(picture))
        words = ", ".join(f"{one_line(class_)} {p:.3f}" for class_, p in likely)
        print(f"{words}  {one_line(printable(str(out / name)))}")
    if not used and not unread:
        warn(NO_IMAGES)
    print(f"{len(used)} explained, {unread} could not be read", file=sys.stderr)
    return SOME_UNREAD if unread else 0


def png_name(photograph: str, used: set[str]) -> str:
    """A name for a photograph's PNG that is not used yet: rex.jpg.map.png, then rex.jpg.2.map.png.

    Args:
        photograph: name of its file, without folders.
        used: names that this run has written.
    """
    start, number = photograph[:LONGEST], 1
    name = f"{start}.map.png"
    while name in used:
        number += 1
        name = f"{start}.{number}.map.png"
    return name


def side_by_side(
    image: Image.Image, maps: Sequence[NDArray[np.uint8]], likely: Sequence[tuple[str, float]]
) -> Image.Image:
    """The photograph and its maps in a row, each below its class and probability.

    Args:
        image: the photograph, RGB.
        maps: of each class, from strengths.
        likely: class and probability that belong to each map.
    """
    longer = max(image.size)
    width, height = (max(1, SIDE * side // longer) for side in image.size)
    photograph = image.resize((width, height), Image.Resampling.LANCZOS)
    pictures = [photograph, *(overlay(photograph, one) for one in maps)]
    titles = ["photograph", *(f"{one_line(class_)}: {p:.1%}" for class_, p in likely)]
    column, line = max(width, SIDE // 2) + MARGIN, LETTER + MARGIN
    page = Image.new("RGB", (MARGIN + column * len(pictures), height + 2 * line + MARGIN), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=LETTER)
    for place, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        left = MARGIN + place * column
        page.paste(picture, (left, line))
        draw.text((left, MARGIN // 2), _fitting(title, font, column - MARGIN), "black", font)
    caption = _fitting(CAPTION, font, page.width - 2 * MARGIN)
    draw.text((MARGIN, line + height + MARGIN // 2), caption, "black", font)
    return page


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, cut in its middle to fit into `width` pixels."""
    shown, kept = text, len(text)
    while font.getlength(shown) > width and kept > 2:
        kept -= 1
        shown = f"{text[: kept // 2]}…{text[-(kept - kept // 2) :]}"
    return shown


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=False)
    return file.getvalue()
