"""One range of values makes the deep greys of all images comparable."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ballast.core.errors import UserError
from ballast.core.greys import (
    ROWS,
    as_range,
    range_of_all,
    read_range,
    share_used,
    to_8_bits,
    typical_range,
    whole_range,
)
from ballast.core.images import decode_image, image_array, inspect_image


def tiff(values: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    return file.getvalue()


@pytest.mark.parametrize(
    ("values", "greys", "expected"),
    [
        (np.array([0, 2048, 4095, 9000], np.uint16), (0, 4095), [0, 128, 255, 255]),
        (np.array([-1024, 0, 1023.5, 3071], np.float32), (-1024, 3071), [0, 64, 128, 255]),
        (np.array([-2000, -1024, 3071, 5000], np.int32), (-1024, 3071), [0, 0, 255, 255]),
        (np.array([0, 300, 500, 1000], np.float32), (0, 1000), [0, 76, 128, 255]),
        (np.array([np.nan, -np.inf, 2000, np.inf], np.float32), (1000, 3000), [0, 0, 128, 255]),
        (np.array([0, 0.25, 0.5, 1], np.float32), None, [0, 64, 128, 255]),
        (np.array([0, 16448, 32896, 65535], np.uint16), None, [0, 64, 128, 255]),
    ],
)
def test_a_range_is_black_to_white(
    values: NDArray[np.generic], greys: tuple[float, float] | None, expected: list[int]
) -> None:
    pixels = np.asarray(decode_image(tiff(values[None]), greys=greys))
    assert pixels.tolist() == [[[grey] * 3 for grey in expected]]


def test_equal_values_are_equal_greys_in_every_image() -> None:
    dark, bright = (np.full((4, 4), value, np.uint16) for value in (100, 4000))
    bright[0, 0] = dark[0, 0] = 1000
    found = [image_array(tiff(values), 4, (0, 4095))[0, 0, 0] for values in (dark, bright)]
    assert found == [62, 62]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_8_bits_are_the_same_with_any_range(kind: str) -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").save(file, kind)
    plain, ranged = (decode_image(file.getvalue(), greys=greys) for greys in (None, (0, 4095)))
    assert ranged.tobytes() == plain.tobytes()
    assert inspect_image(file.getvalue(), 1).greys is None


def test_every_row_is_converted() -> None:
    values = np.arange(2 * ROWS + 5, dtype=np.uint16)[:, None]
    expected = np.rint(values * (255 / values.max()))
    assert np.array_equal(to_8_bits(values, (0, float(values.max()))), expected)
    assert whole_range(values) == (0, values.max())


def test_an_image_tells_the_values_that_it_uses_and_is_looked_at_by_them() -> None:
    values = np.linspace(-1000, 3000, 10_000, dtype=np.float32).reshape(100, 100)
    values[0, :3] = [np.nan, np.inf, -9999]
    look = inspect_image(tiff(values), 1)
    assert look.greys == (-9999, 3000)
    assert (look.width, look.height) == (100, 100)
    pixels = np.asarray(look.image)
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert abs(int(pixels[50, 0, 0]) - 128) <= 2, "one pixel of -9999 matters little"


def test_what_has_no_range_has_none() -> None:
    assert whole_range(np.full((2, 2), np.nan)) is None
    assert typical_range(np.full((2, 2), np.nan)) is None
    assert typical_range(np.full((2, 2), 7)) is None
    assert typical_range(np.eye(50)) == (0, 1), "all but few are equal"
    assert range_of_all([]) is None
    assert range_of_all([(5, 5), (5, 5)]) is None
    assert range_of_all([(5, 5), (-1, 2)]) == (-1, 5)


@pytest.mark.parametrize(
    "value", [None, 3, "03", [1], [1, 1], [2, 1], [0, True], [0, 10**400], [0, float("nan")],
              [-1e308, 1e308], ["0", "1"], [0, 1, 2]],
)  # fmt: skip
def test_what_is_not_a_range_is_refused(value: object) -> None:
    assert as_range(value) is None


def test_half_of_the_images_decide_how_much_of_a_range_is_used() -> None:
    assert share_used([(0, 4095)] * 3, (0, 65520)) == pytest.approx(0.0625)
    assert share_used([(0, 100), (0, 100), (0, 4095)], (0, 4095)) == pytest.approx(100 / 4095)
    assert share_used([(0, 100), (0, 4095), (0, 4095)], (0, 4095)) == 1
    assert share_used([(-500, -100)], (0, 100)) == 0


def test_the_range_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "range.json"
    for value in (None, [-1024.0, 3071.0]):
        path.write_text(json.dumps(value))
        assert read_range(path) == (tuple(value) if value else None)
    for damaged in ("[1, 0]", "{}", "[0", "7"):
        path.write_text(damaged)
        with pytest.raises(UserError, match=r"range\.json: edited or damaged"):
            read_range(path)
    with pytest.raises(UserError, match="does not exist yet"):
        read_range(tmp_path / "none.json")
