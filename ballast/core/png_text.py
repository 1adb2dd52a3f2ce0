"""Leaves large texts and colour profiles out of a PNG, for which Pillow would refuse it."""

import struct
import zlib

from PIL.PngImagePlugin import MAX_TEXT_CHUNK

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bytes of all texts that are kept. Pillow refuses 64 MB; there is a use for none but orientation.
MOST_TEXT = 16 * 1024 * 1024


def without_large_text(data: bytes) -> bytes:
    """Drop the chunks of text, and the colour profile, that are large when they are decompressed.

    Little memory is needed, whatever they say: each is decompressed only as far as Pillow's limit.

    Args:
        data: a whole file of any format.

    Returns:
        The same bytes if nothing is dropped. Broken chunks are kept, so that Pillow finds them.
    """
    if not data.startswith(SIGNATURE):
        return data
    kept, begin, place, total = [], 0, len(SIGNATURE), 0
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        kind = data[place + 4 : place + 8]
        if kind in (b"iCCP", b"zTXt", b"iTXt", b"tEXt") and end <= len(data):
            size = _size(kind, data[place + 8 : end - 4])
            intact = zlib.crc32(data[place + 4 : end - 4]) == int.from_bytes(
                data[end - 4 : end], "big"
            )
            if intact and (size > MAX_TEXT_CHUNK or total + size > MOST_TEXT):
                kept.append(data[begin:place])
                begin = end
            else:
                total += size
        place = end
    return b"".join([*kept, data[begin:]]) if kept else data


def _size(kind: bytes, content: bytes) -> int:
    """The size of a chunk's text, up to just above Pillow's limit."""
    _, _, rest = content.partition(b"\0")
    if kind == b"tEXt" or (kind == b"iTXt" and rest[:1] != b"\1"):
        return len(content)
    if kind == b"iTXt":
        _, _, rest = rest[2:].partition(b"\0")
        _, _, packed = rest.partition(b"\0")
    else:
        packed = rest[1:]
    try:
        return len(zlib.decompressobj().decompress(packed, MAX_TEXT_CHUNK + 1))
    except zlib.error:
        return 0
