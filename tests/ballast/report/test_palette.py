"""Class colours contrast with the page and are distinguishable for colour-blind readers."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ballast.report.palette import CLASS_COLOURS, class_colour

PAPER = {"light": "#ffffff", "dark": "#14171a"}
# Machado, Oliveira & Fernandes 2009, table 1, severity 1.0; on linear RGB.
COLOUR_BLIND = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip


def linear(colour: str) -> NDArray[np.float64]:
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linearised: NDArray[np.float64] = np.where(
        values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
    )
    return linearised


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("mode", PAPER)
def test_every_colour_has_a_contrast_of_3_to_the_page(mode: str) -> None:
    page = luminance(PAPER[mode])
    for colours in CLASS_COLOURS:
        colour = luminance(getattr(colours, mode))
        ratio = (max(page, colour) + 0.05) / (min(page, colour) + 0.05)
        assert ratio >= 3, colours


@pytest.mark.parametrize("blindness", COLOUR_BLIND)
@pytest.mark.parametrize("mode", PAPER)
def test_the_first_four_differ_to_the_colour_blind(mode: str, blindness: str) -> None:
    seen = [
        np.clip(np.array(COLOUR_BLIND[blindness]) @ linear(getattr(colours, mode)), 0, 1)
        ** (1 / 2.4)
        for colours in CLASS_COLOURS[:4]
    ]
    gaps = [float(np.linalg.norm(a - b)) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) > 0.1


def test_colours_come_again_after_the_last() -> None:
    assert [class_colour(place) for place in (0, 5, 6)] == [0, 5, 0]
