"""Variants of an image depend on seed, content and round alone, and stay within their bounds."""

import math
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ballast.augmentation import Transform, apply_transform, draw_transform
from ballast.params import Augment

SHA = "0123456789abcdef" * 4
OFF = Augment(
    factor=3,
    rotate=0,
    flip="none",
    zoom=0,
    shift=0,
    brightness=0,
    contrast=0,
    saturation=0,
    hue=0,
    quality=90,
)
STILL = Transform(
    angle=0,
    scale=1,
    shift_x=0,
    shift_y=0,
    mirror=False,
    upside_down=False,
    hue=0,
    saturation=1,
    contrast=1,
    brightness=0,
)


@pytest.fixture
def picture() -> Image.Image:
    """32 x 32 pixels, grey, with a red bar at the left edge and a green one at the top."""
    image = Image.new("RGB", (32, 32), (100, 100, 100))
    image.paste((200, 0, 0), (0, 0, 8, 32))
    image.paste((0, 200, 0), (0, 0, 32, 4))
    return image


def pixels_of(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image).astype(int)


def test_the_last_bit_of_a_sine_or_cosine_does_not_reach_pillow(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It depends on the processor: the C library has these with and without its newer instructions.
    bounds = OFF.model_copy(update={"rotate": 180.0, "zoom": 0.3, "hue": 180.0, "contrast": 0.5})

    def coefficients() -> list[object]:
        image = Image.Image
        with (
            patch.object(image, "transform", autospec=True, side_effect=image.transform) as affine,
            patch.object(image, "convert", autospec=True, side_effect=image.convert) as convert,
        ):
            for round_ in range(1, 50):
                apply_transform(picture, draw_transform(1, SHA, round_, bounds))
        return [
            *(call.args[3] for call in affine.call_args_list),
            *(call.args[2] for call in convert.call_args_list),
        ]

    here = coefficients()
    sin, cos = math.sin, math.cos
    monkeypatch.setattr(math, "sin", lambda x: math.nextafter(sin(x), 2))
    monkeypatch.setattr(math, "cos", lambda x: math.nextafter(cos(x), -2))
    there = coefficients()
    assert len(here) == 98
    assert there == here


@given(seed=st.integers(0, 2**32 - 1), round_=st.integers(1, 1000))
def test_draws_repeat_and_stay_within_bounds(seed: int, round_: int) -> None:
    bounds = OFF.model_copy(
        update={"rotate": 20.0, "zoom": 0.3, "shift": 0.2, "brightness": 0.1, "hue": 30.0}
    )
    drawn = draw_transform(seed, SHA, round_, bounds)
    assert drawn == draw_transform(seed, SHA, round_, bounds)
    assert abs(drawn.angle) <= math.radians(20)
    assert 0.7 <= drawn.scale <= 1.3
    assert max(abs(drawn.shift_x), abs(drawn.shift_y)) <= 0.2
    assert abs(drawn.brightness) <= 0.1
    assert abs(drawn.hue) <= math.radians(30)
    assert not drawn.mirror
    assert not drawn.upside_down


def test_draws_differ_by_seed_by_content_and_by_round() -> None:
    bounds = OFF.model_copy(update={"rotate": 20.0})
    draws = {
        draw_transform(seed, sha, round_, bounds)
        for seed in (1, 2)
        for sha in (SHA, SHA[::-1])
        for round_ in (1, 2)
    }
    assert len(draws) == 8


def test_switching_one_transform_leaves_the_draws_of_the_others() -> None:
    one = draw_transform(1, SHA, 1, OFF.model_copy(update={"shift": 0.2}))
    both = draw_transform(1, SHA, 1, OFF.model_copy(update={"shift": 0.2, "rotate": 20.0}))
    assert both._replace(angle=0) == one


def test_flips_come_about_half_the_time() -> None:
    bounds = OFF.model_copy(update={"flip": "both"})
    draws = [draw_transform(1, SHA, round_, bounds) for round_ in range(1, 401)]
    assert 150 < sum(drawn.mirror for drawn in draws) < 250
    assert 150 < sum(drawn.upside_down for drawn in draws) < 250


def test_no_transform_changes_nothing(picture: Image.Image) -> None:
    assert np.array_equal(pixels_of(apply_transform(picture, STILL)), pixels_of(picture))


def test_mirror_and_upside_down_flip_the_image(picture: Image.Image) -> None:
    mirrored = apply_transform(picture, STILL._replace(mirror=True))
    assert np.array_equal(pixels_of(mirrored), pixels_of(picture)[:, ::-1])
    turned = apply_transform(picture, STILL._replace(upside_down=True))
    assert np.array_equal(pixels_of(turned), pixels_of(picture)[::-1])


def test_a_quarter_turn_is_counter_clockwise(picture: Image.Image) -> None:
    turned = apply_transform(picture, STILL._replace(angle=math.pi / 2))
    assert np.abs(pixels_of(turned) - np.rot90(pixels_of(picture))).max() <= 1


def test_a_shift_moves_right_and_down_and_mirrors_what_comes_in(picture: Image.Image) -> None:
    moved = pixels_of(apply_transform(picture, STILL._replace(shift_x=0.25, shift_y=0.125)))
    assert np.array_equal(moved[4:, 8:], pixels_of(picture)[:-4, :-8])
    assert np.array_equal(moved[4:, :8], pixels_of(picture)[:-4, 7::-1])


def test_a_scale_above_1_enlarges() -> None:
    image = Image.new("RGB", (32, 32))
    image.paste("white", (12, 12, 20, 20))
    area = pixels_of(apply_transform(image, STILL._replace(scale=1.5)))[:, :, 0].sum() / 255
    assert area == pytest.approx(64 * 1.5**2, rel=0.05)


def test_brightness_adds_a_share_of_white(picture: Image.Image) -> None:
    brighter = apply_transform(picture, STILL._replace(brightness=0.2))
    assert brighter.getpixel((20, 20)) == (151, 151, 151)


def test_contrast_spreads_about_mid_grey(picture: Image.Image) -> None:
    flat = apply_transform(picture, STILL._replace(contrast=0.5))
    assert flat.getpixel((20, 20)) == (114, 114, 114)


def test_no_saturation_is_grey_of_the_same_luma(picture: Image.Image) -> None:
    grey = apply_transform(picture, STILL._replace(saturation=0))
    assert grey.getpixel((2, 20)) == (60, 60, 60)


def test_a_third_of_the_hue_circle_turns_red_to_green_and_leaves_grey(picture: Image.Image) -> None:
    turned = apply_transform(picture, STILL._replace(hue=2 * math.pi / 3))
    assert turned.getpixel((2, 20)) == (0, 200, 0)
    assert turned.getpixel((20, 20)) == (100, 100, 100)
