"""Random variants of a photograph, which depend on seed, content and round alone."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from ballast.core.params import Augment


class Transform(NamedTuple):
    """The drawn parameters of one variant, in the order in which they are applied."""

    angle: float  # radians, counter-clockwise
    scale: float  # above 1 enlarges the subject
    shift_x: float  # share of the width, to the right
    shift_y: float  # share of the height, downwards
    mirror: bool
    upside_down: bool
    hue: float  # radians around the colour circle
    saturation: float  # factor; 0 is grey
    contrast: float  # factor around mid-grey
    brightness: float  # added share of white
    shear: float  # radians by which vertical lines lean
    blur: float  # standard deviation of the Gaussian, as a share of the width
    noise: float  # standard deviation, as a share of white
    noise_seed: int
    cutout: float  # side of the grey square, as a share of the width
    cutout_x: float  # its centre, as shares of the width and the height
    cutout_y: float
    quality: int  # of the JPEG file


def draw_transform(seed: int, sha256: str, round_: int, augment: Augment) -> Transform:
    """Draw the transform of one image in one round.

    The draw depends on the arguments alone, never on order, process or thread. All numbers are
    drawn, even for transforms that are off, so that switching one does not change the others.

    Args:
        seed: params' seed.
        sha256: of the source file, in hexadecimal.
        round_: 1 or more.
        augment: the bounds.

    Returns:
        The transform, with all values within the bounds.
    """
    key = hashlib.sha256(f"{seed}:{sha256}:{round_}".encode()).digest()
    # Draw additional numbers after the existing ones, so that these do not change.
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


def apply_transforms(image: Image.Image, transforms: Sequence[Transform]) -> Iterator[Image.Image]:
    """Apply transforms: geometry in one resampling, colour in one table or matrix, then the rest.

    Pixels from beyond the edges are mirrored, not black: black corners would reveal to the network
    which images are augmented.

    Each variant takes the nearest of finer samples, which are made once per photograph. At 224
    pixels, the samples take 2.0 ms, and each variant 0.1 ms; Pillow's bilinear interpolation takes
    0.8 ms and its bicubic 2.0 ms. Compared with transforming the full photograph and then reducing
    it, the PSNR is 34.3 dB (bilinear 34.6 dB, bicubic 37.7 dB); at 64 pixels, it is 35.3 dB
    (32.9 and 36.1 dB).

    Args:
        image: square, RGB.
        transforms: as drawn.

    Yields:
        An RGB image of the same size for each transform.
    """
    if not transforms:
        return
    size, finer = image.width, _finer(image.width)
    maps = [_inverse_map(transform, size) for transform in transforms]
    margin = math.ceil(finer * max(_reach(map_, size) for map_ in maps)) + 2
    samples = _fine_samples(image, finer, margin)
    for transform, (a, b, c, d, e, f) in zip(transforms, maps, strict=True):
        # The first sample is at the edge, so position x is nearest to sample x * finer + 1/2.
        offset = margin + 0.5
        variant = samples.transform(
            (size, size),
            Image.Transform.AFFINE,
            (a * finer, b * finer, c * finer + offset, d * finer, e * finer, f * finer + offset),
            resample=Image.Resampling.NEAREST,
        ).convert("RGB")
        variant = _recolour(variant, transform)
        if transform.blur:
            variant = variant.filter(ImageFilter.GaussianBlur(round(transform.blur * size, 6)))
        if transform.noise:
            variant = _add_noise(variant, transform.noise, transform.noise_seed)
        if transform.cutout:
            _cut_out(variant, transform.cutout, transform.cutout_x, transform.cutout_y)
        yield variant


def _fine_samples(image: Image.Image, finer: int, margin: int) -> Image.Image:
    """Sample an image more finely, so that the nearest sample suffices for any position.

    All samples at the same offset within their pixels come from one resampling that keeps the size.
    For an image of 224 pixels this takes 2.0 ms; resampling to the larger size takes 2.7 ms.

    Args:
        image: square, RGB.
        finer: samples per pixel along each axis.
        margin: mirrored samples on each side.

    Returns:
        RGBX, from edge to edge; the samples at the pixels' centres equal the pixels.
    """
    pixels = Image.fromarray(np.pad(np.asarray(image), ((1, 1), (1, 1), (0, 0)), "symmetric"))
    size = image.width
    samples = np.empty((size * finer + 1, size * finer + 1), np.uint32)  # four bytes: RGBX
    for column in range(finer):
        left, width = 0.5 + column / finer, size + (column == 0)
        columns = _part(pixels, (left, 0, left + width, size + 2))
        for row in range(finer):
            top, height = 0.5 + row / finer, size + (row == 0)
            data = _part(columns, (0, top, width, top + height)).tobytes("raw", "RGBX")
            samples[row::finer, column::finer] = np.frombuffer(data, np.uint32).reshape(-1, width)
    mirrored = np.pad(samples, margin, "reflect")
    side = len(mirrored)
    # RGBX avoids the copy that RGB needs: 0.2 ms for an image of 224 pixels.
    return Image.frombuffer("RGBX", (side, side), mirrored, "raw", "RGBX", 0, 1)


def _part(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """Crop to a box, whose edges may be at fractions of pixels, and keep its size."""
    left, top, right, bottom = box
    if float(left).is_integer() and float(top).is_integer():
        return image.crop(box)
    size = round(right - left), round(bottom - top)
    return image.resize(size, Image.Resampling.LANCZOS, box=box)


def _finer(size: int) -> int:
    """Samples per pixel along each axis; even, so that one is at the centre of each pixel.

    For an image of 224 pixels, 4 would take 4.7 ms instead of 2.2 ms. At 64 pixels it takes 0.5 ms
    and improves the PSNR from 32.1 dB to 35.3 dB.
    """
    return 4 if size <= 128 else 2


def _inverse_map(transform: Transform, size: int) -> tuple[float, ...]:
    """The source of each pixel of the result: x = a * column + b * row + c; y with d, e, f."""
    cos, sin = math.cos(transform.angle), math.sin(transform.angle)
    flip_x = -1 if transform.mirror else 1
    flip_y = -1 if transform.upside_down else 1
    # in = flip · R(-angle) · shear · (out - centre - shift) / scale + centre
    a, b = flip_x * cos / transform.scale, -flip_x * sin / transform.scale
    d, e = flip_y * sin / transform.scale, flip_y * cos / transform.scale
    lean = math.tan(transform.shear)
    b, e = b + a * lean, e + d * lean
    out_x, out_y = (0.5 + transform.shift_x) * size, (0.5 + transform.shift_y) * size
    c, f = size / 2 - a * out_x - b * out_y, size / 2 - d * out_x - e * out_y
    return _rounded((a, b, c, d, e, f))


def _reach(map_: tuple[float, ...], size: int) -> float:
    """The maximum distance, in pixels, of a transform's source beyond the edges."""
    a, b, c, d, e, f = map_
    corners = [(x, y) for x in (0, size) for y in (0, size)]
    places = [*(a * x + b * y + c for x, y in corners), *(d * x + e * y + f for x, y in corners)]
    return max(0, -min(places), max(places) - size)


def _recolour(image: Image.Image, transform: Transform) -> Image.Image:
    if transform.hue or transform.saturation != 1:
        return image.convert("RGB", _colour_matrix(transform))
    if transform.contrast == 1 and not transform.brightness:
        return image
    # For an image of 224 pixels, a table takes 0.07 ms and a matrix 0.12 ms.
    factor, offset = _rounded((transform.contrast, _colour_offset(transform)))
    table = np.clip(np.rint(np.arange(256) * factor + offset), 0, 255).astype(np.uint8)
    return image.point(table.tolist() * 3)


def _add_noise(image: Image.Image, share: float, seed: int) -> Image.Image:
    """Add nearly Gaussian noise: sums of four random bytes, which are exact on any processor."""
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
    offsets = np.full(3, _colour_offset(transform))
    return _rounded(np.column_stack([linear, offsets]).ravel().tolist())


def _colour_offset(transform: Transform) -> float:
    return 127.5 * (1 - transform.contrast) + 255 * transform.brightness


def _rounded(coefficients: Sequence[float]) -> tuple[float, ...]:
    """Round to 9 decimals: a billionth of a pixel or of a shade.

    The last bits of sin, cos and matrix products depend on the processor: for some of 300,000
    angles, the sine differed between an emulated Nehalem and a Haswell.
    """
    return tuple(round(coefficient, 9) for coefficient in coefficients)
