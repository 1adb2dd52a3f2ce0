"""Images in memory, with the class of each."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from ballast.images import image_array
from ballast.manifest import Row, read_photo

T = TypeVar("T")


class ImageSet(NamedTuple):
    """n square RGB images."""

    pixels: NDArray[np.uint8]  # (n, size, size, 3)
    labels: NDArray[np.int64]  # (n,), index into the class names


def photo_set(
    raw: Path, rows: Sequence[Row], classes: Sequence[str], size: int, workers: int
) -> ImageSet:
    """Load photographs of the manifest, in the order of `rows`.

    Args:
        raw: the folder that the rows' paths are relative to.
        rows: none or more.
        classes: class names in the order of the network's outputs.
        size: side in pixels.
        workers: files at a time.

    Raises:
        UserError: as read_photo does.
    """

    def load(row: Row) -> NDArray[np.uint8]:
        return image_array(read_photo(raw, row), size)

    labels = [classes.index(row.class_) for row in rows]
    return _image_set(load, rows, labels, size, workers)


def folder_set(folder: Path, classes: Sequence[str], size: int, workers: int) -> ImageSet:
    """Load every image of <folder>/<class>/, sorted by class and name.

    Args:
        folder: as the oversample stage writes it.
        classes: class names in the order of the network's outputs.
        size: side in pixels.
        workers: files at a time.
    """

    def load(path: Path) -> NDArray[np.uint8]:
        return image_array(path.read_bytes(), size)

    paths = [
        (label, path) for label, name in enumerate(classes) for path in (folder / name).iterdir()
    ]
    paths.sort()
    return _image_set(
        load, [path for _, path in paths], [label for label, _ in paths], size, workers
    )


def _image_set(
    load: Callable[[T], NDArray[np.uint8]],
    sources: Sequence[T],
    labels: Sequence[int],
    size: int,
    workers: int,
) -> ImageSet:
    # Filled in place: a list of arrays stacked at the end would need the memory twice.
    pixels = np.empty((len(sources), size, size, 3), dtype=np.uint8)

    def fill(index: int, source: T) -> None:
        pixels[index] = load(source)

    Parallel(n_jobs=workers, backend="threading")(
        delayed(fill)(index, source) for index, source in enumerate(sources)
    )
    return ImageSet(pixels, np.array(labels, dtype=np.int64))
