"""Any image that people have comes out as the upright RGB image that they see."""

import io
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ballast.images import (
    ImageError,
    decode_image,
    image_array,
    resize_image,
    without_warnings,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:  # noqa: ANN401  # Pillow's
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def corners() -> Image.Image:
    """40 x 20 pixels: red at the top left, green top right, blue bottom left, white elsewhere."""
    image = Image.new("RGB", (40, 20), WHITE)
    image.paste(RED, (0, 0, 20, 10))
    image.paste(GREEN, (20, 0, 40, 10))
    image.paste(BLUE, (0, 10, 20, 20))
    return image


def near(pixel: Any, colour: tuple[int, int, int], tolerance: int = 12) -> bool:  # noqa: ANN401
    return bool(np.abs(np.subtract(pixel, colour)).max() <= tolerance)


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "BMP", "GIF", "TIFF", "JPEG"])
def test_every_format_gives_its_colours(format_: str) -> None:
    image = decode_image(
        saved(corners(), format_, **({"quality": 95} if format_ == "JPEG" else {}))
    )
    assert image.mode == "RGB"
    assert image.size == (40, 20)
    for place, colour in {(5, 5): RED, (35, 5): GREEN, (5, 15): BLUE, (35, 15): WHITE}.items():
        assert near(image.getpixel(place), colour, 30), (format_, place)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_keeps_white_white_and_black_black(mode: str) -> None:
    source = Image.new("RGB", (4, 4), "white")
    source.paste("black", (0, 0, 2, 4))
    image = decode_image(saved(source.convert(mode), "TIFF"))
    assert near(image.getpixel((3, 0)), WHITE)
    assert near(image.getpixel((0, 0)), (0, 0, 0))


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    image = decode_image(saved(corners().convert("CMYK"), "JPEG", quality=95))
    assert near(image.getpixel((5, 5)), RED, 30)


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(format_: str) -> None:
    values = np.array([[0, 257 * 64, 257 * 128, 65535]], dtype=np.uint16)
    pixels = np.asarray(decode_image(saved(Image.fromarray(values), format_)))
    assert pixels[0, :, 0].tolist() == [0, 64, 128, 255]


def test_floats_from_0_to_1_are_greys() -> None:
    values = np.array([[0.0, 0.5, 1.0]], dtype=np.float32)
    pixels = np.asarray(decode_image(saved(Image.fromarray(values), "TIFF")))
    assert pixels[0, :, 0].tolist() == [0, 128, 255]


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    pixels = np.asarray(decode_image(saved(image, "PNG")))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert near(pixels[0, 1], (127, 127, 127), 1)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_is_white(mode: str) -> None:
    image = Image.new(mode, (2, 2), 0)
    transparent: Any = (0, 0, 0) if mode == "RGB" else 0
    decoded = decode_image(saved(image, "PNG", transparency=transparent))
    assert decoded.getpixel((0, 0)) == WHITE


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert near(decode_image(data).getpixel((0, 0)), RED)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(orientation: int) -> None:
    # What a camera does to the upright picture, by the EXIF specification (CIPA DC-008).
    stored = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    image = corners()
    for transpose in stored:
        image = image.transpose(transpose)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = decode_image(saved(image, "PNG", exif=exif))
    assert upright.size == (40, 20)
    assert np.array_equal(np.asarray(upright), np.asarray(corners()))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html>not found</html>", "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"),
        (saved(corners(), "PPM"), "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"),
        (saved(corners(), "JPEG")[:400], "broken image: "),
        (saved(corners(), "PNG")[:80], "broken image: "),
    ],
)
def test_what_is_no_image_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_image(data)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


@given(cut=st.integers(0, 10_000), flips=st.lists(st.integers(0, 10_000), max_size=4))
def test_damage_is_an_image_error_or_an_image_never_another_exception(
    cut: int, flips: list[int]
) -> None:
    for format_ in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"):
        data = bytearray(saved(corners(), format_))
        for place in flips:
            data[place % len(data)] ^= 0xFF
        try:
            image = decode_image(bytes(data[: cut % len(data) + 1]))
        except ImageError:
            continue
        assert image.mode == "RGB"


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    data = saved(Image.new("1", (3000, 2000)), "PNG")
    assert decode_image(data, max_megapixels=6).size == (3000, 2000)
    with pytest.raises(ImageError, match=r"6 megapixels, more than data\.max_megapixels"):
        decode_image(data[:60], max_megapixels=5.9)


@pytest.mark.parametrize("side", [20_000, 65_000])
def test_a_bomb_is_refused(side: int) -> None:
    # A few bytes that say that they are 0.4 or 4 thousand megapixels.
    data = bytearray(saved(Image.new("1", (8, 8)), "BMP"))
    data[18:26] = side.to_bytes(4, "little") * 2
    with without_warnings(), pytest.raises(ImageError, match=r"data\.max_megapixels"):
        decode_image(bytes(data), max_megapixels=30)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = saved(corners(), "JPEG", progressive=True)
    assert decode_image(data, max_megapixels=1).size == (40, 20)
    scan = data[data.rindex(b"\xff\xda") : -2]
    bomb = data[:-2] + scan * 20_000 + data[-2:]
    with pytest.raises(ImageError, match=r"JPEG of \d+ scans, which would take too long"):
        decode_image(bomb, max_megapixels=1)


def test_doubtful_metadata_is_not_told_on_the_terminal() -> None:
    data = saved(corners(), "TIFF")
    with warnings.catch_warnings(record=True) as told, without_warnings():
        warnings.warn_explicit("Corrupt EXIF data", UserWarning, "TiffImagePlugin.py", 1, "PIL.x")
        decode_image(data)
    assert told == []


def test_resizing_keeps_the_whole_picture() -> None:
    pixels = np.asarray(resize_image(corners(), 16))
    assert pixels.shape == (16, 16, 3)
    for place, colour in {(1, 1): RED, (1, 14): GREEN, (14, 1): BLUE, (14, 14): WHITE}.items():
        assert near(pixels[place], colour, 1)


def test_an_array_is_square_bytes() -> None:
    array = image_array(saved(corners(), "PNG"), 32)
    assert array.shape == (32, 32, 3)
    assert array.dtype == np.uint8
