"""Measure how many planted marks are found, and how often honest photographs raise an alarm.

    python -m benchmarks.marks --data photos

photos has a folder for each class. Each draw takes --subset photographs of the classes, in any
order: once as they are, and once with a square of one colour in a corner of one class,
which is then written as JPEG.
"""

import argparse
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tabulate import tabulate

from ballast.core.images import image_array
from ballast.dataset.listing import list_files
from ballast.insight.marks import cell_colours, marks
from ballast.scores.explanations import Mark

SIZE = 160
SIDES = (16, 24, 32, 48)
Photographs = Mapping[str, NDArray[np.uint8]]  # by class, (n, SIZE, SIZE, 3)


def main() -> None:
    """Run the benchmark; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--subset", type=int, nargs="+", default=[3, 12, 30])
    parser.add_argument("--draws", type=int, default=40, help="for each side; default: 40")
    arguments = parser.parse_args()
    every = {
        folder.name: np.stack(
            [image_array((folder / name).read_bytes(), SIZE) for name in list_files(folder)]
        )
        for folder in sorted(arguments.data.iterdir())
        if folder.is_dir()
    }
    rows = []
    for side in (0, *SIDES):
        right = wrong = 0
        for draw in range(arguments.draws):
            random = np.random.default_rng([side, draw])
            photographs = drawn(every, arguments.subset, random)
            marked, class_ = planted(photographs, side, random)
            found = marks_of(marked)
            right += sum(one.class_ == class_ for one in found) if side else 0
            wrong += sum(one.class_ != class_ or not side for one in found)
        rows.append([side or "none", arguments.draws, right, wrong])
    headers = [f"side of {SIZE} pixels", "draws", "marks found", "false alarms"]
    print(tabulate(rows, headers=headers, tablefmt="github"))


def drawn(every: Photographs, subset: list[int], random: np.random.Generator) -> Photographs:
    """Choose photographs of each class at random."""
    sizes = random.permutation(subset).tolist()
    return {
        name: pixels[random.permutation(len(pixels))[:size]]
        for (name, pixels), size in zip(every.items(), sizes, strict=False)
    }


def planted(
    photographs: Photographs, side: int, random: np.random.Generator
) -> tuple[Photographs, str]:
    """Plant a square in the same corner of one class's photographs; return the class."""
    class_ = str(random.choice([*photographs]))
    ends = [slice(0, side), slice(SIZE - side, SIZE)]
    rows, columns = (ends[place] for place in random.integers(0, 2, 2))
    marked = photographs[class_].copy()
    if side:
        marked[:, rows, columns] = random.integers(0, 256, 3)
    return {**photographs, class_: np.stack([*map(as_jpeg, marked)])}, class_


def as_jpeg(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels as a JPEG file has them."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    return np.asarray(Image.open(file))


def marks_of(photographs: Photographs) -> list[Mark]:
    """The marks that are found."""
    return marks({name: cell_colours(pixels) for name, pixels in photographs.items()})


if __name__ == "__main__":
    main()
