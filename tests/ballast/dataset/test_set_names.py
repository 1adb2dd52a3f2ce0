"""Names of folders that stand for the sets of a split."""

import pytest

from ballast.dataset.set_names import SetName, are_parts, set_folders, set_name, subset_of


@pytest.mark.parametrize(
    ("name", "subset"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("TRAINING SET", "train"),
        ("training_set", "train"),
        ("trainset", "train"),
        ("train_data", "train"),
        ("train2017", "train"),
        ("train_part_2", "train"),
        ("val", "val"),
        ("Valid", "val"),
        ("validation-images", "val"),
        ("test1", "test"),
        ("Testing", "test"),
        ("test_images", "test"),
    ],
)
def test_a_name_of_a_set_is_known(name: str, subset: str) -> None:
    assert subset_of(name) == subset


@pytest.mark.parametrize(
    "name", ["dog", "invalid", "trainer", "trains", "contest", "train_test", "images", "1", "", "é"]
)
def test_another_name_is_of_no_set(name: str) -> None:
    assert set_name(name) is None


def test_other_words_are_told() -> None:
    assert set_name("seg_train") == SetName("train", ("seg",))
    assert set_name("ASL_alphabet_test") == SetName("test", ("asl", "alphabet"))
    assert subset_of("seg_train") is None


def test_sets_of_one_split_share_all_other_words() -> None:
    assert set_folders(["seg_train", "seg_test", "seg_pred"]) == {
        "seg_test": "test",
        "seg_train": "train",
    }
    assert set_folders(["train_station", "test_tube", "bus"]) == {}
    assert set_folders(["train", "car", "bus"]) == {}
    assert set_folders(["train"]) == {"train": "train"}
    assert set_folders(["train1", "train2"]) == {}


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["x_part_1", "x_part_2"], True),
        (["HAM part1", "HAM part2", "HAM part3"], True),
        (["train1", "train2"], True),
        (["class_1", "class_2"], False),
        (["x_part_1", "y_part_2"], False),
        (["x_part_1", "x_part"], False),
        (["x_part_1"], False),
    ],
)
def test_parts_of_one_set_differ_in_their_number_alone(names: list[str], parts: bool) -> None:
    assert are_parts(names) is parts
