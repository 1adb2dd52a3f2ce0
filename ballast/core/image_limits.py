"""Rejects images that are too costly to decode, judging by their structure and header.

The limits keep each image within 2 s and 1 GiB. Without them, a GIF of 2 MB took 7 s, a TIFF of
40 MB 28 s, a BMP of 40 MB 6 s and a PNG of 12 MB 5 s.
"""

import math
import struct
from typing import NamedTuple

from PIL import ImageFile

from ballast.core.heif_limits import heif_problem, is_heif

# The largest pixels that cameras and scanners produce: four channels of 16 bits.
BYTES_PER_PIXEL = 8
# The longest side that a JPEG can have. Long TIFFs are slow: they are read row by row.
LONGEST_SIDE = 65_535
# Each scan of a progressive JPEG covers all pixels. Encoders write about 10 scans; a file with
# thousands takes minutes.
USUAL_SCANS = 10
# A JPEG of one scan can be decoded at 1/8 of its size, in little memory: one of 200 megapixels in
# 0.4 s and 13 MiB, instead of 1.1 s and 764 MiB. A progressive one takes 2 s and 584 MiB even so.
LARGEST_JPEG = 300  # megapixels
WHOLE_JPEG = 89  # megapixels that are decoded in full at most; data.max_megapixels is no higher
# Pillow joins the blocks of a GIF's comment one by one, and decodes a BMP's runs in Python.
GIF_PREAMBLE = 256 * 1024
BMP_RUNS = 2 * 1024 * 1024
# It also reads a JPEG's segments and a TIFF's strips and tiles one by one.
JPEG_SEGMENTS = 10_000
TIFF_PARTS = 131_072  # 30 megapixels in the smallest tiles, 16 x 16
TIFF_PART_TAGS = (273, 279, 324, 325)  # offsets and sizes of strips, and of tiles
TIFF_TILE_TAGS = (322, 323)  # width and length of a tile
# It also reads a PNG's chunks one by one. libpng writes chunks of 8,192 bytes.
SMALLEST_CHUNK = 512


class JpegFrame(NamedTuple):
    """What a JPEG's frame header says, and its first scan."""

    megapixels: float
    in_one_scan: bool  # so that it can be decoded row by row


def jpeg_frame(data: bytes) -> JpegFrame | None:
    """Read the frame header of a JPEG; None if the file has none before its first scan."""
    if not data.startswith(b"\xff\xd8"):
        return None
    place, megapixels, sequential, components = 2, 0.0, False, 0
    for _ in range(JPEG_SEGMENTS):
        marker, header = data[place : place + 2], data[place + 2 : place + 10]
        # Fill bytes and markers without a segment are allowed, but no camera writes them here.
        if len(header) < 8 or marker[0] != 0xFF or not 0xC0 <= marker[1] < 0xFF:
            return None
        if 0xD0 <= marker[1] <= 0xD9:
            return None
        if marker[1] == 0xDA:  # start of scan
            if not megapixels:
                return None
            return JpegFrame(megapixels, sequential and header[2] == components)
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width, components = struct.unpack(">HHB", header[3:])
            megapixels, sequential = width * height / 1e6, marker[1] in (0xC0, 0xC1)
        place += 2 + int.from_bytes(header[:2], "big")
    return None


def too_large(size: tuple[int, int], max_megapixels: float) -> str | None:
    """Why an image is too large to be decoded; None if it is not."""
    megapixels = size[0] * size[1] / 1e6
    if megapixels > max_megapixels:
        return f"{megapixels:.3g} megapixels, more than data.max_megapixels"
    return None


def most_bytes(max_megapixels: float) -> int:
    """The maximum file size, in bytes, of an image of max_megapixels."""
    return int(max_megapixels * 1e6 * BYTES_PER_PIXEL)


def unread_problem(data: bytes, max_megapixels: float) -> str | None:
    """Check a file before its header is read.

    Args:
        data: the whole file.
        max_megapixels: the largest image that is decoded.

    Returns:
        Why the header should not be read; None if it may be.
    """
    if is_heif(data):
        return heif_problem(data, max_megapixels)
    if data.startswith(b"GIF8") and _gif_preamble(data) > GIF_PREAMBLE:
        return "GIF with too much data before its first frame"
    if data.startswith(b"\x89PNG\r\n\x1a\n") and _has_tiny_chunks(data):
        return "PNG with too many chunks"
    if data.startswith(b"\xff\xd8") and _jpeg_segments(data) > JPEG_SEGMENTS:
        return "JPEG with too many segments"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        tags = _tiff_tags(data)
        if max((tags[tag][0] for tag in TIFF_PART_TAGS if tag in tags), default=0) > TIFF_PARTS:
            return "TIFF with too many strips or tiles"
        if math.prod(tags.get(tag, (1, 1))[1] for tag in TIFF_TILE_TAGS) > max_megapixels * 1e6:
            return "TIFF with tiles larger than data.max_megapixels"
    return None


def header_problem(image: ImageFile.ImageFile, data: bytes, max_megapixels: float) -> str | None:
    """Check an image whose header has been read.

    Args:
        image: opened, not decoded.
        data: the whole file.
        max_megapixels: the largest image that is decoded.

    Returns:
        Why it should not be decoded; None if it may be.
    """
    megapixels = image.width * image.height / 1e6
    frame = jpeg_frame(data)
    shrinks = frame is not None and frame.in_one_scan and megapixels <= LARGEST_JPEG
    problem = None if shrinks else too_large(image.size, max_megapixels)
    if problem:
        return problem
    if max(image.size) > LONGEST_SIDE:
        return f"{max(image.size)} pixels on the longer side, more than {LONGEST_SIDE}"
    many = image.format in ("JPEG", "MPO") and not shrinks
    scans = data.count(b"\xff\xda") if many else 1
    if megapixels * scans > max_megapixels * USUAL_SCANS:
        return f"JPEG with {scans} scans, which would take too long to decode"
    if image.format == "BMP" and len(data) > BMP_RUNS and image.tile[0][0] == "bmp_rle":
        return "BMP with too many runs, which would take too long to decode"
    return None


def _gif_preamble(data: bytes) -> int:
    """The number of bytes before the first frame; counting stops above GIF_PREAMBLE."""
    place = 13 + (3 << (data[10] % 8 + 1) if len(data) > 10 and data[10] & 0x80 else 0)
    while place < len(data) and place <= GIF_PREAMBLE and data[place] not in b",;":
        if data[place] != 0x21:  # anything but an extension is skipped byte by byte
            place += 1
            continue
        place += 2
        while place < len(data) and data[place] and place <= GIF_PREAMBLE:
            place += data[place] + 1
        place += 1
    return place


def _has_tiny_chunks(data: bytes) -> bool:
    place, chunks, most = 8, 0, 1000 + len(data) // SMALLEST_CHUNK
    while place + 8 <= len(data) and chunks <= most:
        place += 12 + struct.unpack_from(">I", data, place)[0]
        chunks += 1
    return chunks > most


def _jpeg_segments(data: bytes) -> int:
    """The number of segments before the first scan; counting stops above JPEG_SEGMENTS."""
    place, segments = 2, 0
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        segments += 1
        if segments > JPEG_SEGMENTS:
            break
    return segments


def _tiff_tags(data: bytes) -> dict[int, tuple[int, int]]:
    """The count, and the first value or the values' offset, of each tag in the first directory."""
    order = "<" if data.startswith(b"I") else ">"
    big = 43 in data[2:4]
    header, length, entry = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
    try:
        (start,) = struct.unpack_from(order + header, data, 8 if big else 4)
        (count,) = struct.unpack_from(order + length, data, start)
        step = 20 if big else 12
        tags = {}
        for number in range(min(count, 65_535)):
            place = start + struct.calcsize(order + length) + number * step
            tag, kind, values = struct.unpack_from(order + entry, data, place)
            width = "H" if kind == 3 else header
            value = struct.unpack_from(order + width, data, place + struct.calcsize(order + entry))
            tags[tag] = (values, value[0])
    except (struct.error, OverflowError):
        return {}  # broken, which Pillow will report
    return tags
