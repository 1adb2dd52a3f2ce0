"""What an image would cost to decode, told from its first bytes and its header.

The bounds keep one image within 2 s and 1 GiB. Without them a GIF of 2 MB took 7 s, a TIFF of
40 MB 28 s, a BMP of 40 MB 6 s and a PNG of 12 MB 5 s.
"""

import math
import struct

from PIL import ImageFile

# Of the costliest kind that cameras and scanners make: four channels of 16 bits.
BYTES_PER_PIXEL = 8
# The longest side that a JPEG can have. TIFF is read row by row.
LONGEST_SIDE = 65_535
# A progressive JPEG goes over all its pixels in every scan. Encoders make 10 scans or so; a file
# that asks for thousands takes minutes.
USUAL_SCANS = 10
# Pillow joins the parts of a GIF's comment one by one, and reads a BMP's runs in Python.
GIF_PREAMBLE = 256 * 1024
BMP_RUNS = 2 * 1024 * 1024
# A JPEG's segments and a TIFF's strips and tiles are read one by one, too.
JPEG_SEGMENTS = 10_000
TIFF_PARTS = 131_072  # 30 megapixels in the smallest tiles, 16 x 16
TIFF_PART_TAGS = (273, 279, 324, 325)  # offsets and sizes of strips, and of tiles
TIFF_TILE_TAGS = (322, 323)  # width and length of a tile
# A PNG's chunks are read one by one, too. libpng writes 8,192 bytes in each.
SMALLEST_CHUNK = 512


def most_bytes(max_megapixels: float) -> int:
    """The largest file that an image of so many megapixels can need."""
    return int(max_megapixels * 1e6 * BYTES_PER_PIXEL)


def unread_problem(data: bytes, max_megapixels: float) -> str | None:
    """Why not even the header should be read; None where it may.

    Args:
        data: the whole file.
        max_megapixels: the most that is decoded.
    """
    if data.startswith(b"GIF8") and _gif_preamble(data) > GIF_PREAMBLE:
        return "GIF with too much before its first picture"
    if data.startswith(b"\x89PNG\r\n\x1a\n") and _has_tiny_chunks(data):
        return "PNG of too many chunks"
    if data.startswith(b"\xff\xd8") and _jpeg_segments(data) > JPEG_SEGMENTS:
        return "JPEG of too many segments"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        tags = _tiff_tags(data)
        if max((tags[tag][0] for tag in TIFF_PART_TAGS if tag in tags), default=0) > TIFF_PARTS:
            return "TIFF of too many strips or tiles"
        if math.prod(tags.get(tag, (1, 1))[1] for tag in TIFF_TILE_TAGS) > max_megapixels * 1e6:
            return "TIFF of tiles larger than data.max_megapixels in params.yaml"
    return None


def header_problem(image: ImageFile.ImageFile, data: bytes, max_megapixels: float) -> str | None:
    """Why an image should not be decoded, whose header has been read; None where it may."""
    megapixels = image.width * image.height / 1e6
    if megapixels > max_megapixels:
        return f"{megapixels:.3g} megapixels, more than data.max_megapixels in params.yaml"
    if max(image.size) > LONGEST_SIDE:
        return f"{max(image.size)} pixels long, more than {LONGEST_SIDE}"
    scans = data.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 1
    if megapixels * scans > max_megapixels * USUAL_SCANS:
        return f"JPEG of {scans} scans, which would take too long to decode"
    if image.format == "BMP" and len(data) > BMP_RUNS and image.tile[0][0] == "bmp_rle":
        return "BMP of too many runs, which would take too long to decode"
    return None


def _gif_preamble(data: bytes) -> int:
    """Bytes before the first picture; more than GIF_PREAMBLE is not counted."""
    place = 13 + (3 << (data[10] % 8 + 1) if len(data) > 10 and data[10] & 0x80 else 0)
    while place < len(data) and place <= GIF_PREAMBLE and data[place] not in b",;":
        if data[place] != 0x21:  # what is no extension is passed over byte by byte
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
    """Segments before the first scan; more than JPEG_SEGMENTS are not counted."""
    place, segments = 2, 0
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        segments += 1
        if segments > JPEG_SEGMENTS:
            break
    return segments


def _tiff_tags(data: bytes) -> dict[int, tuple[int, int]]:
    """Count and first value, or the place of the values, of each tag of the first directory."""
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
        return {}  # broken, as Pillow will say
    return tags
