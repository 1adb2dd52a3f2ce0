"""What no classifier can be trained on is refused, with what became of the other files."""

from pathlib import Path

import pytest

from ballast.core.errors import UserError
from ballast.dataset.checks import check_classes
from ballast.dataset.layout import Layout, Place
from ballast.dataset.scan import Photo, Rejection


def photo(class_: str, given: str | None = None) -> Photo:
    return Photo(f"{class_}/a.png", class_, given, "ab", 8, 8)  # type: ignore[arg-type]  # a Subset


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        ([photo("dog")], "only one class, dog"),
        ([photo("Dog"), photo("dog")], "classes Dog and dog differ only in case"),
        ([photo("dog", "train"), photo("cat", "test")], "class cat has no images in train/"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(photos: list[Photo], words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_classes(Path("data/raw"), photos, [])


@pytest.mark.parametrize(
    ("rejections", "words"),
    [
        ([], "no images"),
        ([Rejection(".a", "hidden file")], "no usable images among 1 file, for example .a (hidden"),
        (
            [Rejection(".a", "hidden file"), Rejection("b", "empty file")],
            "no usable images among 2 files, for example b (empty file)",
        ),
    ],
)
def test_a_folder_without_images_is_refused_with_an_example(
    rejections: list[Rejection], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        check_classes(Path("photos"), [], rejections)
    assert str(caught.value).startswith(f"photos: {words}")
    assert "; put JPEG" in str(caught.value)


@pytest.mark.parametrize(
    ("photos", "rejections"),
    [
        ([], []),
        ([photo("dog")], []),
        ([photo("dog")], [Rejection("cat/1.png", "empty file")]),
    ],
)
def test_what_else_may_help_ends_the_error(
    photos: list[Photo], rejections: list[Rejection]
) -> None:
    layout = Layout({"cat/1.png": Place("cat", None)}, [""])
    with pytest.raises(UserError, match=r"; or set data\.labels: a\.csv$"):
        check_classes(Path("photos"), photos, rejections, layout, "; or set data.labels: a.csv")


def place(path: str) -> Place:
    *given, class_, _ = path.split("/")
    return Place(class_, given[0] if given else None)  # type: ignore[arg-type]  # a Subset


def refusal(photos: list[Photo], rejections: dict[str, str]) -> str:
    """The error about a folder with these photographs and rejections."""
    paths = [path for path in rejections if "/" in path]
    layout = Layout({path: place(path) for path in paths}, [""])
    with pytest.raises(UserError) as caught:
        check_classes(
            Path("photos"), photos, [Rejection(*found) for found in rejections.items()], layout
        )
    return str(caught.value)


@pytest.mark.parametrize(
    ("rejections", "lost"),
    [
        (
            {"cat/1.jpg": "broken image: cut", "cat/2": "empty file", "cat/3": "broken image: c"},
            "class cat lost all of its 3 files, for example cat/1.jpg (broken image: cut)",
        ),
        (
            {"cat/1.jpg": "copy of dog/a.png in another class"},
            "class cat lost all of its 1 file, for example cat/1.jpg (copy of dog/a.png in another"
            " class)",
        ),
        (
            {"cat": "folder that cannot be read"},
            "class cat lost all of its 1 file, for example cat (folder that cannot be read)",
        ),
    ],
)  # fmt: skip
def test_a_class_that_lost_all_its_files_is_named(rejections: dict[str, str], lost: str) -> None:
    assert refusal([photo("dog")], rejections) == (
        f"photos: only class dog has photographs left: {lost}; two or more classes are needed"
    )


def test_a_rejected_copy_of_the_only_class_is_no_loss_of_another() -> None:
    found = refusal([photo("dog")], {"dog/b.png": "empty file", "x.txt": "not in a class folder"})
    assert found.startswith("photos: only one class, dog; two or more are needed")


def test_all_photographs_dropped_for_a_label_conflict_are_told_with_a_pair() -> None:
    rejections = {
        "cat/1.jpg": "copy of dog/1.jpg in another class",
        "dog/1.jpg": "copy of cat/1.jpg in another class",
        "dog/2.jpg": "empty file",
    }
    assert refusal([], rejections) == (
        "photos: split.label_conflicts: drop leaves no photographs: each is a copy of one in"
        " another class, for example cat/1.jpg (copy of dog/1.jpg in another class); remove the"
        " copies, or set it to keep"
    )


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("same bytes as test/cat/9.jpg", "remove the class"),
        ("in the same group as test/cat/9.jpg in test", "set split.leakage to keep"),
    ],
)
def test_a_class_without_training_photographs_is_told_with_what_became_of_them(
    reason: str, cure: str
) -> None:
    photos = [photo("dog", "train"), photo("cat", "test")]
    rejections = {f"train/cat/{number}.jpg": reason for number in (1, 2)}
    rejections["test/cat/1.jpg"] = "empty file"
    assert refusal(photos, rejections) == (
        "photos: class cat has no images left in train/: its 2 files there were left out, for"
        f" example train/cat/1.jpg ({reason}); add other photographs to train/, or {cure}"
    )
