"""Images for the network, with the class of each: in memory, or read whenever they are needed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.images import image_array
from ballast.core.manifest import AugmentedRow, Row, read_image
from ballast.workers.threads import ahead

LOADED_AT_A_TIME = 16


class ImageSet(NamedTuple):
    """n square RGB images, or what a backbone made of them."""

    pixels: NDArray[Any]  # uint8, (n, size, size, 3); or float32 features, (n, d)
    labels: NDArray[np.int64]  # (n,), index into the class names


class ImageFiles(NamedTuple):
    """n images that are left in their files, and decoded whenever they are asked for."""

    read: Callable[[int], bytes]  # the file of an image by its index, checked against its hash
    labels: NDArray[np.int64]  # (n,), index into the class names
    size: int  # side in pixels
    workers: int  # files at a time


def image_files(
    read: Callable[[Any], bytes],
    rows: Sequence[Row | AugmentedRow],
    classes: Sequence[str],
    size: int,
    workers: int,
) -> ImageFiles:
    """Listed images, and no others, in the order of `rows`.

    Args:
        read: gives the file of a row, checked.
        rows: none or more.
        classes: class names in the order of the network's outputs.
        size: side in pixels that the images are resized to.
        workers: files at a time.
    """
    index = {name: number for number, name in enumerate(classes)}
    labels = np.array([index[row.class_] for row in rows], dtype=np.int64)
    return ImageFiles(lambda chosen: read(rows[chosen]), labels, size, workers)


def load_images(
    folder: Path,
    rows: Sequence[Row | AugmentedRow],
    classes: Sequence[str],
    size: int,
    workers: int,
) -> ImageSet:
    """Load listed images, and no others, in the order of `rows`.

    Args:
        folder: what the rows' paths are relative to.
        rows: none or more.
        classes: class names in the order of the network's outputs.
        size: side in pixels.
        workers: files at a time.

    Raises:
        UserError: as read_image does.
    """
    return _loaded(image_files(partial(read_image, folder), rows, classes, size, workers))


def load_within(memory: int, *sets: ImageFiles) -> list[ImageSet | ImageFiles]:
    """Load each set that still fits, in their order, and leave the others in their files.

    A set is loaded whole or not at all: of one that is shown in another order every epoch, a part
    in memory would save that part of the work and no more, and take up all of the budget.

    Args:
        memory: bytes that the pixels may take up.
        sets: of images.

    Raises:
        UserError: as the files' `read` does.
    """
    loaded: list[ImageSet | ImageFiles] = []
    for files in sets:
        needed = len(files.labels) * files.size**2 * 3
        loaded.append(_loaded(files) if needed <= memory else files)
        memory -= needed if needed <= memory else 0
    return loaded


def _loaded(files: ImageFiles) -> ImageSet:
    # Filled in place: a list of arrays stacked at the end would need the memory twice.
    pixels = np.empty((len(files.labels), files.size, files.size, 3), dtype=np.uint8)
    filled = 0
    for images in pixel_batches(files, ordered_batches(len(pixels), LOADED_AT_A_TIME)):
        pixels[filled : filled + len(images)] = images
        filled += len(images)
    return ImageSet(pixels, files.labels)


def batch_shape(images: ImageSet | ImageFiles) -> tuple[int | None, ...]:
    """The shape of a batch of any number of images."""
    if isinstance(images, ImageFiles):
        return (None, images.size, images.size, 3)
    return (None, *images.pixels.shape[1:])


def ordered_batches(count: int, batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Indices of `count` images in their order, batch after batch; the last may be smaller."""
    for start in range(0, count, batch_size):
        yield np.arange(start, min(start + batch_size, count))


def pixel_batches(
    images: ImageSet | ImageFiles, batches: Iterable[NDArray[np.int64]]
) -> Iterator[NDArray[np.uint8]]:
    """Look up the images of batch after batch.

    From files, `workers` + 1 batches are decoded ahead, in threads: Pillow decodes without
    Python's lock. Memory does not depend on the number of images.

    Args:
        images: n of them.
        batches: indices of each batch, shape (b,), 0 to n - 1; may be endless.

    Yields:
        uint8 RGB, shape (b, size, size, 3), in the order of `batches`.

    Raises:
        UserError: as the files' `read` does.
    """
    if isinstance(images, ImageFiles):
        yield from ahead(partial(_decode, images), batches, images.workers, images.workers + 1)
    else:
        for indices in batches:
            yield images.pixels[indices]


def _decode(files: ImageFiles, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    pixels = np.empty((len(indices), files.size, files.size, 3), dtype=np.uint8)
    for place, index in enumerate(indices.tolist()):
        pixels[place] = image_array(files.read(index), files.size)
    return pixels
