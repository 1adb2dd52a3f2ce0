"""Packs training images into a few tar files, and reads them without unpacking.

Every computer can list and unpack tar files, and tools such as webdataset read them directly. They
are not compressed, so each image is a contiguous range of bytes in its shard.
"""

import tarfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from ballast.core.errors import UserError
from ballast.core.files import intact
from ballast.core.manifest import AugmentedRow, Row, checked_image, image_reader
from ballast.core.shards import Stretch, read_stretch, tar_files

# About 12 MB of JPEG at quality 95: 96 shards for 20,000 images of 224 pixels (docs/packing.md).
SHARD_PIXELS = 2**24
ROUND_BITS, HASH_BITS = 32, 64
KEY_BITS = ROUND_BITS + HASH_BITS


def shard_names(
    plan: Iterable[tuple[Row, int]], size: int, shard_pixels: int = SHARD_PIXELS
) -> dict[tuple[str, int], str]:
    """Assign images to shards so that adding or removing an image changes only one shard.

    It uses extendible hashing (Fagin et al. 1979, ACM TODS 4(3)). An image's key is its round,
    followed by its photograph's hash. A shard contains the keys with a common prefix of bits; if
    there are too many, it is split in two, by one more bit. Adding an image therefore enlarges or
    splits one shard, and adding a round to every photograph leaves the full shards of earlier
    rounds unchanged.

    Args:
        plan: photographs with their numbers of rounds.
        size: side of the images in pixels.
        shard_pixels: maximum number of pixels of all images in a shard.

    Returns:
        The shard's file name by the photograph's sha256 and the round. It contains the first round
        in the shard and, if a round fills more than one shard, the first bits of the hashes.
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
    """Yield the start, stop and name of each shard among the keys with one prefix."""
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
    """Append a file to a shard; its header contains only name and length.

    Args:
        shard: path of the tar file, which need not exist yet.
        path: name of the file in the shard.
        data: content of the file.
    """
    header = tarfile.TarInfo(path)
    header.size = len(data)
    with shard.open("ab") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE))


def close_shard(shard: Path) -> None:
    """Write the end marker of a shard, without which tar reports a truncated file."""
    with shard.open("ab") as file:
        file.write(bytes(2 * tarfile.BLOCKSIZE))


def training_image_reader(folder: Path) -> Callable[[AugmentedRow], bytes]:
    """Make a function that reads the training images in a folder, packed or not.

    Returns:
        A function that takes a row of the list of training images, and returns the image's file
        after checking it against its hash. It raises UserError like that of image_reader.

    Raises:
        UserError: if a shard is not a tar file.
    """
    stretches = {
        path: stretch for shard in sorted(folder.glob("*.tar")) for path, stretch in _images(shard)
    }
    return partial(_read_packed, stretches) if stretches else image_reader(folder)


def _images(shard: Path) -> Iterator[tuple[str, Stretch]]:
    with intact(shard):
        try:
            yield from ((path, found) for path, found in tar_files(shard) if found)
        except OSError as error:
            raise ValueError(error) from None


def _read_packed(stretches: Mapping[str, Stretch], row: AugmentedRow) -> bytes:
    if row.path not in stretches:
        raise UserError(f"{row.path}: not in any shard of data/augmented; run dvc repro again")
    stretch = stretches[row.path]
    try:
        data = read_stretch(stretch)
    except OSError as error:
        raise UserError(f"{stretch.shard}: {error.strerror}; run dvc repro again") from None
    return checked_image(data, row, f"{stretch.shard}: {row.path}")
