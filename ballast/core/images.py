"""Decodes photographs to upright RGB images."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from ballast.core.colours import as_srgb
from ballast.core.errors import UserError
from ballast.core.greys import Range, is_deep, to_8_bits, typical_range, whole_range
from ballast.core.heif_limits import SEQUENCES, is_heif
from ballast.core.image_limits import (
    WHOLE_JPEG,
    header_problem,
    jpeg_frame,
    too_large,
    unread_problem,
)
from ballast.core.png_text import without_large_text

# The modules of core/ that the pixels of a decoded photograph depend on.
DECODING = (
    "core/colours.py",
    "core/greys.py",
    "core/heif_limits.py",
    "core/image_limits.py",
    "core/images.py",
    "core/png_text.py",
)
# Pillow's names. JPEG includes the multi-picture files (MPO) of phones: their first is used.
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
HEIF_FORMATS: tuple[str, ...] = ("AVIF", "HEIF")
NAMES = "JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF"
SUFFIXES = {
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpeg", ".jpg", ".png"),
    *(".tif", ".tiff", ".webp"),
}
# The first bytes of JPEG XL: of a bare stream, and of a file with boxes.
JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
# The first bytes of formats that Pillow does not name when it does not know their kind.
FIRST_BYTES = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
# Side in pixels to which images are shrunk for perceptual hashes (dataset/duplicates.py).
HASHED = 128
# By EXIF orientation (CIPA DC-008). Pillow's exif_transpose rewrites all metadata, and fails if any
# of it is broken, even if it does not matter here.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(UserError):
    """The bytes are not a readable image; the message says why."""


class Look(NamedTuple):
    """An image as the inventory looks at it."""

    image: Image.Image  # upright RGB; a deep grey is scaled by its own range
    width: int  # of the upright image in full, in pixels
    height: int
    greys: Range | None  # all values of a deep grey, which may be equal


@contextmanager
def without_warnings() -> Iterator[None]:
    """Suppress Pillow's warnings about metadata; what matters raises an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def decode_image(
    data: bytes,
    max_megapixels: float | None = None,
    size: int | None = None,
    greys: Range | None = None,
) -> Image.Image:
    """Decode an image as viewers display it.

    EXIF rotation is applied, transparency is composited on white, deep greys are scaled to 8 bits,
    and only the first frame of an animation is used. Colours stay in their space, which `info`
    names, until resize_image.

    Args:
        data: the whole file: JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF of any mode that Pillow
            reads.
        max_megapixels: the largest image that is decoded; None for files that were checked before.
        size: side in pixels to which the image will be resized. A JPEG whose sides are more than
            twice as long is decoded at 1/8, 1/4 or 1/2 of its size. None decodes the full size; but
            a JPEG of more than WHOLE_JPEG megapixels is always decoded at 1/8.
        greys: the range of the data set's deep greys; None for that of their type.

    Returns:
        An image of mode RGB.

    Raises:
        ImageError: if the bytes are empty, truncated, too costly to decode or not such an image.
    """
    with _opened(data, max_megapixels) as image:
        _draft(image, size)
        image.load()
        return as_seen(image, greys)


def inspect_image(data: bytes, max_megapixels: float) -> Look:
    """Decode an image of which nothing is known yet.

    A deep grey is scaled by the range of its own typical values, since that of the data set is
    unknown; perceptual hashes depend little on the range.

    Args:
        data: the whole file.
        max_megapixels: the largest image that is decoded.

    Raises:
        ImageError: like decode_image.
    """
    with _opened(data, max_megapixels) as image:
        stated = image.size
        if stated[0] * stated[1] > max_megapixels * 1e6:
            _draft(image, HASHED)
            problem = too_large(image.size, max_megapixels)
            if problem:
                raise ImageError(problem)
        shrunk = image.size != stated
        image.load()
        used = typical = None
        if is_deep(image):
            values = np.asarray(image)
            used, typical = whole_range(values), typical_range(values)
        seen = as_seen(image, typical)
        turned = seen.size != image.size
        width, height = (stated[::-1] if turned else stated) if shrunk else seen.size
        return Look(seen, width, height, used)


@contextmanager
def _opened(data: bytes, max_megapixels: float | None) -> Iterator[ImageFile.ImageFile]:
    """Open an image to be decoded within the context, where any error becomes an ImageError."""
    if not data:
        raise ImageError("empty file")
    if data.startswith(JPEG_XL):
        raise ImageError("JPEG XL image, which Ballast does not read; save it as JPEG or PNG")
    if data[4:8] == b"ftyp" and data[8:12] in SEQUENCES:
        raise ImageError("animated HEIC or AVIF image, which Ballast does not read; save one frame")
    formats = HEIF_FORMATS if is_heif(data) else FORMATS
    if formats is HEIF_FORMATS:
        _register_heif()
    problem = unread_problem(data, max_megapixels) if max_megapixels else None
    if problem:
        raise ImageError(problem)
    try:
        data = without_large_text(data)
        frame = jpeg_frame(data)
        # Pillow refuses images of more than 179 megapixels as they are opened.
        large = frame is not None and frame.megapixels > WHOLE_JPEG
        file = io.BytesIO(data)
        with (
            JpegImagePlugin.jpeg_factory(file) if large else Image.open(file, formats=formats)
        ) as image:
            problem = header_problem(image, data, max_megapixels) if max_megapixels else None
            if problem:
                raise ImageError(problem)
            if image.format == "PNG":
                # Decoding does not verify checksums: a damaged file would give another picture.
                with Image.open(io.BytesIO(data), formats=("PNG",)) as unread:
                    unread.verify()
            yield image
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(_unidentified(data)) from None
    except Image.DecompressionBombError:
        raise ImageError("more megapixels than data.max_megapixels") from None
    # Pillow's decoders raise exceptions of a dozen kinds on broken files.
    except Exception as error:
        raise ImageError(f"broken image: {' '.join(str(error).split())}") from None


def _unidentified(data: bytes) -> str:
    """Why no decoder knows a file: it is not an image, or one of an unusual kind."""
    found = "HEIC or AVIF" if is_heif(data) else ""
    for name, begins in FIRST_BYTES.items():
        found = name if data.startswith(begins) else found
    if found:
        return f"broken or unusual {found} image; save it as JPEG or PNG"
    return f"not a {NAMES} image"


def _draft(image: ImageFile.ImageFile, size: int | None) -> None:
    """Have a JPEG decoded at 1/8, 1/4 or 1/2 if that is enough for `size`, or if it is large."""
    if image.format not in ("JPEG", "MPO"):
        return
    if image.width * image.height > WHOLE_JPEG * 1e6:
        image.draft(None, (image.width // 8, image.height // 8))
    elif size:
        # At 64 pixels, a photograph of 500 x 375 takes 1.7 ms this way instead of 2.4 ms.
        # The error (43 dB) is smaller than that of saving the result as JPEG (35 dB).
        image.draft(None, (2 * size, 2 * size))


@cache
def _register_heif() -> None:
    """Let Pillow read HEIC: the picture itself, upright, and never the thumbnail in its file."""
    import pillow_heif  # takes 0.02 s

    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def as_seen(image: Image.Image, greys: Range | None = None) -> Image.Image:
    """Convert an image of any mode to upright RGB, as decode_image does."""
    return _upright(_to_rgb(image, greys), _orientation(image))


def _orientation(image: Image.Image) -> object:
    """The EXIF orientation, 1 to 8; another value if it is missing or unreadable."""
    try:
        return image.getexif().get(0x0112)
    except Exception:  # a dozen kinds on broken metadata; the pixels are intact
        return None


def _upright(image: Image.Image, orientation: object) -> Image.Image:
    way = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if way is None else image.transpose(way)


def resize_image(image: Image.Image, size: int) -> Image.Image:
    """Resize the whole picture to a square of `size` pixels a side, ignoring its aspect ratio.

    Nothing is cropped, because the subject may be at the edge. The filter is bilinear, as wide as
    the pixels that fall into one, the one that a saved model applies, bit for bit. Colours of other
    spaces are then converted to sRGB.
    """
    return as_srgb(image.resize((size, size), Image.Resampling.BILINEAR))


def image_array(data: bytes, size: int, greys: Range | None = None) -> NDArray[np.uint8]:
    """Decode and resize: to the pixels that a saved model makes of the decoded image itself.

    Args:
        data: the whole file.
        size: side in pixels.
        greys: the range of the data set's deep greys; None for that of their type.

    Returns:
        uint8 array of shape (size, size, 3), RGB.

    Raises:
        ImageError: like decode_image.
    """
    return np.asarray(resize_image(decode_image(data, greys=greys), size), dtype=np.uint8)


def _to_rgb(image: Image.Image, greys: Range | None) -> Image.Image:
    if is_deep(image):  # which Pillow's convert() would clip to white
        return Image.fromarray(to_8_bits(np.asarray(image), greys)).convert("RGB")
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba)
        white.info["icc_profile"] = image.info.get("icc_profile")
        return white
    return image if image.mode == "RGB" else image.convert("RGB")
