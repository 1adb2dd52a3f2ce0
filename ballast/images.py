"""Photographs as upright RGB images."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ballast.errors import UserError

# Pillow's names. JPEG covers the multi-picture files (MPO) of phones: the first picture counts.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


class ImageError(UserError):
    """The bytes are no image that can be read; the message is the reason."""


def decode_image(data: bytes) -> Image.Image:
    """Decode an image as a person sees it.

    EXIF rotation is applied, transparency is laid on white, 16-bit values are scaled to 8 bits
    and only the first frame of an animation is taken.

    Args:
        data: the whole file: JPEG, PNG, WebP, BMP, GIF or TIFF of any mode that Pillow reads.

    Returns:
        An image of mode RGB.

    Raises:
        ImageError: where the bytes are empty, truncated or no such image.
    """
    if not data:
        raise ImageError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise ImageError("not a JPEG, PNG, WebP, BMP, GIF or TIFF image") from None
    except Image.DecompressionBombError:
        raise ImageError("more pixels than can be safely decoded") from None
    # Pillow's decoders raise all of these on broken files; its fuzzers' issues list them.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError) as error:
        raise ImageError(f"broken image: {' '.join(str(error).split())}") from None


def resize_image(image: Image.Image, size: int) -> Image.Image:
    """Resize to a square of `size` pixels a side: the whole picture, its aspect not kept.

    Nothing is cropped away, because the subject may stand at the edge.
    """
    return image.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)


def image_array(data: bytes, size: int) -> NDArray[np.uint8]:
    """Decode and resize.

    Returns:
        uint8 array of shape (size, size, 3), RGB.

    Raises:
        ImageError: as decode_image does.
    """
    return np.asarray(resize_image(decode_image(data), size), dtype=np.uint8)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey_to_rgb(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    """Grey of 16 or more bits: Pillow's own convert() would clip it to white."""
    values = np.asarray(image, dtype=np.float64)
    unit_floats = image.mode == "F" and values.max(initial=0.0) <= 1.0
    white = 1.0 if unit_floats else 255.0 if image.mode == "F" else 65535.0
    grey = np.clip(np.rint(np.nan_to_num(values) * (255.0 / white)), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
