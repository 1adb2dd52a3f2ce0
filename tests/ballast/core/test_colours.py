"""Colours of other spaces become those of sRGB that look the same; those of sRGB stay."""

import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ballast.core.colours import as_srgb, has_other_primaries
from ballast.core.images import decode_image, image_array, resize_image

Matrix = tuple[tuple[float, float, float], ...]
# Red, green and blue in XYZ, adapted to D50: columns of each space's matrix.
P3: Matrix = (
    (0.5151, 0.2412, -0.001),
    (0.292, 0.6923, 0.0419),
    (0.1571, 0.0666, 0.7841),
)
ADOBE: Matrix = (
    (0.6097, 0.3111, 0.0195),
    (0.2053, 0.6257, 0.0609),
    (0.1492, 0.0632, 0.7446),
)
SRGB: Matrix = (
    (0.4361, 0.2225, 0.0139),
    (0.3851, 0.7169, 0.0971),
    (0.1431, 0.0606, 0.7141),
)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(primaries: Matrix, gamma: float | None = None, more: bytes = b"") -> bytes:
    """An ICC profile of a matrix and the curve of sRGB, or of a gamma."""
    curve = b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    if gamma:
        curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)}
    tags |= {
        name + b"XYZ": b"XYZ \0\0\0\0" + fixed(*primary)
        for name, primary in zip((b"r", b"g", b"b"), primaries, strict=True)
    }
    tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    if more:
        tags[more] = curve
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content
    head = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"none", 0x04000000, b"mntr", b"RGB ", b"XYZ "
    )
    head = (head + bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249)).ljust(128, b"\0")
    return head + table + body


def expected(
    pixels: NDArray[np.uint8], primaries: Matrix, gamma: float | None
) -> NDArray[np.float64]:
    """The conversion by its formula (IEC 61966-2-1)."""
    x = pixels / 255
    linear = x**gamma if gamma else np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array(primaries)
    rgb = np.clip(xyz @ np.linalg.inv(np.array(SRGB)), 0, 1)
    back = np.where(rgb <= 0.0031308, rgb * 12.92, 1.055 * rgb ** (1 / 2.4) - 0.055)
    found: NDArray[np.float64] = back * 255
    return found


def colours() -> Image.Image:
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), -1).reshape(64, 64, 3))


def saved(image: Image.Image, format_: str, icc: bytes) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, icc_profile=icc)
    return file.getvalue()


@pytest.mark.parametrize(("primaries", "gamma"), [(P3, None), (ADOBE, 2.19921875)])
def test_other_spaces_become_srgb(primaries: Matrix, gamma: float | None) -> None:
    image, icc = colours(), profile(primaries, gamma)
    found = image_array(saved(image, "PNG", icc), 64)
    right = expected(np.asarray(image), primaries, gamma)
    assert np.abs(found - right).max() < 1.5
    assert np.abs(found - np.asarray(image).astype(int)).max() > 20
    opened = decode_image(saved(image, "PNG", icc))
    assert np.array_equal(np.asarray(opened), np.asarray(image)), "converted once it is resized"
    again = as_srgb(resize_image(opened, 64))
    assert np.array_equal(np.asarray(again), found), "not twice"


def test_transparent_images_and_turned_ones_are_converted_too() -> None:
    image, icc = colours(), profile(P3)
    plain = image_array(saved(image, "PNG", icc), 64)
    opaque = image.copy()
    opaque.putalpha(255)
    assert np.array_equal(image_array(saved(opaque, "PNG", icc), 64), plain)
    exif = Image.Exif()
    exif[0x0112] = 3
    file = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_180).save(file, "PNG", exif=exif, icc_profile=icc)
    assert np.array_equal(image_array(file.getvalue(), 64), plain)


@pytest.mark.parametrize(
    "icc",
    [
        profile(SRGB),
        profile(((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139))),
        profile(P3, more=b"A2B0"),
        profile(P3).replace(b"RGB ", b"CMYK"),
        profile(P3) + bytes(70_000),
        b"no profile",
    ],
)
def test_srgb_and_what_is_no_matrix_of_rgb_keep_every_byte(icc: bytes) -> None:
    assert not has_other_primaries(icc)
    for format_ in ("PNG", "JPEG"):
        plain = image_array(saved(colours(), format_, b""), 64)
        assert np.array_equal(image_array(saved(colours(), format_, icc), 64), plain)


def test_a_damaged_profile_is_no_error() -> None:
    icc = profile(P3)
    for cut in range(0, len(icc), 9):
        image_array(saved(colours(), "PNG", icc[:cut] or b"x"), 16)
    for place in range(len(icc)):
        image = colours().resize((4, 4))
        image.info["icc_profile"] = icc[:place] + b"\xff" + icc[place + 1 :]
        assert as_srgb(image).size == (4, 4)
