"""Measure how often planted shortcuts are found, and how often honest photographs raise an alarm.

    python -m benchmarks.shortcuts --data FOLDER --draws 30

FOLDER contains one folder per class, or train/ with these. In each draw, a random subset of the
photographs is told apart by a linear head; marks that vary in kind, size, colour and place are
planted in every photograph of one, two or all classes, or of none. Two tasks alternate:

- the classes of FOLDER;
- one of these classes, dealt at random to two, which nothing but a mark tells apart.

A mark can be planted and yet ignored by the model. What it does is measured independently of the
rule: a mark harms if a quarter of its class's photographs without it are no longer recognised, and
a quarter of the other photographs become its class with it. Prints, for marks that harm, marks
that do not, and classes without a mark, how many the rule names; then each draw that it got wrong.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from tabulate import tabulate

from ballast.core.files import read_text
from ballast.core.images import decode_image, resize_image
from ballast.core.params import parse_params
from ballast.insight.shortcuts import places, shortcuts
from ballast.model.head_fitting import fit_head
from ballast.model.logits import Floats, linear_logits
from ballast.scores.explanations import Shortcut
from benchmarks.head import Features, frozen, read_photos

SIZE = 160
COLOURS = {
    "red": (220, 30, 30), "white": (250, 250, 250), "black": (8, 8, 8), "yellow": (240, 220, 30),
    "grey": (128, 128, 128), "orange": (255, 140, 0), "blue": (30, 60, 200),
}  # fmt: skip
# Shares of the image's sides that each kind of mark takes.
CORNERS, SIDES = ("top left", "top right", "bottom left", "bottom right"), ("top", "left", "right")
SHARES = {
    **dict.fromkeys(CORNERS, (0.12, 0.2, 0.3)), **dict.fromkeys(SIDES, (0.06, 0.12, 0.2)),
    "border": (0.03, 0.06, 0.1), "stamp": (0.06, 0.1),
}  # fmt: skip
HARMS = 0.25
LEAST, MOST = 8, 40  # photographs of a class in a draw

Random = np.random.Generator
Pixels = NDArray[np.uint8]


class Mark(NamedTuple):
    """What is planted in every photograph of a class."""

    kind: str  # of SHARES
    share: float
    colour: str


def main() -> None:
    """Run the benchmark; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    photos = read_photos(given.data)
    images = [decode_image(data) for data in photos.files]
    features = remembered(frozen(parse_params(read_text(Path("params.yaml"))).train, SIZE))
    counts: Counter[tuple[str, str]] = Counter()
    wrong = []
    for draw in range(given.draws):
        random = np.random.default_rng([given.seed, draw])
        index, labels, task = drawn(random, photos.labels, split=draw % 2 == 1)
        marks = drawn_marks(random, int(labels.max()) + 1, draw // 2 % 4)
        for said, truth, words in judged(
            [images[i] for i in index], labels, marks, features, random
        ):
            counts[truth, said] += 1
            if (said != "not named") == (truth != "mark that harms"):
                wrong.append(f"draw {draw}, {task}: {words}")
        print(f"draw {draw} of {given.draws}", file=sys.stderr, flush=True)
    kinds = ["mark that harms", "mark that does not", "no mark"]
    answers = ["named, right place", "named, another place", "not named"]
    rows = [[kind, *(counts[kind, answer] for answer in answers)] for kind in kinds]
    print(tabulate(rows, headers=["classes with", *answers], tablefmt="github"))
    print("\n".join(wrong))


def remembered(features: Features) -> Features:
    """Compute the features of the same pixels once."""
    known: dict[bytes, Floats] = {}

    def look_up(pixels: Pixels) -> Floats:
        keys = [one.tobytes() for one in pixels]
        new = [place for place, key in enumerate(keys) if key not in known]
        if new:
            known.update(zip([keys[i] for i in new], features(pixels[new]), strict=True))
        return np.stack([known[key] for key in keys])

    return look_up


def drawn(
    random: Random, labels: NDArray[np.int64], *, split: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Draw photographs: their places, their classes in the task, and the task in words."""
    classes = range(int(labels.max()) + 1)
    by_class = [random.permutation(np.flatnonzero(labels == c)) for c in classes]
    if split:
        able = [one for one in by_class if len(one) >= 2 * LEAST]
        index = able[random.integers(len(able))][: 2 * MOST]
        return index, np.arange(len(index)) % 2, "one class as two"
    index = np.concatenate([one[: random.integers(LEAST, MOST + 1)] for one in by_class])
    return index, labels[index], "classes"


def drawn_marks(random: Random, classes: int, number: int) -> dict[int, Mark]:
    """Draw marks for `number` of the classes, each of another kind."""
    chosen = random.permutation(classes)[:number]
    kinds = random.permutation([*SHARES])[: len(chosen)]
    return {
        int(c): Mark(str(kind), float(random.choice(SHARES[kind])), str(random.choice([*COLOURS])))
        for c, kind in zip(chosen, kinds, strict=True)
    }


def judged(
    images: list[Image.Image],
    labels: NDArray[np.int64],
    marks: dict[int, Mark],
    features: Features,
    random: Random,
) -> list[tuple[str, str, str]]:
    """What the rule says of each class, what is true, and both in words."""
    k = int(labels.max()) + 1
    clean = np.stack([np.asarray(resize_image(image, SIZE)) for image in images])
    pixels = clean.copy()
    for place, (image, c) in enumerate(zip(images, labels.tolist(), strict=True)):
        if c in marks:
            pixels[place] = marked(image, marks[c], random)
    seen = features(pixels)
    weights = 1 / np.bincount(labels)[labels]
    head = fit_head(seen, labels, np.arange(len(labels)), weights, np.zeros(k), balanced=True)

    def logits_of(those: Pixels) -> Floats:
        return linear_logits(features(those), head.weights, head.bias)

    names = [str(c) for c in range(k)]
    found = shortcuts(logits_of(pixels), labels, names, pixels.__getitem__, logits_of)
    answers = []
    for c in range(k):
        said = next((one for one in found if one.class_ == str(c)), None)
        truth, words = "no mark", "no mark"
        if c in marks:
            others = [images[i] for i in np.flatnonzero(labels != c)[:MOST]]
            with_mark = np.stack([marked(image, marks[c], random) for image in others])
            lost = float((logits_of(clean[labels == c]).argmax(axis=1) != c).mean())
            won = float((logits_of(with_mark).argmax(axis=1) == c).mean())
            truth = f"mark that {'harms' if min(lost, won) >= HARMS else 'does not'}"
            words = f"{marks[c]}, lost {lost:.2f}, won {won:.2f}"
        answers.append((answer(said, marks.get(c)), truth, f"{words}: {said}"))
    return answers


def answer(said: Shortcut | None, mark: Mark | None) -> str:
    """The column of the table: whether the place that the rule names holds half of the mark."""
    if said is None:
        return "not named"
    if mark is None:
        return "named, another place"
    mask = places(SIZE)[said.place]
    # On black and on white, so that a mark of either colour shows.
    drawn_on = np.zeros((SIZE, SIZE), dtype=bool)
    for ground in ("black", "white"):
        plain = Image.new("RGB", (SIZE, SIZE), ground)
        random = np.random.default_rng(0)
        drawn_on |= (marked(plain, mark, random) != np.asarray(plain)).any(axis=2)
    inside = (drawn_on & mask).sum() / drawn_on.sum()
    return "named, right place" if inside >= 0.5 else "named, another place"


def marked(image: Image.Image, mark: Mark, random: Random) -> Pixels:
    """Plant a mark in a photograph; its colour varies a little. Pixels as the network sees them."""
    made = image.copy()
    width, height = made.size
    draw = ImageDraw.Draw(made)
    change = random.integers(-15, 16, 3)
    colour = tuple(np.clip(np.array(COLOURS[mark.colour]) + change, 0, 255).tolist())
    w, h = max(1, round(width * mark.share)), max(1, round(height * mark.share))
    if mark.kind == "stamp":
        day, month, year = random.integers(1, 29), random.integers(1, 13), random.integers(10, 26)
        large = made.resize((400, 400), Image.Resampling.BICUBIC) if width < 100 else made
        draw = ImageDraw.Draw(large)
        font = ImageFont.load_default(size=large.height * mark.share)
        corner = (large.width - 4, large.height - 4)
        draw.text(corner, f"{day:02}.{month:02}.20{year}", colour, font, anchor="rb")
        return np.asarray(resize_image(large, SIZE))
    boxes = {
        "top": (0, 0, width - 1, h - 1),
        "bottom": (0, height - h, width - 1, height - 1),
        "left": (0, 0, w - 1, height - 1),
        "right": (width - w, 0, width - 1, height - 1),
        "top left": (0, 0, w - 1, h - 1),
        "top right": (width - w, 0, width - 1, h - 1),
        "bottom left": (0, height - h, w - 1, height - 1),
        "bottom right": (width - w, height - h, width - 1, height - 1),
    }
    for kind in ("top", "bottom", "left", "right") if mark.kind == "border" else (mark.kind,):
        draw.rectangle(boxes[kind], fill=colour)
    return np.asarray(resize_image(made, SIZE))


if __name__ == "__main__":
    main()
