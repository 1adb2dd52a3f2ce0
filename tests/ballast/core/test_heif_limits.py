"""HEIC and AVIF files that would cost more than they say are refused, unopened."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from ballast.core.heif_limits import MOST_UNITS, av1_pixels, heif_problem, is_heif
from ballast.core.images import ImageError, decode_image

pillow_heif.register_heif_opener()
PARTS = "HEIC or AVIF with parts of more megapixels than data.max_megapixels"
BROKEN = "broken or unusual HEIC or AVIF image; save it as JPEG or PNG"


def saved(format_: str, side: int = 256, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).convert(mode).save(file, format_, **options)
    return file.getvalue()


def saying(data: bytes, width: int, height: int) -> bytes:
    """The same file, but for the size that it says it has."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


ENCODED = {
    "HEIC": saved("HEIF"),
    "HEIC grid": saved("HEIF", tile_size=64),
    "HEIC with transparency": saved("HEIF", mode="RGBA"),
    "HEIC with a thumbnail": saved("HEIF", thumbnails=[64]),
    "AVIF": saved("AVIF", speed=10),
    "AVIF with transparency": saved("AVIF", mode="RGBA", speed=10),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_what_encoders_write_is_accepted_up_to_the_limit(kind: str) -> None:
    data = ENCODED[kind]
    assert is_heif(data)
    assert heif_problem(data, 0.066) is None
    assert decode_image(data, 0.066).size == (256, 256)
    with pytest.raises(ImageError, match="more"):
        decode_image(data, 0.02)


def test_an_avif_is_as_large_as_its_stream_says() -> None:
    data = saved("AVIF", side=1024, speed=10)
    lie = saying(data, 64, 64)
    assert Image.open(io.BytesIO(lie)).size == (64, 64)
    assert heif_problem(lie, 1.1) is None
    assert heif_problem(lie, 0.3) == PARTS


def test_a_heic_that_is_larger_than_it_says_is_refused_by_its_decoder() -> None:
    with pytest.raises(ImageError, match=r"broken image: .*[Ss]ecurity limit"):
        decode_image(saying(saved("HEIF", side=1024), 64, 64), 30)


def test_a_tile_that_is_named_many_times_counts_as_often() -> None:
    data = saved("HEIF", side=256, tile_size=64)
    assert heif_problem(data, 0.066) is None
    start = data.index(b"dimg") - 4
    size, count = struct.unpack_from(">I", data, start)[0], 60_000
    tile = data[start + 12 : start + 14]
    dimg = struct.pack(">I4s", 12 + 2 * count, b"dimg") + data[start + 8 : start + 10]
    dimg += struct.pack(">H", count) + tile * count
    grown = bytearray(data[:start] + dimg + data[start + size :])
    for box in (b"iref", b"meta"):
        place = data.index(box) - 4
        length = struct.unpack_from(">I", grown, place)[0] + len(dimg) - size
        struct.pack_into(">I", grown, place, length)
    assert heif_problem(bytes(grown), 30) == PARTS


def test_a_nearly_lossless_picture_is_refused_since_it_takes_long() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    for format_ in ("HEIF", "AVIF"):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format_, quality=100)
        assert heif_problem(file.getvalue(), 30) is None
        assert "too much data" in str(heif_problem(file.getvalue(), 0.07))


@pytest.mark.parametrize("kind", ENCODED)
def test_a_damaged_structure_is_one_reason_and_never_an_exception(kind: str) -> None:
    data = ENCODED[kind]
    meta = data.index(b"meta") + 8
    for place in range(meta, data.index(b"mdat")):
        for value in (0, 1, 0x7F, 0xFF):
            heif_problem(data[:place] + bytes([value]) + data[place + 1 :], 30)
    for cut in range(12, meta + 40):
        assert heif_problem(data[:cut], 30) == BROKEN
    assert heif_problem(data[: meta - 8] + struct.pack(">I", 2**21) + b"meta" * 2**19, 30) == BROKEN


def test_items_that_are_derived_from_themselves_are_refused() -> None:
    data = saved("HEIF", tile_size=64)
    start = data.index(b"dimg")
    circle = data[: start + 8] + data[start + 4 : start + 6] + data[start + 10 :]
    assert heif_problem(circle, 30) == BROKEN


def test_every_frame_of_av1_counts_and_no_stream_is_walked_for_long() -> None:
    data = saved("AVIF", side=256, speed=10)
    stream = data[data.index(b"mdat") + 4 :]
    assert av1_pixels(stream) == 256 * 256
    assert av1_pixels(stream * 3) == 3 * 256 * 256
    for broken in (b"\x32\x00", b"\x0a\x01\x00\x32\x00", b"\x12\x00" * (MOST_UNITS + 1)):
        with pytest.raises(ValueError, match=r"^$"):
            av1_pixels(broken)
