"""What is left out of a folder, counted by reason and by class."""

import pytest

from ballast.dataset.layout import Layout, Place
from ballast.dataset.losses import CONFLICT, Loss, by_reason, class_losses, kind
from ballast.dataset.scan import Rejection

TOO_LARGE = "more megapixels than data.max_megapixels"


@pytest.mark.parametrize(
    ("reason", "general"),
    [
        ("same bytes as dog/1 in test.jpg", "same bytes as another file of its class"),
        ("copy of dog/1.jpg in another class", CONFLICT),
        ("in the same group as dog/1.jpg in val", "in the same group as photographs in val"),
        ("broken image: image file is truncated (3 bytes)", "broken image"),
        ("31.2 megapixels, more than data.max_megapixels", TOO_LARGE),
        ("1e+03 megapixels, more than data.max_megapixels", TOO_LARGE),
        (TOO_LARGE, TOO_LARGE),
        ("JPEG with 900 scans, which would take too long to decode", "JPEG with too many scans"),
        ("70000 pixels on the longer side, more than 65535", "too many pixels"),
        ("two labels in l.csv: cat and dog", "two labels in l.csv"),
        (
            "one row means it or b/1.jpg (data.labels)",
            "one row means it or another file (data.labels)",
        ),
        ("empty file", "empty file"),
    ],
)
def test_reasons_of_one_kind_are_counted_as_one(reason: str, general: str) -> None:
    assert kind(reason) == general
    assert kind(general) == general


def test_the_most_common_reason_comes_first() -> None:
    reasons = ["empty file", "broken image: a", "hidden file", "broken image: b"]
    found = by_reason([Rejection("x", reason) for reason in reasons])
    assert [*found.items()] == [("broken image", 2), ("empty file", 1), ("hidden file", 1)]
    assert by_reason([]) == {}


def test_what_a_class_loses_is_counted_without_what_its_path_leaves_out() -> None:
    places: dict[str, Place | str] = {f"cat/{n}.jpg": Place("cat", None) for n in range(5)}
    places |= {
        "dog/1.jpg": Place("dog", None),
        "dog/.x": "hidden file",
        "fox": "not in a class folder",
    }
    rejections = [
        Rejection("cat/0.jpg", "empty file"),
        Rejection("cat/1.jpg", "broken image: a"),
        Rejection("cat/2.jpg", "broken image: b"),
        Rejection("dog/.x", "hidden file"),
        Rejection("fox", "link to a folder"),
    ]  # fmt: skip
    assert class_losses(Layout(places, [""]), rejections) == {
        "cat": Loss(5, 3, "broken image"),
        "fox": Loss(1, 1, "link to a folder"),
    }
