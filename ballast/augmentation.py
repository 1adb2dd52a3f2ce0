"""Random variants of a photograph, drawn from (seed, content, round) and from nothing else."""

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from ballast.params import Augment


class Transform(NamedTuple):
    """One drawn variant: what is done to the image, in this order."""

    angle: float  # radians, counter-clockwise
    scale: float  # above 1 enlarges the subject
    shift_x: float  # share of the width, to the right
    shift_y: float  # share of the height, downwards
    mirror: bool
    upside_down: bool
    hue: float  # radians around the colour circle
    saturation: float  # factor; 0 is grey
    contrast: float  # factor around mid-grey
    brightness: float  # share of white that is added
    shear: float  # radians by which upright lines lean
    blur: float  # standard deviation of the Gaussian, as a share of the width
    noise: float  # standard deviation, as a share of white
    noise_seed: int
    cutout: float  # side of the grey square, as a share of the width
    cutout_x: float  # its centre, as shares of the width and the height
    cutout_y: float
    quality: int  # of the JPEG file


def draw_transform(seed: int, sha256: str, round_: int, augment: Augment) -> Transform:
    """Draw the transform of one image in one round.

    The draw depends on the arguments alone, never on order, process or thread. Every number is
    drawn whether its transform is on or off, so that switching one leaves the others as they were.

    Args:
        seed: params' seed.
        sha256: of the source file, in hexadecimal.
        round_: 1 or more.
        augment: the bounds.

    Returns:
        The transform; all values within the bounds.
    """
    key = hashlib.sha256(f"{seed}:{sha256}:{round_}".encode()).digest()
    # New numbers are drawn behind the old ones, so that these stay.
    unit = np.random.Generator(np.random.PCG64(int.from_bytes(key, "little"))).random(18)
    rotate, zoom, shift_x, shift_y, hue, saturation, contrast, brightness = (
        float(u) * 2 - 1 for u in unit[:8]
    )
    return Transform(
        angle=math.radians(augment.rotate * rotate),
        scale=1 + augment.zoom * zoom,
        shift_x=augment.shift * shift_x,
        shift_y=augment.shift * shift_y,
        mirror=augment.flip in ("horizontal", "both") and bool(unit[8] < 0.5),
        upside_down=augment.flip in ("vertical", "both") and bool(unit[9] < 0.5),
        hue=math.radians(augment.hue * hue),
        saturation=1 + augment.saturation * saturation,
        contrast=1 + augment.contrast * contrast,
        brightness=augment.brightness * brightness,
        shear=math.radians(augment.shear * (float(unit[10]) * 2 - 1)),
        blur=augment.blur * float(unit[11]),
        noise=augment.noise * float(unit[12]),
        noise_seed=int(unit[13] * 2**53),
        cutout=augment.cutout * float(unit[14]),
        cutout_x=float(unit[15]),
        cutout_y=float(unit[16]),
        quality=augment.quality - int(unit[17] * (augment.quality_drop + 1)),
    )


def apply_transform(image: Image.Image, transform: Transform) -> Image.Image:
    """Apply a transform: all geometry in one resampling, all colour in one matrix; then the rest.

    What comes in over the edges is the image mirrored, not black: black corners would tell the
    network which images are augmented.

    Args:
        image: RGB.
        transform: as drawn.

    Returns:
        RGB image of the same size.
    """
    width, height = image.size
    cos, sin = math.cos(transform.angle), math.sin(transform.angle)
    flip_x = -1 if transform.mirror else 1
    flip_y = -1 if transform.upside_down else 1
    # Pillow wants the inverse map, output pixel to input pixel:
    # in = flip · R(-angle) · shear · (out - centre - shift) / scale + centre
    a, b = flip_x * cos / transform.scale, -flip_x * sin / transform.scale
    d, e = flip_y * sin / transform.scale, flip_y * cos / transform.scale
    lean = math.tan(transform.shear)
    b, e = b + a * lean, e + d * lean
    centre_x, centre_y = width / 2, height / 2
    out_x = centre_x + transform.shift_x * width
    out_y = centre_y + transform.shift_y * height
    margin_x, margin_y = width // 2, height // 2
    c = centre_x - a * out_x - b * out_y + margin_x
    f = centre_y - d * out_x - e * out_y + margin_y
    moved = _mirror_edges(image, margin_x, margin_y).transform(
        (width, height),
        Image.Transform.AFFINE,
        _rounded((a, b, c, d, e, f)),
        resample=Image.Resampling.BICUBIC,
    )
    image = moved.convert("RGB", _colour_matrix(transform))
    if transform.blur:
        image = image.filter(ImageFilter.GaussianBlur(round(transform.blur * width, 6)))
    if transform.noise:
        image = _add_noise(image, transform.noise, transform.noise_seed)
    if transform.cutout:
        _cut_out(image, transform.cutout, transform.cutout_x, transform.cutout_y)
    return image


def _add_noise(image: Image.Image, share: float, seed: int) -> Image.Image:
    """Add noise that is nearly Gaussian: the sum of four bytes, which no processor rounds."""
    generator = np.random.Generator(np.random.PCG64(seed))
    pixels = np.asarray(image)
    four = generator.integers(0, 256, (4, *pixels.shape), dtype=np.uint8)
    noise = four.sum(axis=0, dtype=np.int16) - 510
    # The variance of a byte is (256**2 - 1) / 12, so that of four is 21845.
    scaled = np.rint(noise * (share * 255 / math.sqrt(21845)))
    return Image.fromarray(np.clip(pixels + scaled, 0, 255).astype(np.uint8))


def _cut_out(image: Image.Image, share: float, x: float, y: float) -> None:
    """Cover a square with grey, in place (DeVries & Taylor 2017, arXiv:1708.04552)."""
    width, height = image.size
    side = round(share * width)
    left, top = round(x * width - side / 2), round(y * height - side / 2)
    image.paste((128, 128, 128), (left, top, left + side, top + side))


def _mirror_edges(image: Image.Image, margin_x: int, margin_y: int) -> Image.Image:
    pixels = np.asarray(image)
    margins = ((margin_y, margin_y), (margin_x, margin_x), (0, 0))
    return Image.fromarray(np.pad(pixels, margins, mode="symmetric"))


def _colour_matrix(transform: Transform) -> tuple[float, ...]:
    """Hue, then saturation, then contrast and brightness: the rows of a 3 x 4 matrix on RGB."""
    # Rodrigues' rotation about the grey axis (1, 1, 1): greys stay, colours turn.
    third, sine = (1 - math.cos(transform.hue)) / 3, math.sin(transform.hue) / math.sqrt(3)
    same, next_, last = 1 - 2 * third, third - sine, third + sine
    hue = np.array([[same, next_, last], [last, same, next_], [next_, last, same]])
    # ITU-R BT.601's luma, as in Pillow's own conversion to grey.
    grey = np.tile([0.299, 0.587, 0.114], (3, 1))
    saturation = grey + transform.saturation * (np.eye(3) - grey)
    linear = transform.contrast * saturation @ hue
    offset = 127.5 * (1 - transform.contrast) + 255 * transform.brightness
    return _rounded(np.column_stack([linear, np.full(3, offset)]).ravel().tolist())


def _rounded(coefficients: Sequence[float]) -> tuple[float, ...]:
    """To 9 decimals: a billionth of a pixel or of a shade.

    The last bits of sin, cos and matrix products depend on the processor: of 300,000 angles some
    had another sine under an emulated Nehalem than under a Haswell.
    """
    return tuple(round(coefficient, 9) for coefficient in coefficients)
