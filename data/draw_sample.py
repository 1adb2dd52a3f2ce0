"""Draw the small synthetic sample set: humans, dogs and snakes on cluttered backgrounds.

Each picture has its own random generator, seeded from (seed, split, class, index). So no picture
depends on the others, and every run writes the same bytes (with the same versions of Pillow and
NumPy). All classes draw colours, backgrounds, light and clutter from the same distributions, so
that only shape distinguishes them.

The set is hard enough that a head on pretrained features needs a balancing strategy: subjects are
small, low in contrast, surrounded by clutter and often partly hidden. The constants below were
chosen by the recalls on the complete sets of seeds 101 to 105; no picture was chosen individually.
SEED is the first from 101 on for which, with seeds 42, 1 and 2 in params.yaml, `baseline`
recognises less than 50 % of the dogs, while `weights`, `effective` and `balanced` recognise at
least 60 % of each class and 70 % overall. Of the next ten seeds, this also holds for 102 to 106,
109 and 111. With 107, 108 and 110, the baseline fails as well, but another strategy misses one of
these thresholds.

Usage: python draw_sample.py [--out DIR] [--seed N] [--size PIXELS]
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

# These constants set the difficulty; each comment says which direction is harder.
POSE_SPREAD = 0.5  # multiplies joint angles and proportion changes; more is harder
TILT_DEGREES = 10.0  # maximum in-plane rotation; more is harder
PLACE_SPREAD = 0.6  # share of the free space in which the subject may move; more is harder
SCALE_RANGE = (0.3, 0.5)  # longest side of the subject as a share of the frame; lower is harder
CLUTTER_COUNT = (2, 6)  # range of the number of objects behind the subject; more is harder
CLUTTER_STRENGTH = (0.2, 0.5)  # how far their colour is from the background's; more is harder
BAND_STRENGTH = (0.2, 0.6)  # how far the background's two colours differ; more is harder
OCCLUSION_CHANCE = 0.5  # share of pictures with an object in front; more is harder
OCCLUSION_MAX = 0.3  # maximum share of the subject's area that it hides; more is harder
MIN_CONTRAST = 80.0  # RGB distance between subject and background, 0-441; lower is harder
MIN_LUMINANCE_GAP = 40.0  # the same for luminance, 0-255; lower is harder
SATURATION = 0.65  # 0 is grey, 1 is the full palette; more is harder
LIGHTER_CHANCE = 0.75  # share of subjects lighter than their background; 0.5 is hardest
GROUND_TONE = 0.45  # how dark grounds are, or how light behind dark subjects; less is harder
TEXTURE = (4, 14)  # amplitude of the background's texture, grey levels; more is harder
LIGHT_SPREAD = 0.28  # brightness, direction and vignette, as a share of full light; more is harder
NOISE_LEVELS = (2, 9)  # amplitude of the pixel noise, grey levels; more is harder
BLUR_RADIUS = 0.6  # maximum blur after scaling down, in pixels; more is harder

SEED = 101  # of the set that ships; the docstring says how it was chosen
COUNTS = {
    "train": {"human": 24, "dog": 3, "snake": 35},
    "test": {"human": 40, "dog": 40, "snake": 40},
}
JPEG_QUALITY = 84
SUPERSAMPLE = 4  # drawing at four times the size smooths the edges

Point = tuple[float, float]
Colour = tuple[int, int, int]
# Subjects and backgrounds of every class take their colours from this list.
COLOURS: tuple[Colour, ...] = (
    (58, 42, 32), (96, 68, 46), (134, 98, 66), (172, 136, 96), (206, 178, 138), (228, 214, 186),
    (44, 46, 50), (88, 90, 94), (134, 136, 138), (182, 184, 184), (226, 226, 222),
    (42, 66, 36), (78, 106, 54), (120, 142, 80), (160, 172, 118),
    (46, 62, 98), (92, 124, 164), (168, 196, 218), (138, 52, 46), (186, 110, 62),
)  # fmt: skip
BROWNS = 6  # the number of browns, which come first in COLOURS


class Shape(NamedTuple):
    """A filled polygon; the function that makes it sets the unit of its points."""

    points: list[Point]
    colour: Colour


class Inks(NamedTuple):
    """The colours of one subject."""

    main: Colour
    second: Colour
    third: Colour


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a random number from low to high."""
    return low + (high - low) * float(rng.random())


def chance(rng: np.random.Generator, share: float) -> bool:
    """Return True with the given probability."""
    return bool(rng.random() < share)


def pose(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a random pose value from low to high, widened around the middle by POSE_SPREAD."""
    middle, half = (low + high) / 2, (high - low) / 2 * POSE_SPREAD
    return uniform(rng, middle - half, middle + half)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return colour a moved towards b by a share from 0 to 1."""
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour darkened by a factor from 0 (black) to 1 (unchanged)."""
    return mix((0, 0, 0), colour, factor)


def pick_colour(rng: np.random.Generator, count: int = len(COLOURS)) -> Colour:
    """Return a random colour near one of the first `count` of COLOURS."""
    base = COLOURS[int(rng.integers(count))]
    red, green, blue = (min(255, max(0, c + int(rng.integers(-14, 15)))) for c in base)
    grey = round(luminance((red, green, blue)))
    return mix((grey, grey, grey), (red, green, blue), SATURATION)


def luminance(colour: Colour) -> float:
    """Return how light a colour looks, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def contrast(colour: Colour, grounds: Sequence[Colour], sign: int) -> float:
    """Return how well a colour stands out from all grounds; 1 or more is enough.

    With sign 1, it must be lighter than the grounds; with -1, darker.
    """
    return min(min(math.dist(colour, ground) / MIN_CONTRAST,
                   sign * (luminance(colour) - luminance(ground)) / MIN_LUMINANCE_GAP)
               for ground in grounds)  # fmt: skip


def pick_visible(
    rng: np.random.Generator, grounds: Sequence[Colour], sign: int, count: int, enough: float
) -> Colour:
    """Return the first of 60 random colours with enough contrast to all grounds, or the best.

    The colour is near one of the first `count` of COLOURS.
    """
    tries = [pick_colour(rng, count) for _ in range(60)]
    return max(tries, key=lambda colour: min(contrast(colour, grounds, sign), enough))


def bend(start: Point, angles: Sequence[float], lengths: Sequence[float]) -> list[Point]:
    """Return a jointed line; angles are radians from straight down, positive to the right."""
    path = [start]
    for angle, length in zip(angles, lengths, strict=True):
        x, y = path[-1]
        path.append((x + length * math.sin(angle), y + length * math.cos(angle)))
    return path


def ellipse(centre: Point, rx: float, ry: float, colour: Colour, turn: float = 0.0) -> Shape:
    """Return an ellipse with radii rx and ry, turned by an angle in radians."""
    steps = [2 * math.pi * i / 24 for i in range(24)]
    c, s = math.cos(turn), math.sin(turn)
    flat = [(rx * math.cos(t), ry * math.sin(t)) for t in steps]
    return Shape([(centre[0] + x * c - y * s, centre[1] + x * s + y * c) for x, y in flat], colour)


def limb(path: Sequence[Point], widths: Sequence[float], colour: Colour) -> list[Shape]:
    """Return a thick line with round joints; widths are the full widths at the points."""
    shapes = [ellipse(p, w / 2, w / 2, colour) for p, w in zip(path, widths, strict=True)]
    for ((ax, ay), wa), ((bx, by), wb) in pairwise(zip(path, widths, strict=True)):
        length = math.hypot(bx - ax, by - ay) or 1.0
        nx, ny = (ay - by) / length / 2, (bx - ax) / length / 2
        quad = [(ax + nx * wa, ay + ny * wa), (bx + nx * wb, by + ny * wb),
                (bx - nx * wb, by - ny * wb), (ax - nx * wa, ay - ny * wa)]  # fmt: skip
        shapes.append(Shape(quad, colour))
    return shapes


def draw_human(rng: np.random.Generator, inks: Inks) -> list[Shape]:
    """Return a standing or walking figure; the unit is the torso's length, hips at (0, 0)."""
    frontal = chance(rng, 0.5)
    lean = math.pi + pose(rng, -0.12, 0.12)
    shoulder = bend((0.0, 0.0), [lean], [1.0])[1]
    half = 0.13 if frontal else 0.0  # from the middle to each hip; shoulders are wider
    girth = uniform(rng, 0.85, 1.25)
    stride = pose(rng, 0.06, 0.28) if frontal else pose(rng, 0.15, 0.6)
    shapes: list[Shape] = []
    legs: list[Shape] = []
    for side in (-1, 1):
        thigh = side * stride
        knee = thigh * 0.7 if frontal else thigh - pose(rng, 0.05, 0.4)
        ink = inks.second if side == 1 or frontal else shade(inks.second, 0.78)
        leg = bend((side * half, 0.0), [thigh, knee], [0.68, 0.66])
        legs += limb(leg, [0.36 * girth, 0.28 * girth, 0.2 * girth], ink)
        toe = bend(leg[-1], [1.45 * (side if frontal else 1)], [0.2])
        legs += limb(toe, [0.2, 0.14], shade(inks.second, 0.55))
    arms: list[list[Shape]] = []
    for side in (-1, 1):
        raised = chance(rng, 0.15)
        if frontal:
            upper = side * (pose(rng, 1.7, 2.4) if raised else pose(rng, 0.2, 0.9))
            lower = upper + side * pose(rng, -0.6, 0.3)
        else:
            upper = pose(rng, 1.2, 2.2) if raised else -side * stride + pose(rng, -0.2, 0.2)
            lower = upper + pose(rng, 0.1, 0.9)
        ink = inks.main if side == 1 or frontal else shade(inks.main, 0.78)
        joint = (shoulder[0] + side * half * 2.1, shoulder[1] + 0.1)
        arm = bend(joint, [upper, lower], [0.52, 0.48])
        arms.append(limb(arm, [0.25 * girth, 0.2 * girth, 0.15 * girth], ink))
        arms[-1].append(ellipse(arm[-1], 0.1, 0.1, inks.third))
    torso = limb([(shoulder[0], shoulder[1] + 0.14), (0.0, -0.04)],
                 [(0.62 if frontal else 0.46) * girth, (0.5 if frontal else 0.42) * girth],
                 inks.main)  # fmt: skip
    neck = bend(shoulder, [lean], [0.34])
    x, y = neck[-1]
    head = uniform(rng, 0.25, 0.3)
    shapes += arms[0] + legs + limb(neck, [0.2, 0.2], inks.third) + torso + arms[1]
    shapes.append(ellipse((x, y - 0.04), head, head * 1.2, inks.third))
    hair = shade(inks.third, uniform(rng, 0.3, 0.55))
    shift = 0.0 if frontal else -0.3 * head
    shapes.append(ellipse((x + shift, y - 0.04 - head * 0.55), head * 0.98, head * 0.72, hair))
    return shapes


def draw_dog(rng: np.random.Generator, inks: Inks) -> list[Shape]:
    """Return a dog seen from the side, facing right; the unit is the body's length."""
    girth = uniform(rng, 0.36, 0.44)
    leg = uniform(rng, 0.54, 0.66)
    stride = pose(rng, 0.08, 0.42)
    far = shade(inks.main, 0.72)
    back: list[Shape] = []
    front: list[Shape] = []
    for x, side in ((-0.42, -1), (0.4, 1)):
        for near in (False, True):
            swing = (stride if near else -stride) * side + pose(rng, -0.08, 0.08)
            knee = swing + (pose(rng, -0.5, -0.15) if side == -1 else pose(rng, -0.1, 0.1))
            path = bend((x, 0.04), [swing + (0.2 if side == -1 else 0.0), knee],
                        [leg * 0.52, leg * 0.5])  # fmt: skip
            path.append((path[-1][0] + 0.09, path[-1][1]))
            ink = inks.main if near else far
            top = 0.3 if side == -1 else 0.22
            (front if near else back).extend(limb(path, [top, 0.13, 0.1, 0.09], ink))
    angle = pose(rng, 1.95, 2.45)
    neck = bend((0.42, -0.08), [angle], [uniform(rng, 0.36, 0.46)])
    x, y = neck[-1]
    nod = pose(rng, 1.3, 1.65)
    snout = bend((x, y), [nod], [uniform(rng, 0.26, 0.36)])
    head = uniform(rng, 0.15, 0.18)
    wag = pose(rng, -2.3, -1.1)
    curl = pose(rng, -0.5, 0.1)
    tail = bend((-0.48, -0.08), [wag, wag + curl, wag + 2 * curl], [0.2, 0.18, 0.16])
    shapes = back + limb(tail, [0.12, 0.1, 0.08, 0.05], inks.main)
    shapes += limb([(-0.42, 0.0), (0.0, -0.01), (0.4, 0.0)],
                   [girth * 0.92, girth * 0.9, girth * 1.1], inks.main)  # fmt: skip
    if chance(rng, 0.4):
        patch = (uniform(rng, -0.3, 0.15), uniform(rng, -0.08, 0.0))
        shapes.append(ellipse(patch, uniform(rng, 0.12, 0.22), girth * 0.36, inks.second))
    shapes += front + limb(neck, [girth * 0.8, 0.26], inks.main)
    if chance(rng, 0.5):
        collar = (neck[0][0] * 0.35 + x * 0.65, neck[0][1] * 0.35 + y * 0.65)
        shapes.append(ellipse(collar, 0.16, 0.035, inks.third, math.pi - angle))
    shapes += limb(snout, [0.24, 0.13], inks.main)
    shapes.append(ellipse((x, y), head, head * 0.95, inks.main))
    dark = shade(inks.main, 0.25)
    shapes.append(ellipse(snout[-1], 0.045, 0.04, dark))
    shapes.append(ellipse((x + 0.06, y - 0.05), 0.026, 0.026, dark))
    ear = inks.second if chance(rng, 0.5) else shade(inks.main, 0.7)
    if chance(rng, 0.5):
        shapes.append(Shape([(x - 0.13, y - 0.06), (x - 0.1, y - 0.33), (x + 0.05, y - 0.12)], ear))
    else:
        shapes.append(ellipse((x - 0.09, y + 0.02), 0.075, 0.17, ear, pose(rng, -0.1, 0.4)))
    return shapes


def draw_snake(rng: np.random.Generator, inks: Inks) -> list[Shape]:
    """Return a snake, wavy or partly coiled; the unit is its length without the head."""
    count = 64
    coiled = chance(rng, 0.3)
    heading = pose(rng, -0.5, 0.5)
    waves = uniform(rng, 1.5, 2.3)
    depth = pose(rng, 1.0, 1.6)
    phase = uniform(rng, 0.0, 2 * math.pi)
    turns = uniform(rng, 1.2, 1.7)
    thick = uniform(rng, 0.09, 0.12)
    angles: list[float] = []
    for i in range(count):
        s = i / count
        angle = math.pi / 2 + heading + depth * math.sin(2 * math.pi * waves * s + phase)
        if coiled and s < 0.62:  # the tail coils, tighter towards its tip
            angle += 2 * math.pi * turns * ((0.62 - s) / 0.62) ** 1.5
        angles.append(angle)
    path = bend((0.0, 0.0), angles, [1 / count] * count)
    # From the tip of the tail, thicker towards the middle, then slightly thinner at the neck.
    steps = [i / count for i in range(count + 1)]
    widths = [thick * min(0.15 + 1.9 * s, 1.0, 0.62 + 2.2 * (1 - s)) for s in steps]
    period = int(rng.integers(5, 9))
    banded = chance(rng, 0.75)
    shapes: list[Shape] = []
    for i in range(count):
        ink = inks.second if banded and i % period < 2 else inks.main
        shapes += limb(path[i : i + 2], widths[i : i + 2], ink)
    x, y = path[-1]
    turn = (
        math.pi / 2 - angles[-1]
    )  # direction of the head, in radians from the right, y pointing down
    c, s = math.cos(turn), math.sin(turn)
    size = [thick * uniform(rng, 0.95, 1.2), thick * uniform(rng, 0.62, 0.75)]
    x, y = x + c * size[0] * 0.6, y + s * size[0] * 0.6
    tip = (x + c * size[0] * 1.7, y + s * size[0] * 1.7)
    shapes += limb([(x, y), tip], [0.014, 0.01], inks.third)
    for fork in (-0.5, 0.5):
        end = (tip[0] + 0.05 * math.cos(turn + fork), tip[1] + 0.05 * math.sin(turn + fork))
        shapes += limb([tip, end], [0.01, 0.008], inks.third)
    shapes.append(ellipse((x, y), size[0], size[1], inks.main, turn))
    for side in (-0.4, 0.4):
        ahead, aside = size[0] * 0.3, size[1] * side
        eye = (x + c * ahead - s * aside, y + s * ahead + c * aside)
        shapes.append(ellipse(eye, 0.012, 0.012, shade(inks.main, 0.15)))
    return shapes


SUBJECTS: dict[str, Callable[[np.random.Generator, Inks], list[Shape]]] = {
    "human": draw_human,
    "dog": draw_dog,
    "snake": draw_snake,
}


def clutter(rng: np.random.Generator, colour: Colour, side: int) -> list[Shape]:
    """Return a stone, stick, plant or pole in a square frame of `side` pixels."""
    x, y = uniform(rng, 0, side), uniform(rng, side * 0.2, side)
    kind = int(rng.integers(4))
    size = side * uniform(rng, 0.05, 0.13)
    if kind == 0:  # stone
        rock = ellipse((x, y), size, size * uniform(rng, 0.5, 0.8), colour, uniform(rng, -0.4, 0.4))
        rough = [(px + uniform(rng, -0.1, 0.1) * size, py + uniform(rng, -0.1, 0.1) * size)
                 for px, py in rock.points[::2]]  # fmt: skip
        return [Shape(rough, colour)]
    if kind == 1:  # stick
        angle = uniform(rng, 0, math.pi)
        path = bend((x, y), [angle, angle + uniform(rng, -0.5, 0.5)], [size * 1.4, size * 1.2])
        return limb(path, [size * 0.22, size * 0.18, size * 0.1], colour)
    if kind == 2:  # plant: blades from one root
        blades: list[Shape] = []
        for _ in range(int(rng.integers(4, 8))):
            lean = math.pi + uniform(rng, -0.8, 0.8)
            blade = bend((x, y), [lean, lean * 1.06], [size * 1.0, size * 0.7])
            blades += limb(blade, [size * 0.2, size * 0.16, 2.0], mix(colour, (0, 0, 0), 0.1))
        return blades
    width = side * uniform(rng, 0.02, 0.045)  # pole
    return limb([(x, -width), (x + uniform(rng, -0.06, 0.06) * side, y)], [width] * 2, colour)


def paint(image: Image.Image, shapes: Sequence[Shape], flat: int | None = None) -> None:
    """Draw shapes with points in pixels, in their own colours or all in the value `flat`."""
    pen = ImageDraw.Draw(image)
    for shape in shapes:
        points = [(round(x), round(y)) for x, y in shape.points]
        pen.polygon(points, fill=shape.colour if flat is None else flat)


def noise(rng: np.random.Generator, cells: int, level: int, side: int) -> NDArray[np.int16]:
    """Return smooth grey noise from -level to level: cells x cells patches, `side` pixels wide.

    Integers give the same values on every processor.
    """
    grid = rng.integers(128 - level, 128 + level + 1, (cells, cells)).astype(np.uint8)
    field = Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(field).astype(np.int16) - 128


def draw_background(
    rng: np.random.Generator, tone: Colour, side: int
) -> tuple[Image.Image, tuple[Colour, Colour]]:
    """Return a background of `side` pixels with colours near tone, and its two main colours."""
    first, second = (mix(pick_colour(rng), tone, GROUND_TONE) for _ in range(2))
    second = mix(first, second, uniform(rng, *BAND_STRENGTH))
    image = Image.new("RGB", (side, side), first)
    blend = Image.linear_gradient("L").resize((side, side))
    if chance(rng, 0.6):  # two bands, like sky and grass or wall and floor
        horizon, slope = uniform(rng, 0.25, 0.75) * side, uniform(rng, -0.06, 0.06) * side
        blend = Image.new("L", (side, side), 0)
        corners = [(0.0, horizon - slope), (side, horizon + slope), (side, side), (0.0, side)]
        ImageDraw.Draw(blend).polygon([(round(x), round(y)) for x, y in corners], fill=255)
        blend = blend.filter(ImageFilter.BoxBlur(int(rng.integers(0, side // 24))))
    elif chance(rng, 0.5):
        blend = blend.rotate(90)
    image.paste(second, (0, 0), blend)
    level = int(rng.integers(TEXTURE[0], TEXTURE[1] + 1))
    pixels = np.asarray(image).astype(np.int16)
    for cells in (6, 20, 64):
        pixels += noise(rng, cells, level // 2, side)[..., None]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    for _ in range(int(rng.integers(CLUTTER_COUNT[0], CLUTTER_COUNT[1] + 1))):
        paint(image, clutter(rng, clutter_colour(rng, first), side))
    return image, (first, second)


def clutter_colour(rng: np.random.Generator, ground: Colour) -> Colour:
    """Return a colour for a clutter object, mixed with that of the ground."""
    return mix(ground, pick_colour(rng), uniform(rng, *CLUTTER_STRENGTH))


def place(rng: np.random.Generator, shapes: Sequence[Shape], side: int) -> list[Shape]:
    """Return the shapes, randomly flipped, tilted, scaled and placed in `side` x `side` pixels."""
    tilt = math.radians(uniform(rng, -TILT_DEGREES, TILT_DEGREES))
    flip = -1 if chance(rng, 0.5) else 1
    c, s = math.cos(tilt), math.sin(tilt)
    turned = [[(flip * x * c - y * s, flip * x * s + y * c) for x, y in shape.points]
              for shape in shapes]  # fmt: skip
    xs = [x for points in turned for x, _ in points]
    ys = [y for points in turned for _, y in points]
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    zoom = side * uniform(rng, *SCALE_RANGE) / max(width, height)
    left, top = (
        (side - length * zoom) * (0.5 + uniform(rng, -0.45, 0.45) * PLACE_SPREAD) - low * zoom
        for length, low in ((width, min(xs)), (height, min(ys)))
    )
    return [Shape([(left + x * zoom, top + y * zoom) for x, y in points], shape.colour)
            for points, shape in zip(turned, shapes, strict=True)]  # fmt: skip


def area(mask: Image.Image) -> int:
    """Return the number of white pixels in a mask."""
    return mask.histogram()[255]


def occlude(
    rng: np.random.Generator, image: Image.Image, mask: Image.Image, ground: Colour
) -> None:
    """Draw an object over a part of the subject, at most OCCLUSION_MAX of its area."""
    for _ in range(30):
        shapes = clutter(rng, clutter_colour(rng, ground), image.width)
        cover = Image.new("L", mask.size, 0)
        paint(cover, shapes, 255)
        hidden = area(ImageChops.multiply(cover, mask)) / area(mask)
        if OCCLUSION_MAX / 4 <= hidden <= OCCLUSION_MAX:
            paint(image, shapes)
            return


def light(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Return the image in random light: brightness, contrast, direction and vignette."""
    side = image.width
    axis = (np.arange(side, dtype=np.float64) + 0.5) * 2 / side - 1
    x, y = axis[None, :], axis[:, None]
    angle = uniform(rng, 0, 2 * math.pi)
    slant = uniform(rng, 0, LIGHT_SPREAD * 0.7)
    field = 1 + slant * (math.cos(angle) * x + math.sin(angle) * y)
    field = field - uniform(rng, 0, LIGHT_SPREAD * 0.6) * (x * x + y * y) / 2
    field = field * uniform(rng, 1 - LIGHT_SPREAD, 1 + LIGHT_SPREAD * 0.6)
    gain = uniform(rng, 1 - LIGHT_SPREAD, 1 + LIGHT_SPREAD * 0.5)
    pixels = (np.asarray(image).astype(np.float64) * field[..., None] - 118) * gain + 118
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def draw_image(seed: int, split: str, label: str, index: int, size: int = 128) -> Image.Image:
    """Return one picture of size x size pixels, seeded from the first four arguments."""
    key = [seed, list(COUNTS).index(split), list(SUBJECTS).index(label), index]
    rng = np.random.Generator(np.random.PCG64(key))
    side = size * SUPERSAMPLE
    sign = 1 if chance(rng, LIGHTER_CHANCE) else -1
    tone = (20, 20, 20) if sign == 1 else (240, 240, 240)
    image, grounds = draw_background(rng, tone, side)
    # The third ink, a human's skin, is a brown in every class, so that no class has its own colour.
    # It needs less contrast, so that it can be dark or light on most grounds.
    needs = ((len(COLOURS), 1.0), (len(COLOURS), 1.0), (BROWNS, 0.35))
    inks = Inks(*(pick_visible(rng, grounds, sign, *need) for need in needs))
    shapes = place(rng, SUBJECTS[label](rng, inks), side)
    mask = Image.new("L", (side, side), 0)
    paint(mask, shapes, 255)
    # Light from one side: a soft shadow falls on the other, where the subject's edge is darker.
    shift = int(rng.integers(-side // 40, side // 40 + 1)), side // 50
    soft = ImageChops.offset(mask, *shift).filter(ImageFilter.GaussianBlur(side / 60))
    image.paste((20, 20, 20), (0, 0), soft.point([v * 2 // 5 for v in range(256)]))
    paint(image, shapes)
    lit = ImageChops.offset(mask, -shift[0], -shift[1]).filter(ImageFilter.GaussianBlur(side / 80))
    edge = ImageChops.multiply(mask, ImageChops.invert(lit)).point([v // 2 for v in range(256)])
    image.paste((15, 15, 15), (0, 0), edge)
    if chance(rng, OCCLUSION_CHANCE):
        occlude(rng, image, mask, grounds[0])
    image = light(rng, image).resize((size, size), Image.Resampling.BOX)
    image = image.filter(ImageFilter.GaussianBlur(uniform(rng, 0, BLUR_RADIUS)))
    level = int(rng.integers(NOISE_LEVELS[0], NOISE_LEVELS[1] + 1))
    grain = rng.integers(-level, level + 1, (size, size, 3), dtype=np.int16)
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def write_sample(out: Path, seed: int, size: int) -> int:
    """Write the sample set to `out` and return its size in bytes."""
    total = 0
    for split, counts in COUNTS.items():
        for label, count in counts.items():
            folder = out / split / label
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                path = folder / f"{index:02d}.jpg"
                image = draw_image(seed, split, label, index, size)
                image.save(path, quality=JPEG_QUALITY, optimize=True)
                total += path.stat().st_size
    return total


def main() -> int:
    """Read the command line, write the sample set and return the exit code."""
    parser = argparse.ArgumentParser(description="Draw the synthetic sample set.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "sample",
                        help="folder to write (default: sample, next to this script)")  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=SEED, help="0 or more (default: that of the set that ships)"
    )
    parser.add_argument("--size", type=int, default=128, help="pixels per side (default: 128)")
    args = parser.parse_args()
    if args.seed < 0 or args.size < 32:
        parser.error("--seed must be 0 or more and --size 32 or more")
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        print(f"error: {args.out} exists and is not empty; name another folder", file=sys.stderr)
        return 1
    total = write_sample(args.out, args.seed, args.size)
    print(f"{args.out}: {sum(sum(c.values()) for c in COUNTS.values())} images, {total} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
