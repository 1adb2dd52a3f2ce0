"""A PNG with a large text or profile is the picture that it is without them."""

import io
import resource
import struct
import zlib

import pytest
from PIL import Image

from ballast.core.images import ImageError, decode_image
from ballast.core.png_text import without_large_text

PICTURE = Image.linear_gradient("L").resize((40, 20)).convert("RGB")
LARGE = zlib.compress(bytes(5_000_000))


def png() -> bytes:
    file = io.BytesIO()
    PICTURE.save(file, "PNG")
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


LARGE_CHUNKS = {
    "zTXt": chunk(b"zTXt", b"Comment\0\0" + LARGE),
    "iTXt": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0translated\0" + LARGE),
    "iTXt, plain": chunk(b"iTXt", b"Comment\0\0\0\0\0" + b"x" * 2_000_000),
    "tEXt": chunk(b"tEXt", b"Comment\0" + b"x" * 2_000_000),
    "iCCP": chunk(b"iCCP", b"profile\0\0" + LARGE),
    "many": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_000_000))) * 70,
    "a bomb": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(300_000_000))),
}


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("kind", LARGE_CHUNKS)
def test_a_large_text_does_not_matter_and_takes_little_memory(kind: str, place: str) -> None:
    data = png()
    at = 33 if place == "before" else len(data) - 12
    if kind == "iCCP" and place == "after":
        at = 33
    whole = data[:at] + LARGE_CHUNKS[kind] + data[at:]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert decode_image(whole, 30).tobytes() == PICTURE.tobytes()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_small_texts_and_other_formats_are_left_alone() -> None:
    data = png()
    small = data[:33] + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"hello")) + data[33:]
    for same in (data, small, b"GIF89a", b"", data[:20], small[:40]):
        assert without_large_text(same) is same


def test_an_orientation_in_a_small_text_still_counts_beside_a_large_one() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    data = png()
    turned = decode_image(data[:33] + LARGE_CHUNKS["zTXt"] + text + data[33:])
    assert turned.size == (20, 40)
    assert turned.tobytes() == decode_image(data[:33] + text + data[33:]).tobytes()


def test_a_large_text_with_a_wrong_checksum_is_damage() -> None:
    data, text = png(), LARGE_CHUNKS["zTXt"]
    with pytest.raises(ImageError, match="broken image"):
        decode_image(data[:33] + text[:-1] + bytes([text[-1] ^ 1]) + data[33:])
