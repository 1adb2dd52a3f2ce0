"""A photograph with its evidence: what speaks for a class stays bright, the rest is dark and grey.

Brightness and a line carry the meaning, so that it survives print, colour blindness and a dark page
alike. All arithmetic is in whole numbers, so the bytes are the same on every processor.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUALITY = 80
DARKEST = 80  # of 255: how bright a part without evidence stays, enough to recognise it
LINE = 128  # of 255: the line encloses what has at least half of the strongest evidence
LEGEND = (
    "Bright, in colour: speaks for the class. Dark and grey: does not. Inside the line: at least"
    " half of what the strongest places have."
)


def overlay(image: Image.Image, strength: NDArray[np.uint8]) -> Image.Image:
    """Darken an image where nothing speaks for a class, and outline where much does.

    Args:
        image: RGB, of any size.
        strength: of the cells, shape (side, side), from insight.evidence.strengths. Between the
            cells' centres it is interpolated, which is for the eye alone.

    Returns:
        RGB, of the same size.
    """
    cells = Image.fromarray(strength)
    smooth = np.asarray(cells.resize(image.size, Image.Resampling.BICUBIC), dtype=np.int32)
    colours = np.asarray(image, dtype=np.int32)
    greys = np.asarray(image.convert("L"), dtype=np.int32)[:, :, None]
    share = smooth[:, :, None]
    mixed = (colours * share + greys * (255 - share)) // 255
    found = mixed * (DARKEST * 255 + (255 - DARKEST) * share) // (255 * 255)
    inside = smooth >= LINE
    width = max(1, round(min(image.size) / 100))
    found[_edge(inside, 2 * width)] = 0  # black beside white shows on any photograph
    found[_edge(inside, width)] = 255
    return Image.fromarray(found.astype(np.uint8))


def overlay_jpeg(thumbnail: bytes, strength: NDArray[np.uint8]) -> bytes:
    """The overlay of a thumbnail, as pictures.thumbnail makes them, as a JPEG file."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        drawn = overlay(image.convert("RGB"), strength)
    file = io.BytesIO()
    drawn.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _edge(inside: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """The pixels inside that are at most `width` from the outside; the image's border is none."""
    core = np.pad(inside, 1, mode="edge")
    for _ in range(width):
        core = np.pad(
            core[1:-1, 1:-1] & core[:-2, 1:-1] & core[2:, 1:-1] & core[1:-1, :-2] & core[1:-1, 2:],
            1,
            mode="edge",
        )
    return inside & ~core[1:-1, 1:-1]
