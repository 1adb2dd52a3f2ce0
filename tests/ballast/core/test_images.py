"""Common image files decode to the upright RGB image that people see."""

import io
import resource
import struct
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ballast.core.image_limits import jpeg_frame
from ballast.core.images import (
    ImageError,
    decode_image,
    image_array,
    inspect_image,
    resize_image,
    without_warnings,
)

pillow_heif.register_heif_opener()  # to write such files; decode_image sets its own options

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


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "BMP", "GIF", "TIFF", "JPEG", "HEIF", "AVIF"])
def test_every_format_gives_its_colours(format_: str) -> None:
    lossy = format_ in ("JPEG", "HEIF", "AVIF")
    image = decode_image(saved(corners(), format_, **({"quality": 95} if lossy else {})), 1)
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


def stored_for(orientation: int, image: Image.Image) -> Image.Image:
    """What a camera stores of an upright picture, with an orientation of 6 or 3."""
    way = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]
    return image.transpose(way)


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_heic_and_avif_are_turned_once(format_: str, orientation: int) -> None:
    # Pillow and pillow-heif write it as a property of the container; pillow-heif also into EXIF, as
    # phones do.
    exif = Image.Exif()
    exif[0x0112] = orientation
    big = corners().resize((80, 40), Image.Resampling.NEAREST)
    data = saved(stored_for(orientation, big), format_, exif=exif.tobytes(), quality=95)
    assert b"irot" in data
    assert (exif.tobytes()[6:] in data) == (format_ == "HEIF")
    upright = decode_image(data, 1)
    assert upright.size == (80, 40)
    for place, colour in {(10, 10): RED, (70, 10): GREEN, (10, 30): BLUE}.items():
        assert near(upright.getpixel(place), colour, 40), place
    look = inspect_image(data, 1)
    assert (look.width, look.height) == (80, 40)
    assert look.image.tobytes() == upright.tobytes()


def test_a_heic_s_own_thumbnail_is_not_taken_for_the_picture() -> None:
    image = corners().resize((640, 320))
    plain, with_thumbnail = (saved(image, "HEIF", thumbnails=t) for t in ([], [160]))
    assert len(with_thumbnail) > len(plain)
    found = [decode_image(data, 1, size=32).size for data in (plain, with_thumbnail)]
    assert found == [(640, 320)] * 2


def test_a_heic_of_10_bits_is_scaled_to_8() -> None:
    values = np.full((64, 64, 3), (0, 257 * 128, 65535), dtype=np.uint16)
    file = io.BytesIO()
    pillow_heif.encode("RGB;16", (64, 64), values.tobytes(), file, quality=-1, chroma=444)
    assert near(decode_image(file.getvalue(), 1).getpixel((9, 9)), (0, 128, 255), 3)


def colours_of_32_bits() -> bytes:
    """A valid TIFF of a kind that Pillow does not read: three floats a pixel."""
    tags = [
        *((256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2)),
        *((273, 4, 1, 140), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, 12), (339, 3, 3, 152)),
    ]
    listed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    values = struct.pack("<3H", 32, 32, 32) + struct.pack("<3f", 0.1, 0.2, 0.3)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + listed + bytes(4) + values + struct.pack("<3H", 3, 3, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"\xff\x0a\xf8\x00", "JPEG XL image, which Ballast does not read; save it as JPEG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0", "JPEG XL image, which Ballast does not read"),
        (
            saved(corners(), "AVIF", save_all=True, append_images=[Image.new("RGB", (40, 20))]),
            "animated HEIC or AVIF image, which Ballast does not read",
        ),
        (saved(corners(), "HEIF")[:300], "broken "),
        (saved(corners(), "AVIF")[:150], "broken "),
        (colours_of_32_bits(), "broken or unusual TIFF image; save it as JPEG or PNG"),
        (
            saved(corners(), "JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc3\0\x11\x0c"),
            "broken or unusual JPEG image; save it as JPEG or PNG",
        ),
        (
            saved(corners(), "PNG").replace(b"IHDR", b"JHDR"),
            "broken or unusual PNG image; save it as JPEG or PNG",
        ),
        (
            saved(corners(), "HEIF").replace(b"hvc1", b"unci"),
            "broken or unusual HEIC or AVIF image; save it as JPEG or PNG",
        ),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "not a JPEG, PNG, WebP, HEIC, AVIF, BMP"),
        (b"<html>not found</html>", "not a JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF image"),
        (saved(corners(), "PPM"), "not a JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF image"),
        (saved(corners(), "JPEG")[:400], "broken image: "),
        (saved(corners(), "PNG")[:80], "broken image: "),
    ],
)
def test_what_is_no_image_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_image(data, 30)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


@pytest.fixture
def at_most_1_gib() -> Iterator[None]:
    """Whatever a test does, it may use 1 GiB more than there is in use already."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def whole_or_refused(data: bytes, whole: Image.Image) -> None:
    try:
        image = decode_image(data, 30)
    except ImageError:
        return
    assert np.array_equal(np.asarray(image), np.asarray(whole))


FORMATS = {
    "JPEG": saved(corners(), "JPEG"),
    "progressive JPEG": saved(corners(), "JPEG", progressive=True),
    "PNG": saved(corners(), "PNG"),
    "interlaced GIF": saved(corners(), "GIF", interlace=1),
    "TIFF": saved(corners(), "TIFF"),
    "LZW TIFF": saved(corners(), "TIFF", compression="tiff_lzw"),
    "lossy WebP": saved(corners(), "WEBP"),
    "lossless WebP": saved(corners(), "WEBP", lossless=True),
    "BMP": saved(corners(), "BMP"),
    "palette PNG": saved(corners().convert("P"), "PNG"),
    "HEIC": saved(corners(), "HEIF"),
    "HEIC grid": saved(corners().resize((160, 80)), "HEIF", tile_size=64),
    "AVIF": saved(corners(), "AVIF"),
    "transparent AVIF": saved(corners().convert("RGBA"), "AVIF"),
    "animated GIF": saved(corners(), "GIF", save_all=True, append_images=[corners()] * 2),
    "animated WebP": saved(corners(), "WEBP", save_all=True, append_images=[corners()] * 2),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_off_anywhere_is_refused_or_is_whole(kind: str) -> None:
    data = FORMATS[kind]
    whole = decode_image(data)
    header, end = range(1, min(64, len(data))), range(len(data) - 24, len(data))
    for cut in {*header, *range(64, len(data), max(1, len(data) // 40)), *end}:
        if kind in ("JPEG", "progressive JPEG") and cut >= len(data) - 2:
            continue  # only the mark of the end is missing; the last row may still be filled in
        whole_or_refused(data[:cut], whole)


@pytest.mark.usefixtures("at_most_1_gib")
@settings(deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(FORMATS)),
    cut=st.integers(0, 10_000),
    patches=st.lists(
        st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=4)), max_size=4
    ),
)
def test_damage_costs_little_and_is_an_image_error_or_an_image_never_another_exception(
    kind: str, cut: int, patches: list[tuple[int, bytes]]
) -> None:
    data = bytearray(FORMATS[kind])
    for place, patch in patches:
        place %= len(data)
        data[place : place + len(patch)] = patch
    try:
        image = decode_image(bytes(data[: cut % len(data) + 1] if cut % 2 else data), 30)
    except ImageError:
        return
    assert image.mode == "RGB"


def exif_with_a_loop() -> bytes:
    """An EXIF block whose directory and sub-directories all point to the first one."""
    entries = [(0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8)]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 8)


def with_bad_checksum(data: bytes, chunk: bytes) -> bytes:
    """A PNG file with one wrong CRC."""
    start = data.index(chunk)
    end = start + 4 + int.from_bytes(data[start - 4 : start], "big")
    return data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]


def test_metadata_of_all_sorts_does_not_matter() -> None:
    for format_ in ("JPEG", "PNG", "WEBP", "TIFF"):
        plain = np.asarray(decode_image(saved(corners(), format_)))
        for options in ({"icc_profile": b"no profile"}, {"exif": exif_with_a_loop()}):
            if format_ == "TIFF" and "exif" in options:
                continue  # Pillow would write it as tags
            found = np.asarray(decode_image(saved(corners(), format_, **options)))
            assert np.array_equal(found, plain), (format_, options)


@pytest.mark.parametrize(
    "entries",
    [
        [(0x0112, 3, 1, 6), (0x0131, 5, 1, 40)],  # a program's name that is a fraction
        [(0x0100, 2, 4, 0x313131), (0x0112, 3, 1, 6)],  # a width that is text
    ],
)
def test_an_image_is_turned_whatever_the_rest_of_its_exif_says(
    entries: list[tuple[int, int, int, int]],
) -> None:
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + directory + b"\0" * 20
    stored = corners().transpose(Image.Transpose.ROTATE_90)
    image = decode_image(saved(stored, "JPEG", exif=exif, quality=95))
    assert image.size == (40, 20)
    assert near(image.getpixel((5, 5)), RED, 30)


@pytest.mark.parametrize("chunk", [b"IHDR", b"IDAT"])
def test_a_png_with_a_bad_checksum_is_refused(chunk: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(with_bad_checksum(saved(corners(), "PNG"), chunk))


def test_a_ycck_jpeg_is_read() -> None:
    data = saved(corners().convert("CMYK"), "JPEG", quality=95)
    adobe = data.index(b"Adobe")
    ycck = data[: adobe + 11] + b"\x02" + data[adobe + 12 :]
    assert decode_image(ycck).size == (40, 20)
    assert not np.array_equal(np.asarray(decode_image(ycck)), np.asarray(decode_image(data)))


@pytest.mark.parametrize("format_", ["PNG", "BMP", "GIF", "TIFF"])
def test_one_bit_is_black_and_white(format_: str) -> None:
    image = Image.new("1", (16, 8), 0)
    image.paste(1, (8, 0, 16, 8))
    pixels = np.asarray(decode_image(saved(image, format_)))
    assert pixels[:, :8].max() == 0
    assert pixels[:, 8:].min() == 255


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "TIFF", "PNG", "MPO"])
def test_of_several_pictures_in_a_file_the_first_counts(format_: str) -> None:
    data = saved(corners(), format_, save_all=True, append_images=[Image.new("RGB", (40, 20))])
    assert near(decode_image(data).getpixel((35, 15)), WHITE)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    data = saved(Image.new("1", (3000, 2000)), "PNG")
    assert decode_image(data, max_megapixels=6).size == (3000, 2000)
    with pytest.raises(ImageError, match=r"6 megapixels, more than data\.max_megapixels"):
        decode_image(data[:60], max_megapixels=5.9)


def large(width: int, height: int, **options: Any) -> bytes:  # noqa: ANN401  # Pillow's
    """A JPEG that is black on the left and white on the right."""
    image = Image.new("L", (width, height))
    image.paste(255, (width // 2, 0, width, height))
    return saved(image, "JPEG", **options)


@pytest.fixture(scope="module")
def phone() -> bytes:
    """A JPEG of 200 megapixels, to be turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return large(16_320, 12_240, exif=exif)


def test_a_jpeg_of_200_megapixels_costs_little_wherever_it_is_decoded(phone: bytes) -> None:
    code = """
import sys
from ballast.core.images import decode_image, image_array, inspect_image, without_warnings
data = sys.stdin.buffer.read()
def most():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
before = most()
with without_warnings():
    look = inspect_image(data, 30)
    print(look.width, look.height, *look.image.size)
    print(*decode_image(data, 30).size, *decode_image(data, size=160).size)
    print(image_array(data, 16)[:, 8, 0].tolist()[::15], most() - before < 100)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=phone, capture_output=True, check=True
    )
    assert done.stdout.decode().splitlines() == [
        "12240 16320 1530 2040",
        "1530 2040 1530 2040",
        "[0, 255] True",
    ]
    assert done.stderr == b""


def test_a_jpeg_above_the_limit_is_looked_at_in_small_and_decoded_in_full_up_to_89() -> None:
    data = large(3000, 2000)
    look = inspect_image(data, 1)
    assert (look.width, look.height) == (3000, 2000)
    assert look.image.size == (750, 500), "a quarter: more than twice what hashes need"
    assert decode_image(data, 1).size == (3000, 2000)
    assert decode_image(data, 1, size=160).size == (750, 500)
    within = inspect_image(data, 6)
    assert within.image.size == (3000, 2000)


@pytest.mark.parametrize(
    ("data", "megapixels"),
    [
        (large(3000, 2000, progressive=True), "6"),
        (saved(Image.new("RGB", (3000, 2000)), "PNG"), "6"),
        (large(60_000, 6000), "360"),
        (large(40_000, 200), "8"),
    ],
)
def test_what_cannot_be_decoded_in_small_keeps_its_limit(data: bytes, megapixels: str) -> None:
    with without_warnings(), pytest.raises(ImageError) as caught:
        inspect_image(data, 4)
    reason = "megapixels, more than data.max_megapixels"
    assert str(caught.value) in (f"{megapixels} {reason}", reason.replace("meg", "more meg", 1))


def test_a_jpeg_of_one_scan_per_colour_is_not_one_that_streams() -> None:
    data = saved(Image.new("RGB", (3000, 2000)), "JPEG")
    frame = jpeg_frame(data)
    assert frame is not None
    assert frame == (6, True)
    scan = data.index(b"\xff\xda")
    one = jpeg_frame(data[: scan + 4] + b"\x01" + data[scan + 5 :])
    assert one == (6, False)
    assert jpeg_frame(data[:scan] + b"\xff" + data[scan:]) is None, "a fill byte"
    assert jpeg_frame(data[:40]) is None


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
    with pytest.raises(ImageError, match=r"JPEG with \d+ scans, which would take too long"):
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
