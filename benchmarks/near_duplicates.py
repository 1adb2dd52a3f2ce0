"""Measure the recall and the false positives of the search for near duplicates.

    python -m benchmarks.near_duplicates photos
    python -m benchmarks.near_duplicates photos --bits 24 31 48

Copies every photograph of a folder in several ways, and counts the copies that are matched to their
originals. Prints the share for each kind of copy and number of bits, and how many of the folder's
own photographs count as copies of each other. Then prints the median time of 5 searches among
random hashes, which should grow little faster than the number of pictures.
"""

import argparse
import io
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from tabulate import tabulate

from ballast.core.images import ImageError, decode_image, without_warnings
from ballast.dataset.duplicates import HASHES, HashTable, find_copies, perceptual_hashes
from ballast.dataset.listing import list_files


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Compress and read again."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def scaled(width: float, height: float) -> Callable[[Image.Image], Image.Image]:
    """Resize to the given shares of width and height."""
    return lambda image: image.resize((round(image.width * width), round(image.height * height)))


def cut(left: float, top: float, right: float, bottom: float) -> Callable[..., Image.Image]:
    """Crop the given shares of the size off the sides."""

    def crop(image: Image.Image) -> Image.Image:
        width, height = image.size
        right_edge, bottom_edge = round(width * (1 - right)), round(height * (1 - bottom))
        return image.crop((round(width * left), round(height * top), right_edge, bottom_edge))

    return crop


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "the same": lambda image: image,
    "JPEG, quality 90": lambda image: jpeg(image, 90),
    "JPEG, quality 40": lambda image: jpeg(image, 40),
    "half the size": scaled(0.5, 0.5),
    "twice the size": scaled(2, 2),
    "squeezed by a fifth": scaled(1, 0.8),
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "mirrored, then JPEG": lambda image: jpeg(ImageOps.mirror(image), 60),
    "brighter by 15 %": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "3 % off every side": cut(0.03, 0.03, 0.03, 0.03),
    "7 % off every side": cut(0.07, 0.07, 0.07, 0.07),
    "5 % off the left": cut(0.05, 0, 0, 0),
    "5 % off top and right": cut(0, 0.05, 0.05, 0),
    "5 % off, smaller and JPEG": lambda image: jpeg(
        scaled(0.8, 0.8)(cut(0.05, 0.05, 0.05, 0.05)(image)), 60
    ),
}


def main() -> None:
    """Run the benchmark; print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="any folder of photographs")
    parser.add_argument("--bits", type=int, nargs="+", default=[31])
    parser.add_argument(
        "--most", type=int, default=300, help="maximum number of photographs, drawn at random"
    )
    parser.add_argument("--counts", type=int, nargs="*", default=[1000, 4000, 16000])
    arguments = parser.parse_args()

    photos = read_photos(arguments.folder, arguments.most)
    originals = hashed(photos)
    rows = [
        [way, *(f"{share_found(originals, photos, COPIES[way], b):.3f}" for b in arguments.bits)]
        for way in COPIES
    ]
    others = [f"{(find_copies(originals, b)[1] <= b).sum()}" for b in arguments.bits]
    rows.append([f"of the {len(photos)} originals, counted as copies", *others])
    print(tabulate(rows, headers=["copy", *(f"{b} bits" for b in arguments.bits)]))
    print()
    rows = [[count, f"{search_seconds(count):.2f}"] for count in arguments.counts]
    print(tabulate(rows, headers=["pictures", "search, s"]))


def read_photos(folder: Path, most: int) -> list[Image.Image]:
    """Read at most `most` photographs, drawn at random."""
    paths = random.Random(0).sample(files := list_files(folder), len(files))
    photos = []
    for path in paths:
        try:
            with without_warnings():
                photos.append(decode_image((folder / path).read_bytes(), 30))
        except ImageError:
            continue
        if len(photos) == most:
            break
    return photos


def share_found(
    originals: NDArray[np.uint8],
    photos: Sequence[Image.Image],
    make_copy: Callable[[Image.Image], Image.Image],
    bits: int,
) -> float:
    """The share of copies that are matched to their originals, 0 to 1."""
    copies = hashed([make_copy(photo) for photo in photos])
    sets, *_ = find_copies(np.concatenate([originals, copies]), bits)
    return float(np.mean(sets[: len(photos)] == sets[len(photos) :]))


def hashed(photos: Sequence[Image.Image]) -> NDArray[np.uint8]:
    """The hashes of photographs, a row each."""
    table = HashTable()
    for photo in photos:
        table.append(perceptual_hashes(photo))
    return table.rows()


def search_seconds(count: int) -> float:
    """The median time of 5 searches among `count` pictures with random hashes."""
    generator = np.random.default_rng(0)
    hashes = generator.integers(0, 256, (count, 32 * HASHES), np.uint8)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        find_copies(hashes, 31)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
