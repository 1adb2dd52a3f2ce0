"""Files made to stall a decoder are refused in time; files of usual encoders are not."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ballast.core.image_limits import most_bytes
from ballast.core.images import ImageError, decode_image


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def gif_with(preamble: bytes) -> bytes:
    data = saved(Image.new("P", (8, 8)), "GIF")
    start = 13 + (3 << (data[10] % 8 + 1))
    return data[:start] + preamble + data[start:]


def png_with(chunks: int) -> bytes:
    data = saved(Image.new("RGB", (8, 8)), "PNG")
    chunk = b"\0\0\0\0teXt" + struct.pack(">I", zlib.crc32(b"teXt"))
    return data[:33] + chunk * chunks + data[33:]


def bmp_of_runs(width: int, height: int) -> bytes:
    row = b"\x01\x05" * width + b"\0\0"
    body = row * height + b"\0\x01"
    palette = bytes(1024)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + header + palette + body


def tiff_with(tag: int, kind: int, count: int, value: int) -> bytes:
    """A directory of one entry, which is all that is looked at."""
    return b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", tag, kind, count, value) + b"\0" * 4


def big_tiff_with(tag: int, kind: int, count: int, value: int) -> bytes:
    header = b"MM\0+\0\x08\0\0" + struct.pack(">QQ", 16, 1)
    return header + struct.pack(">HHQQ", tag, kind, count, value) + b"\0" * 8


def jpeg_with(segments: int) -> bytes:
    data = saved(Image.new("RGB", (8, 8)), "JPEG")
    return data[:2] + b"\xff\xe5\0\x02" * segments + data[2:]


COMMENTS = b"\x21\xfe" + (b"\x64" + b"c" * 100) * 20_000 + b"\0"
STALLING = {
    "GIF with too much data before its first frame": gif_with(COMMENTS),
    "PNG with too many chunks": png_with(1_000_000),
    "BMP with too many runs": bmp_of_runs(1500, 1000),
    "JPEG with too many segments": jpeg_with(20_000),
    "TIFF with too many strips or tiles": tiff_with(273, 4, 500_000, 100),
    "strips or tiles": big_tiff_with(325, 4, 500_000, 100),
    "TIFF with tiles larger than data.max_megapixels": tiff_with(322, 4, 1, 40_000_000),
    "70000 pixels on the longer side, more than 65535": saved(Image.new("L", (1, 70_000)), "TIFF"),
}


@pytest.mark.parametrize("reason", STALLING)
def test_what_would_stall_is_refused_at_once(reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_image(STALLING[reason], 30)


def test_junk_before_a_gif_s_picture_is_refused() -> None:
    with pytest.raises(ImageError, match="GIF with too much"):
        decode_image(gif_with(b"\x01" * 300_000), 30)


def test_what_encoders_write_is_read() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    frames = [image.convert("P")] * 3
    for data in (
        saved(image, "PNG"),
        saved(frames[0], "GIF", save_all=True, append_images=frames, comment=b"c" * 5000),
        saved(image, "BMP"),
        saved(image, "TIFF", compression="tiff_lzw"),
        gif_with(b"\x21\xfe\x05hello\0"),
        png_with(500),
        jpeg_with(100),
        bmp_of_runs(100, 100),
    ):
        assert decode_image(data, 30).mode == "RGB"


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a",
        b"\xff\xd8\xff",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0+\0\x08",
        b"GIF89a" + b"\0" * 7,
        b"\x89PNG\r\n\x1a\n\0",
    ],
)
def test_a_header_that_is_cut_off_is_broken(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(data, 30)


def test_the_largest_file_holds_the_largest_image_of_16_bits_and_four_channels() -> None:
    assert most_bytes(30) == 240_000_000
