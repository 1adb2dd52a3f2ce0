"""Images in memory or in files give the same pixels, within the memory budget."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ballast.core.errors import UserError
from ballast.core.manifest import AugmentedRow
from ballast.model.inputs import (
    ImageFiles,
    ImageSet,
    image_files,
    load_images,
    load_within,
    ordered_batches,
    pixel_batches,
)

CLASSES = ["one", "two", "zero"]
SIZE = 16
IMAGE = SIZE * SIZE * 3  # bytes of an image in memory


@pytest.fixture(scope="module")
def files(digits: dict[str, list[bytes]]) -> ImageFiles:
    """Sixty digits."""
    rows = [
        AugmentedRow(f"{name}/{number}.png", name, "", 0, "")
        for number in range(20)
        for name in digits
    ]
    data = {row.path: digits[row.class_][int(row.path.split("/")[1][:-4])] for row in rows}
    return image_files(lambda row: data[row.path], rows, CLASSES, SIZE, workers=3)


@pytest.fixture(scope="module")
def loaded(files: ImageFiles) -> ImageSet:
    (images,) = load_within(60 * IMAGE, files)
    assert isinstance(images, ImageSet)
    return images


def test_labels_are_places_in_the_list_of_classes(files: ImageFiles) -> None:
    assert files.labels[:3].tolist() == [CLASSES.index(name) for name in ("zero", "one", "two")]


@settings(max_examples=30)
@given(batches=st.lists(st.lists(st.integers(0, 59), min_size=1, max_size=9), max_size=20))
def test_files_give_the_pixels_that_memory_gives_in_whatever_order(
    files: ImageFiles, loaded: ImageSet, batches: list[list[int]]
) -> None:
    chosen = [np.array(batch) for batch in batches]
    pairs = zip(pixel_batches(files, chosen), pixel_batches(loaded, chosen), strict=True)
    shapes = []
    for streamed, kept in pairs:
        assert np.array_equal(streamed, kept)
        shapes.append(streamed.shape)
    assert shapes == [(len(batch), SIZE, SIZE, 3) for batch in batches]


@pytest.mark.parametrize(
    ("images", "kept"),
    [(0, [False, False]), (4, [False, True]), (60, [True, False]), (64, [True, True])],
)
def test_a_set_is_loaded_where_it_fits_in_what_is_left(
    files: ImageFiles, images: int, kept: list[bool]
) -> None:
    few = files._replace(labels=files.labels[:4])
    sets = load_within(images * IMAGE, files, few)
    assert [isinstance(each, ImageSet) for each in sets] == kept
    assert [len(each.labels) for each in sets] == [60, 4]


@pytest.mark.parametrize("workers", [1, 3])
def test_however_slowly_batches_are_taken_few_are_ahead(files: ImageFiles, workers: int) -> None:
    read: list[int] = []

    def reading(index: int) -> bytes:
        read.append(index)
        return files.read(index)

    endless = (np.array([number % 60, 0]) for number in itertools.count())
    batches = pixel_batches(files._replace(read=reading, workers=workers), endless)
    for taken in range(1, 30):
        next(batches)
        assert len(read) <= 2 * (taken + workers + 1)
    batches.close()  # type: ignore[attr-defined]  # a generator


def test_an_image_that_cannot_be_read_ends_its_batch_and_no_earlier_one(files: ImageFiles) -> None:
    def reading(index: int) -> bytes:
        if index == 6:
            raise UserError("gone")
        return files.read(index)

    batches = pixel_batches(files._replace(read=reading), ordered_batches(60, 4))
    assert len(next(batches)) == 4
    with pytest.raises(UserError, match="gone"):
        next(batches)


def test_ordered_batches_name_every_image_once() -> None:
    assert [batch.tolist() for batch in ordered_batches(5, 2)] == [[0, 1], [2, 3], [4]]
    assert [*ordered_batches(0, 2)] == []


def test_a_folder_is_loaded_as_its_list_says(
    write_digits: Callable[..., None], tmp_path: Path
) -> None:
    write_digits(tmp_path, zero=2)
    row = AugmentedRow("zero/001.png", "zero", "", 0, "00" * 32)
    with pytest.raises(UserError, match=r"zero/001\.png: changed since it was listed"):
        load_images(tmp_path, [row], CLASSES, SIZE, 1)
    assert len(load_images(tmp_path, [], CLASSES, SIZE, 1).pixels) == 0
