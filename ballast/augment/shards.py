"""Training images packed into a few tar files, and read from them without unpacking.

tar, since every computer can list and unpack it, and webdataset and its like read it as it is. It
is not compressed, so an image is a stretch of its shard, as it was written.
"""

import tarfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ballast.core.errors import UserError
from ballast.core.files import intact
from ballast.core.manifest import AugmentedRow, Row, checked_image, read_image

# About 12 MB of JPEG at quality 95: 96 shards for 20,000 images of 224 pixels (docs/packing.md).
SHARD_PIXELS = 2**24
ROUND_BITS, HASH_BITS = 32, 64
KEY_BITS = ROUND_BITS + HASH_BITS


class Stretch(NamedTuple):
    """Where an image's file is."""

    shard: Path
    start: int  # bytes
    size: int  # bytes


def shard_names(
    plan: Iterable[tuple[Row, int]], size: int, shard_pixels: int = SHARD_PIXELS
) -> dict[tuple[str, int], str]:
    """Share images out over shards so that an image more or less changes one shard.

    Extendible hashing (Fagin et al. 1979, ACM TODS 4(3)): an image's key is its round, then its
    photograph's hash. A shard holds the keys that begin with some bits; where they are too many,
    two shards with a bit more take its place. So which images share a shard depends on the images
    of that shard alone: one more, and it grows or falls in two; and a round more for all leaves
    the full shards of the rounds before as they were.

    Args:
        plan: photographs with their numbers of rounds.
        size: side of the images in pixels.
        shard_pixels: the most that the images of a shard have, together.

    Returns:
        By sha256 of the photograph and round, the shard's file name: the first round in it and,
        where a round fills more than one shard, the first bits of the hashes.
    """
    keys = {
        (row.sha256, round_): round_ << HASH_BITS | int(row.sha256[:16], 16)
        for row, rounds in plan
        for round_ in range(rounds)
    }
    ordered, names = sorted(keys.values()), dict[int, str]()
    most = max(1, shard_pixels // size**2)
    for start, stop, name in _leaves(ordered, 0, len(ordered), 0, 0, most):
        names |= dict.fromkeys(ordered[start:stop], name)
    return {image: names[key] for image, key in keys.items()}


def _leaves(
    keys: list[int], start: int, stop: int, prefix: int, depth: int, most: int
) -> Iterator[tuple[int, int, str]]:
    """Where each shard's keys start and stop, and its name, among those of one prefix."""
    left = KEY_BITS - depth
    if start == stop:
        return
    if stop - start <= most or not left:
        bits = f"{prefix:0{depth}b}"[ROUND_BITS:]
        first_round = prefix << left >> HASH_BITS
        yield start, stop, f"shard-r{first_round:03d}{'-' if bits else ''}{bits}.tar"
        return
    middle = bisect_left(keys, (2 * prefix + 1) << (left - 1), start, stop)
    yield from _leaves(keys, start, middle, 2 * prefix, depth + 1, most)
    yield from _leaves(keys, middle, stop, 2 * prefix + 1, depth + 1, most)


def append_image(shard: Path, path: str, data: bytes) -> None:
    """Append a file to a shard, with nothing in its header but name and length.

    Args:
        shard: may be new.
        path: the file's name in it.
        data: the file.
    """
    header = tarfile.TarInfo(path)
    header.size = len(data)
    with shard.open("ab") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE))


def close_shard(shard: Path) -> None:
    """Mark a shard's end: tar says that it is cut off otherwise."""
    with shard.open("ab") as file:
        file.write(bytes(2 * tarfile.BLOCKSIZE))


def image_reader(folder: Path) -> Callable[[AugmentedRow], bytes]:
    """How to read the training images of a folder, packed or not.

    Returns:
        A function from a row of their list to the image's file, checked against its hash; it
        raises UserError as read_image does.

    Raises:
        UserError: where a shard is no tar file.
    """
    stretches = {
        path: stretch for shard in sorted(folder.glob("*.tar")) for path, stretch in _images(shard)
    }
    return partial(_read_packed, stretches) if stretches else partial(read_image, folder)


def _images(shard: Path) -> Iterator[tuple[str, Stretch]]:
    with intact(shard):
        try:
            with tarfile.open(shard, "r:") as archive:
                for file in archive:
                    yield file.name, Stretch(shard, file.offset_data, file.size)
        except (tarfile.TarError, OSError) as error:
            raise ValueError(error) from None


def _read_packed(stretches: Mapping[str, Stretch], row: AugmentedRow) -> bytes:
    if row.path not in stretches:
        raise UserError(f"{row.path}: not in any shard of data/augmented; run dvc repro again")
    shard, start, size = stretches[row.path]
    try:
        with shard.open("rb", buffering=0) as file:
            file.seek(start)
            data = file.read(size)
    except OSError as error:
        raise UserError(f"{shard}: {error.strerror}; run dvc repro again") from None
    return checked_image(data, row, f"{shard}: {row.path}")
