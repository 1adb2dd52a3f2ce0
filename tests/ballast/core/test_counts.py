"""Counts per class and subset, and warnings for small ones."""

from ballast.core.counts import count_classes, thin_classes, train_counts
from ballast.core.manifest import Row, Subset


def rows(class_: str, subset: Subset, count: int) -> list[Row]:
    return [Row(f"{class_}/{subset}{i}", class_, subset, "", "", 1, 1) for i in range(count)]


def test_counts_are_by_class_name_and_subset() -> None:
    photos = rows("snake", "train", 3) + rows("dog", "train", 1) + rows("dog", "test", 2)
    counts = count_classes(photos)
    assert counts == {
        "dog": {"train": 1, "val": 0, "test": 2},
        "snake": {"train": 3, "val": 0, "test": 0},
    }
    assert list(counts) == ["dog", "snake"]
    assert train_counts(counts) == {"dog": 1, "snake": 3}


def test_thin_classes_are_named() -> None:
    assert thin_classes(
        {
            "dog": {"train": 1, "val": 0, "test": 0},
            "cat": {"train": 1, "val": 0, "test": 1},
            "snake": {"train": 9, "val": 1, "test": 1},
        }
    ) == [
        "class dog has only one training photograph",
        "class dog has no photographs in test: it is too small, or this fold contains none",
        "class dog has no photographs in val: it is too small, or this fold contains none",
        "class cat has only one training photograph",
        "class cat has no photographs in val: it is too small, or this fold contains none",
    ]


def test_a_subset_that_nobody_asked_for_is_not_missed() -> None:
    assert thin_classes({"dog": {"train": 2, "val": 0, "test": 1}}) == []
