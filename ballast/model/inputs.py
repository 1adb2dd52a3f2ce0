"""Labelled images for the network, held in memory or decoded on demand."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.greys import Range
from ballast.core.images import image_array
from ballast.core.manifest import AugmentedRow, Row, image_reader
from ballast.workers.threads import ahead

LOADED_AT_A_TIME = 16
Places = NDArray[np.int64] | Sequence[int]


class ImageSet(NamedTuple):
    """n square RGB images in memory, or the features that a backbone computed from them."""

    pixels: NDArray[Any]  # uint8, (n, size, size, 3); or float32 features, (n, d)
    labels: NDArray[np.int64]  # (n,), indices into the class names


class ImageFiles(NamedTuple):
    """n images that stay in their files and are decoded on demand."""

    read: Callable[[int], bytes]  # reads an image's file by index and verifies its hash
    labels: NDArray[np.int64]  # (n,), indices into the class names
    size: int  # side in pixels
    workers: int  # number of files read at a time
    paths: Sequence[str]  # n, for error messages
    greys: Range | None = None  # of the data set's deep greys


def image_files(
    read: Callable[[Any], bytes],
    rows: Sequence[Row | AugmentedRow],
    classes: Sequence[str],
    size: int,
    workers: int,
    greys: Range | None = None,
) -> ImageFiles:
    """Make an ImageFiles of the listed images, in the order of `rows`.

    Args:
        read: reads the file of a row and verifies it.
        rows: rows of an image list; may be empty.
        classes: class names in the order of the network's outputs.
        size: side in pixels that images are resized to.
        workers: number of files read at a time.
        greys: the range of the data set's deep greys.
    """
    index = {name: number for number, name in enumerate(classes)}
    labels = np.array([index[row.class_] for row in rows], dtype=np.int64)
    paths = [row.path for row in rows]
    return ImageFiles(lambda chosen: read(rows[chosen]), labels, size, workers, paths, greys)


def load_images(
    folder: Path,
    rows: Sequence[Row | AugmentedRow],
    classes: Sequence[str],
    size: int,
    workers: int,
) -> ImageSet:
    """Load the listed images into memory, in the order of `rows`.

    Args:
        folder: folder that the paths of the rows are relative to.
        rows: rows of an image list; may be empty.
        classes: class names in the order of the network's outputs.
        size: side in pixels that images are resized to.
        workers: number of files read at a time.

    Raises:
        UserError: as the function of image_reader does.
    """
    return _loaded(image_files(image_reader(folder), rows, classes, size, workers))


def load_within(memory: int, *sets: ImageFiles) -> list[ImageSet | ImageFiles]:
    """Load each set that fits into the remaining memory, in order; leave the others in their files.

    A set is loaded completely or not at all. Training reads images in another order each epoch, so
    a partly loaded set would use the whole budget and save only its share of the decoding.

    Args:
        memory: maximum number of bytes for pixels.
        sets: sets of images.

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
    # Filled in place: stacking a list of arrays at the end would need twice the memory.
    pixels = np.empty((len(files.labels), files.size, files.size, 3), dtype=np.uint8)
    filled = 0
    for images in pixel_batches(files, ordered_batches(len(pixels), LOADED_AT_A_TIME)):
        pixels[filled : filled + len(images)] = images
        filled += len(images)
    return ImageSet(pixels, files.labels)


def batch_shape(images: ImageSet | ImageFiles) -> tuple[int | None, ...]:
    """Shape of a batch, with None for the number of images."""
    if isinstance(images, ImageFiles):
        return (None, images.size, images.size, 3)
    return (None, *images.pixels.shape[1:])


def ordered_batches(count: int, batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of `count` images in order, batch by batch; the last may be smaller."""
    for start in range(0, count, batch_size):
        yield np.arange(start, min(start + batch_size, count))


def pixel_batches(
    images: ImageSet | ImageFiles, batches: Iterable[Places]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the pixels of each batch.

    Images in files are decoded in threads, `workers` + 1 batches ahead; Pillow releases the GIL
    while it decodes. Memory use does not depend on the number of images.

    Args:
        images: n images.
        batches: indices of each batch, b from 0 to n - 1; may be endless.

    Yields:
        uint8 RGB, shape (b, size, size, 3), in the order of `batches`.

    Raises:
        UserError: as the files' `read` does.
    """
    if isinstance(images, ImageFiles):
        yield from ahead(partial(decoded, images), batches, images.workers, images.workers + 1)
    else:
        for indices in batches:
            yield images.pixels[indices]


def decoded(files: ImageFiles, indices: Places) -> NDArray[np.uint8]:
    """The pixels of the images at some places, RGB of shape (b, size, size, 3).

    Raises:
        UserError: as the files' `read` does.
    """
    pixels = np.empty((len(indices), files.size, files.size, 3), dtype=np.uint8)
    for place, index in enumerate(indices):
        pixels[place] = image_array(files.read(index), files.size, files.greys)
    return pixels
