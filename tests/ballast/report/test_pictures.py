"""Which images a page shows, and how small."""

import io

import numpy as np
import pytest
from PIL import Image

from ballast.core.images import ImageError
from ballast.core.manifest import AugmentedRow
from ballast.report.pictures import SIDE, Mistake, confident_mistakes, contact_rows, thumbnail
from ballast.scores.predictions import Predictions


def image(width: int, height: int, kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(file, kind)
    return file.getvalue()


def test_mistakes_come_by_how_sure_they_were_then_by_path() -> None:
    probabilities = [[0.6, 0.4], [0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.9, 0.1]]
    predictions = Predictions(
        ["a", "b"], ["5", "4", "3", "2", "1"], ["b", "b", "a", "a", "b"], np.array(probabilities)
    )
    mistakes = [
        Mistake("1", "b", "a", 0.9),
        Mistake("4", "b", "a", 0.9),
        Mistake("2", "a", "b", 0.8),
        Mistake("5", "b", "a", 0.6),
    ]
    assert confident_mistakes(predictions, 10) == mistakes
    assert confident_mistakes(predictions, 2) == mistakes[:2]


def test_a_contact_sheet_is_of_one_photograph_in_the_order_of_its_rounds() -> None:
    rows = [
        AugmentedRow(f"{class_}/{source}-r{round_}.jpg", class_, f"{class_}/{source}", round_, "")
        for round_ in (2, 0, 1)
        for class_ in ("b", "a")
        for source in ("2.jpg", "1.jpg")
    ]
    sheets = contact_rows(rows, 2)
    assert list(sheets) == ["a", "b"]
    assert [(row.source, row.round_) for row in sheets["b"]] == [("b/1.jpg", 0), ("b/1.jpg", 1)]
    assert [row.round_ for row in contact_rows(rows, 9)["a"]] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_thumbnail_is_a_small_jpeg_of_the_same_aspect(kind: str) -> None:
    small = Image.open(io.BytesIO(thumbnail(image(800, 400, kind))))
    assert small.format == "JPEG"
    assert small.size == (SIDE, SIDE // 2)


def test_a_small_jpeg_stays_as_it_is_and_nothing_is_enlarged() -> None:
    data = image(64, 64, "JPEG")
    assert thumbnail(data) == data
    assert Image.open(io.BytesIO(thumbnail(image(64, 32, "PNG")))).size == (64, 32)


def test_what_is_no_image_is_an_error() -> None:
    with pytest.raises(ImageError):
        thumbnail(b"\xff\xd8 no image")
