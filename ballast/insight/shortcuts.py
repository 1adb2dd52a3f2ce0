"""Shortcuts: a place in the photographs that decides the class by itself, whatever else they show.

A time stamp, a frame or a coloured corner in every photograph of one class tells the class without
its subject. A model that learns such a mark is right in every test, and wrong in use (Geirhos et
al. 2020, arXiv:2004.07780). To find it, a place of a class's photographs is pasted, at the same
place, into photographs of the other classes. If the evidence for the class comes along with it, the
model looks there. Nothing is covered with grey, which would be a mark itself: both parts of what is
pasted together are real.

The constants were set on 31 draws; docs/where-it-looks.md has others, of the same photographs.
"""

from collections.abc import Callable, Sequence
from math import fsum

import numpy as np
from numpy.typing import NDArray

from ballast.insight.evidence import centred
from ballast.model.logits import Floats
from ballast.scores.explanations import Shortcut

# A place decides if at least this share of the evidence comes along, and at least this share of the
# photographs turns into the class. When they were set, shares were 0.72 or more for marks that the
# model depended on, and 0.65 or less for others.
DECIDES, TURNS = 0.7, 0.5
# Logits by which a class's photographs must differ from the others on average: below, the model
# hardly tells the classes apart, and shares are shares of noise.
CLEAR = 0.5
PAIRS = 12  # photographs that each place is pasted into, and as many that it comes from
LEAST = 3  # photographs of a class, below which nothing is said of it
# As shares of the image's side: depth of the strips, and width of the border.
STRIP, BORDER = 0.3, 0.1

PixelsOf = Callable[[NDArray[np.int64]], NDArray[np.uint8]]  # of m photographs: (m, size, size, 3)
LogitsOf = Callable[[NDArray[np.uint8]], Floats]  # of such pixels: (m, k)


def places(size: int) -> dict[str, NDArray[np.bool_]]:
    """The places that are tried, from small to large, by name: masks of shape (size, size)."""
    half, strip, border = size // 2, round(size * STRIP), round(size * BORDER)
    row, column = np.indices((size, size))
    top, left = row < half, column < half
    inner = (row >= border) & (row < size - border) & (column >= border) & (column < size - border)
    return {
        "top left": top & left,
        "top right": top & ~left,
        "bottom left": ~top & left,
        "bottom right": ~top & ~left,
        "top": row < strip,
        "bottom": row >= size - strip,
        "left": column < strip,
        "right": column >= size - strip,
        "border": ~inner,
    }


def shortcuts(
    logits: Floats,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    pixels_of: PixelsOf,
    logits_of: LogitsOf,
) -> list[Shortcut]:
    """Find places that decide a class by themselves.

    The share of the evidence is how far pasting moves the logit of the class, from where it is in
    the photographs pasted into to where it is in those pasted from; logits count from the mean of
    all classes. Which photographs are pasted does not depend on the model, so that the features of
    pasted ones are computed once for all models; only pairs of which it classifies both correctly
    count. Of each class, the smallest place that decides is returned. A mark that one of two
    classes has is also a sign of the other by its absence; so of each place, only the class with
    the largest share is returned, the first of equal ones.

    Args:
        logits: of n photographs, shape (n, k), in an order that does not depend on the machine,
            such as that of their paths.
        labels: class of each, a place in `classes`, shape (n,).
        classes: k names.
        pixels_of: reads photographs by their places in `logits`, as the network sees them.
        logits_of: runs the model that gave `logits`; it is called once for each class, with
            PAIRS images for each of the places.

    Returns:
        Shortcuts in the order of the classes; mostly none.
    """
    known = centred(logits)
    right = known.argmax(axis=1) == labels
    found: list[Shortcut] = []
    for c, class_ in enumerate(classes):
        mine = np.flatnonzero(labels == c)
        others = [np.flatnonzero(labels == o) for o in range(len(classes)) if o != c]
        others = [one for one in others if len(one)]
        if len(mine) < LEAST or not others:
            continue
        source, into = spread(mine), in_turn(others)
        counts = right[source] & right[into]
        pairs = int(counts.sum())
        start, goal = fsum(known[into[counts], c]), fsum(known[source[counts], c])
        if len({*source[counts]}) < LEAST or goal - start < CLEAR * pairs:
            continue
        from_, to = pixels_of(source), pixels_of(into)
        masks = places(to.shape[1])
        images = [np.where(mask[:, :, None], from_, to) for mask in masks.values()]
        by_place = np.split(centred(logits_of(np.concatenate(images))), len(masks))
        for place, pasted in zip(masks, (one[counts] for one in by_place), strict=True):
            share = round((fsum(pasted[:, c]) - start) / (goal - start), 2)
            turned = int((pasted.argmax(axis=1) == c).sum())
            if share >= DECIDES and turned >= TURNS * pairs:
                found.append(Shortcut(class_, place, share, turned, pairs))
                break
    return [
        one._replace(share=min(one.share, 1.0))
        for one in found
        if one is max((x for x in found if x.place == one.place), key=lambda x: x.share)
    ]


def spread(chosen: NDArray[np.int64], count: int = PAIRS) -> NDArray[np.int64]:
    """`count` of some photographs, evenly spread; each as often as needed if they are fewer."""
    if len(chosen) < count:
        return np.resize(chosen, count)
    return np.asarray(chosen[np.arange(count) * len(chosen) // count])


def in_turn(classes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """PAIRS photographs of several classes in turn, of each as many as of the others."""
    each = -(-PAIRS // len(classes))
    return np.stack([spread(one, each) for one in classes], axis=1).ravel()[:PAIRS]
