"""The split is stratified, seeded and blind to names and order; rare classes train first."""

import random
from collections import Counter

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from ballast.core.manifest import Row, Subset
from ballast.dataset import folds
from ballast.dataset.scan import Photo


def photos_of(**counts: int) -> list[Photo]:
    return [
        Photo(f"{name}/{i}.png", name, None, f"{name}{i}", 8, 8)
        for name, count in counts.items()
        for i in range(count)
    ]


def split_photos(
    photos: list[Photo],
    count: int,
    fold: int,
    val: float,
    seed: int,
    groups: list[int] | None = None,
) -> list[Row]:
    alone = list(range(len(photos)))
    return folds.split_photos(photos, groups or alone, count, fold, val, seed)


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


@st.composite
def grouped_photos(draw: st.DrawFn) -> tuple[list[Photo], list[int]]:
    """Photographs of up to four classes in groups of up to six, of one class or of several."""
    classes = draw(st.lists(st.sampled_from("abcd"), min_size=2, max_size=40))
    groups = draw(st.lists(st.integers(0, 15), min_size=len(classes), max_size=len(classes)))
    photos = [Photo(f"{c}/{i}", c, None, f"{c}{i}", 8, 8) for i, c in enumerate(classes)]
    return photos, groups


@given_any(
    grouped=grouped_photos(),
    count=st.integers(2, 5),
    val=st.floats(0, 0.9),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_a_group_never_straddles_and_every_class_trains(
    grouped: tuple[list[Photo], list[int]],
    count: int,
    val: float,
    seed: int,
    data: st.DataObject,
) -> None:
    photos, groups = grouped
    fold = data.draw(st.integers(0, count - 1))
    rows = split_photos(photos, count, fold, val, seed, groups)
    sides: dict[int, set[str]] = {}
    for row, group in zip(rows, groups, strict=True):
        sides.setdefault(group, set()).add(row.split)
    assert all(len(side) == 1 for side in sides.values())
    assert all(found["train"] for found in sizes(rows).values())
    named = {(row.group, group) for row, group in zip(rows, groups, strict=True)}
    assert len(named) == len(set(groups)), "one name a group, and one group a name"

    shuffled = random.Random(seed).sample(range(len(photos)), len(photos))
    again = split_photos(
        [photos[index]._replace(path=f"z{index}") for index in shuffled],
        count, fold, val, seed, [groups[index] for index in shuffled],
    )  # fmt: skip
    assert {r.sha256: r.split for r in again} == {r.sha256: r.split for r in rows}


def test_groups_are_dealt_out_so_that_folds_are_alike() -> None:
    photos = photos_of(human=24, snake=36)
    groups = [index // 4 for index in range(60)]  # 6 and 9 groups of 4
    for fold in range(3):
        found = sizes(split_photos(photos, 3, fold, 0.0, 42, groups))
        assert (found["human"]["test"], found["snake"]["test"]) == (8, 12)


def test_a_group_too_large_for_the_share_of_val_is_passed_over_for_one_that_fits() -> None:
    photos = photos_of(human=20)
    groups = [0] * 10 + list(range(1, 11))
    for seed in range(5):
        found = sizes(split_photos(photos, 5, 0, 0.15, seed, groups))
        assert found["human"]["val"] <= 3
    only_large = [index // 5 for index in range(20)]
    assert sizes(split_photos(photos, 5, 0, 0.15, 42, only_large))["human"]["val"] == 5


def test_a_class_of_one_group_trains_and_is_not_tested() -> None:
    photos = photos_of(human=6, snake=20)
    groups = [0] * 6 + list(range(1, 21))
    for fold in range(5):
        found = sizes(split_photos(photos, 5, fold, 0.15, 42, groups))
        assert found["human"] == {"train": 6}


def test_a_class_whose_groups_all_hold_other_classes_gives_one_to_val() -> None:
    photos = photos_of(a=15, b=6)
    groups = [*range(10, 22), 0, 1, 2, 0, 0, 1, 1, 2, 2]
    for seed in range(5):
        found = sizes(split_photos(photos, 5, 4, 0.15, seed, groups))
        assert found["b"]["val"] == 2


def test_a_group_is_named_by_its_content() -> None:
    photos = photos_of(human=4, snake=4)
    names = [row.group for row in split_photos(photos, 2, 0, 0.0, 42, [0, 0, 1, 2, 3, 3, 4, 0])]
    assert names == [
        "human0", "human0", "human2", "human3", "snake0", "snake0", "snake2", "human0",
    ]  # fmt: skip


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


def rows_of(photos: list[Photo], groups: list[int] | None = None) -> list[Row]:
    return split_photos(photos, 5, 0, 0, 42, groups)


def test_cross_validation_judges_every_photograph_in_one_fold() -> None:
    rows = rows_of(photos_of(human=24, dog=3, snake=35))
    dealt = folds.cross_validation_folds(rows, 5, 1)
    assert sorted(place for places in dealt for place in places) == list(range(len(rows)))


@given_any(
    st.lists(st.integers(1, 9), min_size=2, max_size=4),
    st.integers(2, 6),
    st.integers(0, 9),
    st.randoms(),
)
def test_folds_keep_groups_whole_and_leave_every_class_a_group_to_train(
    counts: list[int], count: int, seed: int, shuffled: random.Random
) -> None:
    photos = photos_of(**{f"class{number}": n for number, n in enumerate(counts)})
    groups = [shuffled.randrange(len(photos)) for _ in photos]
    rows = rows_of(photos, groups)
    dealt = folds.cross_validation_folds(rows, count, seed)
    judged = [place for places in dealt for place in places]
    assert len({*judged}) == len(judged)
    for places in dealt:
        inside = {rows[place].group for place in places}
        left = [row for place, row in enumerate(rows) if place not in places]
        assert inside.isdisjoint(row.group for row in left)
        assert {row.class_ for row in left} == {row.class_ for row in rows}


def test_there_are_as_many_folds_at_most_as_the_class_with_most_groups_has() -> None:
    rows = rows_of(photos_of(human=3, dog=4))
    assert folds.most_folds(rows, 3, 1) == 3
    assert folds.most_folds(rows, 1000, 1) == 4
    copies = rows_of(photos_of(human=3, dog=4), [0, 0, 1, 2, 2, 2, 3])
    assert folds.most_folds(copies, 5, 1) == 2
    # The only group of a class trains, so a fold that holds no other group would test nothing.
    assert folds.most_folds(rows_of(photos_of(human=1, dog=2)), 5, 1) == 2
    assert folds.most_folds(rows_of(photos_of(human=1, dog=1)), 5, 1) == 0


@given_any(st.integers(2, 12), st.integers(0, 9), st.randoms())
def test_every_fold_tests_something_up_to_the_most_and_one_does_not_above(
    count: int, seed: int, shuffled: random.Random
) -> None:
    photos = photos_of(human=4, dog=2, snake=3)
    rows = rows_of(photos, [shuffled.randrange(len(photos)) for _ in photos])
    most = folds.most_folds(rows, count, seed)
    assert not most or all(folds.cross_validation_folds(rows, most, seed))
    for more in range(max(most, 1) + 1, count + 1):
        assert not all(folds.cross_validation_folds(rows, more, seed))


def test_a_fold_is_the_test_set_that_split_fold_names() -> None:
    photos = photos_of(human=24, dog=3, snake=35)
    dealt = folds.cross_validation_folds(rows_of(photos), 5, 42)
    for fold, places in enumerate(dealt):
        split = split_photos(photos, 5, fold, 0.15, 42)
        assert [i for i, row in enumerate(split) if row.split == "test"] == places


def test_without_a_fold_all_photographs_train_but_those_given_for_testing() -> None:
    photos = photos_of(human=24, dog=3)
    rows = folds.split_photos(photos, list(range(27)), 5, None, 0, 42)
    assert {row.split for row in rows} == {"train"}
    given = [photos[0]._replace(given="test"), *photos[1:]]
    rows = folds.split_photos(given, list(range(27)), 5, None, 0, 42)
    assert [row.path for row in rows if row.split == "test"] == [photos[0].path]
