"""Variants depend only on seed, content and number, and stay within their bounds."""

import math
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from ballast.augment.transforms import (
    Transform,
    apply_transforms,
    draw_transform,
)
from ballast.core.params import Augment

SHA = "0123456789abcdef" * 4
OFF = Augment(
    factor=3,
    rotate=0,
    flip=None,
    zoom=0,
    shift=0,
    brightness=0,
    contrast=0,
    saturation=0,
    hue=0,
    shear=0,
    blur=0,
    noise=0,
    cutout=0,
    quality=90,
    quality_drop=0,
    pack=False,
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
    shear=0,
    blur=0,
    noise=0,
    noise_seed=0,
    cutout=0,
    cutout_x=0,
    cutout_y=0,
    quality=90,
)


@pytest.fixture
def picture() -> Image.Image:
    """32 x 32 pixels, grey, with a red bar at the left edge and a green one at the top."""
    image = Image.new("RGB", (32, 32), (100, 100, 100))
    image.paste((200, 0, 0), (0, 0, 8, 32))
    image.paste((0, 200, 0), (0, 0, 32, 4))
    return image


def apply_transform(image: Image.Image, transform: Transform) -> Image.Image:
    (changed,) = apply_transforms(image, [transform])
    return changed


def pixels_of(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image).astype(int)


def test_the_last_bit_of_a_sine_or_cosine_does_not_reach_pillow(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It depends on the processor: the C library has these with and without its newer instructions.
    bounds = replace(OFF, rotate=180.0, zoom=0.3, hue=180.0, contrast=0.5)

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
            *(call.args[2] for call in convert.call_args_list if len(call.args) > 2),
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
    bounds = replace(OFF, rotate=20.0, zoom=0.3, shift=0.2, brightness=0.1, hue=30.0)
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
    bounds = replace(OFF, rotate=20.0)
    draws = {
        draw_transform(seed, sha, round_, bounds)
        for seed in (1, 2)
        for sha in (SHA, SHA[::-1])
        for round_ in (1, 2)
    }
    assert len(draws) == 8


def test_switching_one_transform_leaves_the_draws_of_the_others() -> None:
    one = draw_transform(1, SHA, 1, replace(OFF, shift=0.2))
    both = draw_transform(1, SHA, 1, replace(OFF, shift=0.2, rotate=20.0))
    assert both._replace(angle=0) == one


def test_flips_come_about_half_the_time() -> None:
    bounds = replace(OFF, flip="both")
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


@pytest.mark.parametrize("half_a_turn", [-math.pi, math.pi])
def test_half_a_turn_either_way_is_upside_down_and_mirrored(
    picture: Image.Image, half_a_turn: float
) -> None:
    turned = apply_transform(picture, STILL._replace(angle=half_a_turn))
    assert np.array_equal(pixels_of(turned), pixels_of(picture)[::-1, ::-1])


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_the_subject_is_as_much_larger_or_smaller_as_the_scale_says(scale: float) -> None:
    image = Image.new("RGB", (32, 32))
    image.paste("white", (12, 12, 20, 20))
    inside = pixels_of(apply_transform(image, STILL._replace(scale=scale)))[8:24, 8:24, 0]
    assert inside.sum() / 255 == pytest.approx(64 * scale**2, rel=0.1)


@pytest.mark.parametrize("share", [-0.5, 0.5])
def test_half_the_size_is_the_farthest_shift(picture: Image.Image, share: float) -> None:
    here, there = (slice(16, None), slice(16)) if share > 0 else (slice(16), slice(16, None))
    across = pixels_of(apply_transform(picture, STILL._replace(shift_x=share)))
    assert np.array_equal(across[:, here], pixels_of(picture)[:, there])
    assert np.array_equal(across[:, there], pixels_of(picture)[:, there][:, ::-1]), "mirrored"
    down = pixels_of(apply_transform(picture, STILL._replace(shift_y=share)))
    assert np.array_equal(down[here], pixels_of(picture)[there])


@pytest.mark.parametrize("half_a_turn", [-math.pi, math.pi])
def test_half_the_hue_circle_turns_red_to_cyan(picture: Image.Image, half_a_turn: float) -> None:
    turned = apply_transform(picture, STILL._replace(hue=half_a_turn))
    assert turned.getpixel((2, 20)) == (0, 133, 133)
    assert turned.getpixel((20, 20)) == (100, 100, 100)


def test_twice_the_saturation_and_contrast_go_away_from_grey(picture: Image.Image) -> None:
    colourful = apply_transform(picture, STILL._replace(saturation=2))
    assert colourful.getpixel((2, 20)) == (255, 0, 0)
    assert colourful.getpixel((20, 20)) == (100, 100, 100)
    hard = apply_transform(picture, STILL._replace(contrast=2))
    assert hard.getpixel((2, 20)) == (255, 0, 0)
    assert hard.getpixel((20, 20)) in [(72, 72, 72), (73, 73, 73)]


def test_the_least_blur_changes_nothing_and_the_most_leaves_no_edge(picture: Image.Image) -> None:
    least = apply_transform(picture, STILL._replace(blur=0.001))
    assert np.array_equal(pixels_of(least), pixels_of(picture))
    steps = np.abs(np.diff(pixels_of(apply_transform(picture, STILL._replace(blur=0.2))), axis=1))
    assert steps.max() < 15
    assert np.abs(np.diff(pixels_of(picture), axis=1)).max() == 100


def test_the_most_noise_leaves_little_of_the_image(picture: Image.Image) -> None:
    noisy = pixels_of(apply_transform(picture, STILL._replace(noise=1, noise_seed=7)))
    assert np.isin(noisy, [0, 255]).mean() > 0.5
    little = pixels_of(apply_transform(picture, STILL._replace(noise=0.01, noise_seed=7)))
    assert 0 < np.abs(little - pixels_of(picture)).max() <= 12


def test_full_brightness_is_white_or_black_and_no_contrast_is_grey(picture: Image.Image) -> None:
    assert pixels_of(apply_transform(picture, STILL._replace(brightness=1))).min() == 255
    assert pixels_of(apply_transform(picture, STILL._replace(brightness=-1))).max() == 0
    grey = pixels_of(apply_transform(picture, STILL._replace(contrast=0)))
    assert set(np.unique(grey)) <= {127, 128}


@pytest.mark.parametrize("degrees", [-60, -45, 45, 60])
def test_a_shear_leans_upright_lines_and_leaves_level_ones(degrees: int) -> None:
    image = Image.new("RGB", (33, 33))
    image.paste("white", (16, 0, 17, 33))
    leaning = pixels_of(apply_transform(image, STILL._replace(shear=math.radians(degrees))))
    columns = leaning[10:23, :, 0].argmax(axis=1)
    lean = -math.tan(math.radians(degrees)) * np.arange(-6, 7)
    assert np.abs(columns - 16 - lean).max() <= 0.5 + 1 / 8, "samples are a quarter apart"
    level = Image.new("RGB", (33, 33))
    level.paste("white", (0, 10, 33, 12))
    still = apply_transform(level, STILL._replace(shear=math.radians(degrees)))
    assert np.array_equal(pixels_of(still), pixels_of(level))


def test_a_blur_keeps_the_sum_and_spreads_a_point() -> None:
    image = Image.new("RGB", (64, 64))
    image.paste("white", (28, 28, 36, 36))
    spreads = []
    for share in (0.02, 0.2):
        blurred = pixels_of(apply_transform(image, STILL._replace(blur=share)))[:, :, 0]
        spreads.append(int((blurred > 0).sum()))
        if share == 0.02:
            assert blurred.sum() == pytest.approx(64 * 255, rel=0.02)
    assert 64 < spreads[0] < spreads[1]


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_noise_has_its_standard_deviation_and_comes_again(share: float) -> None:
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    noisy = STILL._replace(noise=share, noise_seed=5)
    first = pixels_of(apply_transform(grey, noisy))
    assert first.std() == pytest.approx(share * 255, rel=0.05)
    assert first.mean() == pytest.approx(128, abs=1)
    assert np.array_equal(first, pixels_of(apply_transform(grey, noisy)))
    other = apply_transform(grey, noisy._replace(noise_seed=6))
    assert not np.array_equal(first, pixels_of(other))


@pytest.mark.parametrize(
    ("share", "x", "y", "covered"), [(0.5, 0.5, 0.5, 256), (1, 0.5, 0.5, 1024), (0.5, 0, 1, 64)]
)
def test_a_cutout_covers_a_square_that_may_reach_over_the_edge(
    share: float, x: float, y: float, covered: int
) -> None:
    white = Image.new("RGB", (32, 32), "white")
    cut = apply_transform(white, STILL._replace(cutout=share, cutout_x=x, cutout_y=y))
    assert (pixels_of(cut)[:, :, 0] == 128).sum() == covered


def test_the_quality_is_drawn_down_to_its_lowest() -> None:
    bounds = replace(OFF, quality_drop=3)
    drawn = {draw_transform(1, SHA, round_, bounds).quality for round_ in range(1, 100)}
    assert drawn == {87, 88, 89, 90}


def test_switched_off_the_new_transforms_leave_the_draws_of_the_others() -> None:
    on = replace(OFF, rotate=20.0, hue=30.0, shear=10.0, noise=0.1, cutout=0.5)
    off = replace(on, shear=0.0, noise=0.0, cutout=0.0)
    drawn, without = draw_transform(1, SHA, 1, on), draw_transform(1, SHA, 1, off)
    assert drawn._replace(shear=0, noise=0, cutout=0) == without
