"""Images in memory, with the class of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from ballast.images import image_array
from ballast.manifest import AugmentedRow, Row, read_image


class ImageSet(NamedTuple):
    """n square RGB images."""

    pixels: NDArray[np.uint8]  # (n, size, size, 3)
    labels: NDArray[np.int64]  # (n,), index into the class names


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
    # Filled in place: a list of arrays stacked at the end would need the memory twice.
    pixels = np.empty((len(rows), size, size, 3), dtype=np.uint8)

    def fill(index: int, row: Row | AugmentedRow) -> None:
        pixels[index] = image_array(read_image(folder, row), size)

    Parallel(n_jobs=workers, backend="threading")(
        delayed(fill)(index, row) for index, row in enumerate(rows)
    )
    labels = [classes.index(row.class_) for row in rows]
    return ImageSet(pixels, np.array(labels, dtype=np.int64))
