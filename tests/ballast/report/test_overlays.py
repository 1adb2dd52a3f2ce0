"""Overlays: brightness and a line show where evidence is, in the same bytes everywhere."""

import hashlib
import io
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ballast.report.overlays import DARKEST, overlay, overlay_jpeg

WIDTH, HEIGHT = 60, 40


def photograph(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Made of whole numbers, so it is the same on every machine."""
    y, x = np.indices((height, width))
    return Image.fromarray(np.stack([x * 3 % 256, y * 5 % 256, (x + y) % 256], 2).astype(np.uint8))


def strength(*rows: list[int]) -> NDArray[np.uint8]:
    return np.array(rows, dtype=np.uint8)


def test_full_evidence_leaves_the_photograph_as_it_is() -> None:
    assert overlay(photograph(), strength([255, 255], [255, 255])) == photograph()


def test_without_evidence_it_is_dark_and_grey_but_can_be_recognised() -> None:
    found = np.asarray(overlay(photograph(), strength([0, 0], [0, 0])), dtype=int)
    grey = np.asarray(photograph().convert("L"), dtype=int)
    assert (found == found[:, :, :1]).all()
    assert np.abs(found[:, :, 0] - grey * DARKEST / 255).max() < 1


def test_a_line_in_black_and_white_encloses_the_strongest_part() -> None:
    plain = Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 60))
    found = np.asarray(overlay(plain, strength([255, 0, 0], [255, 0, 0])))
    row = found[HEIGHT // 2].tolist()
    white, black = row.index([255, 255, 255]), row.index([0, 0, 0])
    assert 0 < black < white < WIDTH / 2
    assert (found[:, 0] != 255).all()  # the picture's own border is none of the line


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 6), st.randoms())
def test_it_has_the_size_of_the_photograph(
    width: int, height: int, side: int, random: Random
) -> None:
    cells = strength(*([random.randrange(256) for _ in range(side)] for _ in range(side)))
    assert overlay(photograph(width, height), cells).size == (width, height)


def test_the_pixels_are_the_same_on_every_machine() -> None:
    found = overlay(photograph(), strength([0, 90, 200], [10, 255, 30], [0, 0, 140]))
    assert hashlib.sha256(found.tobytes()).hexdigest() == (
        "5a97ae871098f86affc601b3c75bb417a67c0090b3b75b5aa235215ba3618bd2"
    )


def test_a_thumbnail_becomes_a_jpeg_of_its_size() -> None:
    file = io.BytesIO()
    photograph().convert("L").save(file, "JPEG")
    made = overlay_jpeg(file.getvalue(), strength([0, 255], [0, 0]))
    with Image.open(io.BytesIO(made)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (WIDTH, HEIGHT))
