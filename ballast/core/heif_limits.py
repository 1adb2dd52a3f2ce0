"""Rejects HEIC and AVIF files that are too costly to decode, judging by their structure.

Such a file lists items: pictures, tiles, and what is derived from them (ISO/IEC 23008-12). They may
cost more than the header says: for a file that says 64 x 64 pixels, the decoder of AVIF decoded 268
megapixels, and a tile is decoded as often as it is named. libheif refuses a picture that is larger
than it says.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

# Of still pictures, as Pillow and pillow-heif know them; mif1 is either.
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"avif", b"mif1")
# Of films, whose structure is another one.
SEQUENCES = (b"hevc", b"hevx", b"hevm", b"hevs", b"avis", b"msf1")
# A megabyte takes 0.1 s. Cameras write 0.05 to 0.3 bytes a pixel.
BYTES_PER_PIXEL = 0.33
# Of the limit, for a picture with its tiles, which overlap its edges, its transparency and maps.
TIMES = 3
LARGEST_META = 1024 * 1024  # bytes that list the items; 200 megapixels in small tiles take 50,000
DEEPEST = 4  # items derived from derived ones
MOST_UNITS = 10_000  # of AV1's stream, in one item

Place = tuple[int, int]  # start and end in the file


class Item(NamedTuple):
    """A picture, a part of one, or metadata."""

    kind: bytes  # of its coding or derivation
    pixels: int  # what it says, or what its stream says; 0 if neither does
    extents: list[Place]  # of its data
    parts: list[int]  # the items that it is derived from, as often as it names them


class Cursor:
    """Reads big-endian numbers, one after another."""

    def __init__(self, data: bytes, place: Place) -> None:
        """Start at a place."""
        self.data = data
        self.start, self.end = place

    def number(self, size: int) -> int:
        """Read a number of `size` bytes, or raise a ValueError."""
        if self.start + size > self.end:
            raise ValueError
        value = int.from_bytes(self.data[self.start : self.start + size], "big")
        self.start += size
        return value

    def boxes(self) -> Iterator[tuple[bytes, Place]]:
        """Yield the kind and the content of each box that follows."""
        while self.start + 8 <= self.end:
            begin, size = self.start, self.number(4)
            kind = self.data[self.start : self.start + 4]
            self.start += 4
            if size == 1:
                size = self.number(8)
            stop = begin + size if size else self.end
            # The last one may be cut off, which its decoder will notice.
            yield kind, (self.start, min(stop, self.end))
            if stop <= begin:
                raise ValueError
            self.start = stop


def is_heif(data: bytes) -> bool:
    """Whether a file says that it is a still HEIC or AVIF picture."""
    return data[4:8] == b"ftyp" and data[8:12] in BRANDS


def heif_problem(data: bytes, max_megapixels: float) -> str | None:
    """Check a file before a decoder sees it.

    Args:
        data: the whole file, for which is_heif is true.
        max_megapixels: the largest image that is decoded.

    Returns:
        Why it should not be decoded; None if it may be.
    """
    most = max_megapixels * 1e6
    try:
        places = dict(Cursor(data, (0, len(data))).boxes())
        start, end = places[b"meta"]
        if end - start > LARGEST_META:
            raise ValueError
        primary, items, beside = _listed(data, (start + 4, end))
        costs: dict[int, int] = {}
        pixels = sum(_cost(items, number, costs, DEEPEST) for number in (primary, *beside))
        coded = [item for item in items.values() if item.kind in (b"hvc1", b"av01")]
        size = sum(end - start for item in coded for start, end in item.extents)
    except (ValueError, KeyError, IndexError):
        return "broken or unusual HEIC or AVIF image; save it as JPEG or PNG"
    if pixels > most * TIMES:
        return "HEIC or AVIF with parts of more megapixels than data.max_megapixels"
    if size > most * BYTES_PER_PIXEL:
        return "HEIC or AVIF with too much data, which would take too long to decode"
    return None


def _listed(data: bytes, meta: Place) -> tuple[int, Mapping[int, Item], Sequence[int]]:
    """The primary item, all items, and those beside the primary one, such as its transparency."""
    places = dict(Cursor(data, meta).boxes())
    cursor = Cursor(data, places[b"pitm"])
    primary = cursor.number(4 if cursor.number(4) >> 24 else 2)
    sizes = _sizes(data, places[b"iprp"])
    extents = _extents(Cursor(data, places[b"iloc"]), places.get(b"idat", (0, 0))[0], len(data))
    parts: dict[int, list[int]] = {}
    beside = []
    for kind, source, targets in _references(data, places.get(b"iref", (0, 0))):
        if kind == b"dimg":
            parts.setdefault(source, []).extend(targets)
        elif kind == b"auxl" and primary in targets:
            beside.append(source)
    items = {}
    for number, kind in _kinds(data, places[b"iinf"]):
        pixels, found = sizes.get(number, 0), extents.get(number, [])
        if kind == b"av01":
            stream = b"".join(data[start:end] for start, end in found)
            pixels = max(pixels, av1_pixels(stream))
        items[number] = Item(kind, pixels, found, parts.get(number, []))
    return primary, items, beside


def _cost(items: Mapping[int, Item], number: int, costs: dict[int, int], deepest: int) -> int:
    """The pixels that are decoded for an item."""
    if number not in costs:
        item = items[number]
        if not deepest or not (item.parts or item.pixels):
            raise ValueError
        parts = sum(_cost(items, part, costs, deepest - 1) for part in item.parts)
        costs[number] = parts or item.pixels
    return costs[number]


def _kinds(data: bytes, place: Place) -> Iterator[tuple[int, bytes]]:
    cursor = Cursor(data, place)
    cursor.number(4 if cursor.number(4) >> 24 else 2)
    for kind, inner in cursor.boxes():
        if kind == b"infe":
            entry = Cursor(data, inner)
            version = entry.number(4) >> 24
            number = entry.number(4 if version > 2 else 2)
            entry.number(2)
            yield number, data[entry.start : entry.start + 4] if version > 1 else b""


def _sizes(data: bytes, place: Place) -> dict[int, int]:
    """The pixels that items say they have."""
    boxes = list(Cursor(data, place).boxes())
    (listed,) = [inner for kind, inner in boxes if kind == b"ipco"]
    pixels = []
    for kind, inner in Cursor(data, listed).boxes():
        cursor = Cursor(data, inner)
        stated = kind == b"ispe" and cursor.number(4) == 0
        pixels.append(cursor.number(4) * cursor.number(4) if stated else 0)
    found: dict[int, int] = {}
    for kind, inner in boxes:
        if kind != b"ipma":
            continue
        cursor = Cursor(data, inner)
        version = cursor.number(4)
        width = 2 if version & 1 else 1
        for _ in range(cursor.number(4)):
            number = cursor.number(4 if version >> 24 else 2)
            for _ in range(cursor.number(1)):
                index = cursor.number(width) & (0x7FFF if width == 2 else 0x7F)
                if index:
                    found[number] = max(found.get(number, 0), pixels[index - 1])
    return found


def _extents(cursor: Cursor, idat: int, whole: int) -> dict[int, list[Place]]:
    """Where the data of each item are."""
    version = cursor.number(4) >> 24
    sizes = cursor.number(2)
    offset, length, base, index = ((sizes >> shift) & 15 for shift in (12, 8, 4, 0))
    wide = 2 if version < 2 else 4
    found: dict[int, list[Place]] = {}
    for _ in range(cursor.number(wide)):
        number = cursor.number(wide)
        method = cursor.number(2) & 15 if version else 0
        cursor.number(2)
        if method > 1:
            raise ValueError
        begin = cursor.number(base) + (idat if method else 0)
        extents = found.setdefault(number, [])
        for _ in range(cursor.number(2)):
            if version:
                cursor.number(index)
            start = begin + cursor.number(offset)
            size = cursor.number(length)
            if start + size > whole:  # cut off; libheif would fill the missing tiles with green
                raise ValueError
            extents.append((start, start + size if size else whole))
    return found


def _references(data: bytes, place: Place) -> Iterator[tuple[bytes, int, list[int]]]:
    """Each kind of reference, its source and its targets."""
    cursor = Cursor(data, place)
    if cursor.start == cursor.end:
        return
    wide = 4 if cursor.number(4) >> 24 else 2
    for kind, inner in cursor.boxes():
        entry = Cursor(data, inner)
        source = entry.number(wide)
        yield kind, source, [entry.number(wide) for _ in range(entry.number(2))]


def av1_pixels(stream: bytes) -> int:
    """The pixels of all frames of an AV1 stream (AV1 bitstream specification, section 5).

    Raises:
        ValueError: if it is broken, or of a kind that still pictures are not.
    """
    place, units, frame, pixels = 0, 0, 0, 0
    while place < len(stream):
        header = stream[place]
        place += 2 if header & 4 else 1
        size, shift = len(stream) - place, 0
        if header & 2:
            size = 0
            while True:
                byte = stream[place]
                size |= (byte & 0x7F) << shift
                place, shift = place + 1, shift + 7
                if byte < 0x80 or shift > 35:
                    break
        kind = (header >> 3) & 15
        if kind == 1:
            frame = _av1_frame(stream[place : place + min(size, 64)])
        elif kind in (3, 6):
            if not frame:
                raise ValueError
            pixels += frame
        place, units = place + size, units + 1
        if units > MOST_UNITS:
            raise ValueError
    return pixels


def _av1_frame(header: bytes) -> int:
    """The pixels of the largest frame after a sequence header."""
    bits, place = int.from_bytes(header, "big"), len(header) * 8

    def read(count: int) -> int:
        nonlocal place
        place -= count
        if place < 0:
            raise ValueError
        return (bits >> place) & ((1 << count) - 1)

    read(4)  # profile, still picture
    if read(1):  # reduced header
        read(5)
    else:
        if read(1):  # timing, of films
            raise ValueError
        delays = read(1)
        for _ in range(read(5) + 1):
            read(12)
            if read(5) > 7:
                read(1)
            if delays and read(1):
                read(4)
    widths, heights = read(4) + 1, read(4) + 1
    return (read(widths) + 1) * (read(heights) + 1)
