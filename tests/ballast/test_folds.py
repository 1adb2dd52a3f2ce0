"""The split: stratified, seeded, blind to names and order; rare classes train first."""

import random
from collections import Counter

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from ballast.folds import split_photos
from ballast.inventory import Photo
from ballast.manifest import Row, Subset


def photos_of(**counts: int) -> list[Photo]:
    return [
        Photo(f"{name}/{i}.png", name, None, f"{name}{i}", 8, 8)
        for name, count in counts.items()
        for i in range(count)
    ]


def sizes(rows: list[Row]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.class_, Counter())[row.split] += 1
    return found


def test_62_photographs_of_24_3_and_35_give_a_test_set_of_5_1_and_7() -> None:
    photos = photos_of(human=24, dog=3, snake=35)
    found = sizes(split_photos(photos, 5, 0, 0.15, 42))
    assert {name: subsets["test"] for name, subsets in found.items()} == {
        "human": 5,
        "dog": 1,
        "snake": 7,
    }
    assert all(subsets["train"] and subsets["val"] for subsets in found.values())


@pytest.mark.parametrize(
    ("photos", "expected"),
    [
        (1, {"train": 1}),
        (2, {"train": 1, "test": 1}),
        (3, {"train": 1, "test": 1, "val": 1}),
    ],
)
def test_a_small_class_keeps_train_first_then_test_then_val(
    photos: int, expected: dict[str, int]
) -> None:
    small = photos_of(rare=photos, common=20)
    assert sizes(split_photos(small, 5, 0, 0.15, 42))["rare"] == expected


@given_any(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    folds=st.integers(2, 8),
    val=st.floats(0, 0.9),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_every_class_trains_and_neither_order_nor_names_matter(
    counts: list[int], folds: int, val: float, seed: int, data: st.DataObject
) -> None:
    photos = photos_of(**{f"class{i}": n for i, n in enumerate(counts)})
    fold = data.draw(st.integers(0, folds - 1))
    rows = split_photos(photos, folds, fold, val, seed)
    assert all(found["train"] for found in sizes(rows).values())

    shuffled = random.Random(seed).sample(photos, len(photos))
    renamed = [p._replace(path=f"z{i}.png") for i, p in enumerate(shuffled)]
    again = split_photos(renamed, folds, fold, val, seed)
    assert {r.sha256: r.split for r in again} == {r.sha256: r.split for r in rows}


def test_over_all_folds_every_image_is_tested_once() -> None:
    photos = photos_of(human=24, dog=3, snake=35)
    tested = Counter(
        row.path
        for fold in range(5)
        for row in split_photos(photos, 5, fold, 0.15, 42)
        if row.split == "test"
    )
    assert tested == Counter(photo.path for photo in photos)


def test_seeds_give_different_splits() -> None:
    photos = photos_of(human=24, snake=35)
    assert split_photos(photos, 5, 0, 0.15, 1) != split_photos(photos, 5, 0, 0.15, 2)


def given(subset: Subset, **counts: int) -> list[Photo]:
    return [
        photo._replace(given=subset, sha256=f"{subset} {photo.sha256}")
        for photo in photos_of(**counts)
    ]


def test_a_given_test_set_is_kept_and_val_comes_out_of_train() -> None:
    photos = given("train", human=20, dog=3) + given("test", human=1, dog=1)
    found = sizes(split_photos(photos, 5, 0, 0.15, 42))
    assert found["human"] == {"train": 17, "val": 3, "test": 1}
    assert found["dog"] == {"train": 2, "val": 1, "test": 1}


def test_a_given_val_set_is_kept_whole() -> None:
    photos = given("train", human=20, dog=3) + given("val", human=1) + given("test", dog=1)
    found = sizes(split_photos(photos, 5, 0, 0.15, 42))
    assert found == {"human": {"train": 20, "val": 1}, "dog": {"train": 3, "test": 1}}


def test_a_val_share_of_0_gives_no_val() -> None:
    rows = split_photos(photos_of(human=20, dog=3), 5, 0, 0.0, 42)
    assert {row.split for row in rows} == {"train", "test"}
