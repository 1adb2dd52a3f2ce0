"""Curves as inline SVG: styled by the page's theme, with unique ids."""

import re
from xml.etree import ElementTree

import numpy as np
from matplotlib import rc_context

from ballast.report.curves import PAGE_COLOURS, history_curves, reliability_plot
from ballast.scores.metrics import reliability
from ballast.scores.predictions import Predictions

HISTORY = {
    "loss": [1.0, 0.5, 0.2],
    "val_loss": [1.1, 0.7, 0.9],
    "accuracy": [0.3, 0.8, 1.0],
    "val_accuracy": [0.3, 0.6, 0.5],
}
BINS = reliability(
    [
        Predictions(
            ["a", "b"], ["x"] * 3, ["a", "a", "b"], np.array([[0.9, 0.1], [0.3, 0.7], [0, 1]])
        )
    ]
)


def pictures(name: str) -> list[str]:
    return [
        history_curves(f"{name} loss", HISTORY, "loss", 2, 1.2, 5),
        history_curves(f"{name} accuracy", HISTORY, "accuracy", 2, 1.0, 5),
        reliability_plot(f"{name} reliability", BINS),
    ]


def test_every_colour_is_the_pages_own() -> None:
    for svg in pictures("a"):
        assert not re.search(r"#[0-9a-fA-F]{6}", svg)
        assert set(re.findall(r"var\(--\w+\)", svg)) <= set(PAGE_COLOURS.values())
        assert "var(--accent)" in svg


def test_equal_values_give_equal_bytes_whatever_a_user_has_set_in_matplotlib() -> None:
    plain = pictures("a")
    with rc_context({"font.size": 20, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert pictures("a") == plain


def test_pictures_of_one_page_share_no_id() -> None:
    ids = [
        found
        for name in "ab"
        for svg in pictures(name)
        for found in re.findall(r' id="([^"]*)', svg)
    ]
    assert len(ids) == len(set(ids)) > 6
    for svg in pictures("a"):
        used = set(re.findall(r"#([^\")]+)", svg))
        assert used == set(re.findall(r' id="([^"]*)', svg))


def test_nothing_in_it_reaches_beyond_it() -> None:
    for svg in pictures("a"):
        tags = {element.tag for element in ElementTree.fromstring(svg).iter()}
        assert not tags & {"style", "script", "metadata", "image", "foreignObject"}
        assert "http" not in svg


def test_text_is_text_and_the_chosen_epoch_is_named() -> None:
    loss, accuracy, _ = pictures("a")
    assert ">epoch 2 chosen</text>" in loss
    assert ">50 %</text>" in accuracy


def test_another_history_gives_another_picture() -> None:
    other = {**HISTORY, "val_loss": [1.1, 0.7, 0.8]}
    svg = history_curves("a loss", other, "loss", 2, 1.2, 5)
    assert svg != pictures("a")[0]
    assert history_curves("a loss", HISTORY, "loss", 1, 1.2, 5) != pictures("a")[0]
