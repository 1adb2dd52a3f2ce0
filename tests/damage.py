"""Files with a damaged byte."""

from collections.abc import Iterator

# Bits of a byte. Some turn the method of compression, which is none, into deflate, bzip2 or LZMA,
# or a flag of an entry into that of encryption.
FLIPS = [0x01, 0x08, 0x09, 0x0C, 0x0E, 0x80, 0xFF]


def damages(whole: bytes, flipped: int) -> Iterator[bytes]:
    """The file with these bits flipped in one byte, for each of its bytes."""
    for place, byte in enumerate(whole):
        yield whole[:place] + bytes([byte ^ flipped]) + whole[place + 1 :]
