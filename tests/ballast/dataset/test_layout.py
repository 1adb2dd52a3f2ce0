"""The layout: which folders are classes, which are sets of a split, and which are neither."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from ballast.core.errors import UserError
from ballast.dataset.layout import Layout, Place, empty_class_folders, folder_layout, given_parents


def make(raw: Path, *paths: str) -> Path:
    for path in paths:
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).touch()
    return raw


def pairs(*folders: str) -> list[str]:
    """A file of each of two classes in each folder."""
    return [f"{folder}/{name}/{folder[:1]}.jpg" for folder in folders for name in ("dog", "cat")]


def classes(layout: Layout) -> set[tuple[str, str | None]]:
    places = [place for place in layout.places.values() if isinstance(place, Place)]
    return {(place.class_, place.given) for place in places}


def both(*subsets: str | None) -> set[tuple[str, str | None]]:
    return {(name, subset) for name in ("dog", "cat") for subset in subsets}


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "test"),
        ("Training", "Testing"),
        ("training_set", "test_set"),
        ("train", "test1"),
        ("train_images", "test_images"),
        ("train_data", "test_data"),
        ("train-set", "test set"),
        ("seg_train", "seg_test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train/images", "test/images"),
        ("train/animals", "test/animals"),
        ("asl_alphabet_train/asl_alphabet_train", "asl_alphabet_test/asl_alphabet_test"),
        ("photos/train", "photos/test"),
        ("photos/photos/Train", "photos/photos/Test"),
        ("archive/seg_train/seg_train", "archive/seg_test/seg_test"),
    ],
)
def test_a_given_split_is_known_by_many_names(tmp_path: Path, folders: tuple[str, str]) -> None:
    layout = folder_layout(make(tmp_path, *pairs(*folders)))
    assert classes(layout) == both("train", "test")
    assert given_parents(layout) == dict(zip(folders, ("train", "test"), strict=True))
    assert layout.parents == sorted(folders)


def test_a_split_into_three_sets(tmp_path: Path) -> None:
    layout = folder_layout(make(tmp_path, *pairs("Training", "valid", "test_set")))
    assert classes(layout) == both("train", "val", "test")
    assert layout.notes == ["a given split: Training/ is train, test_set/ is test, valid/ is val"]


def test_plain_names_need_no_note(tmp_path: Path) -> None:
    assert folder_layout(make(tmp_path, *pairs("train", "test"))).notes == []
    assert folder_layout(make(tmp_path / "2", "dog/1.jpg", "cat/1.jpg")).notes == []


@pytest.mark.parametrize(
    "parents",
    [
        ("x_part_1", "x_part_2"),
        ("x_part_1/x_part_1", "x_part_2/x_part_2"),
        ("train1/images", "train2/images"),
    ],
)
def test_parts_of_one_set_are_merged(tmp_path: Path, parents: tuple[str, str]) -> None:
    one, two = parents
    make(tmp_path, f"{one}/dog/1.jpg", f"{two}/dog/2.jpg", f"{two}/cat/1.jpg")
    layout = folder_layout(tmp_path)
    assert classes(layout) == both(None)
    assert layout.parents == [one, two]
    assert layout.notes == [f"the classes in {one}/ and {two}/ are merged"]


@pytest.mark.parametrize(
    "paths",
    [
        ["class_1/a/1.jpg", "class_2/a/1.jpg"],
        ["part_1/1.jpg", "part_2/1.jpg"],
        ["part_1/1.jpg", "part_1/more/1.jpg", "part_2/front/1.jpg"],
    ],
)
def test_classes_with_numbers_are_classes(tmp_path: Path, paths: list[str]) -> None:
    layout = folder_layout(make(tmp_path, *paths))
    assert classes(layout) == {(path.split("/")[0], None) for path in paths}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "car", "bus"),
        ("valid", "invalid"),
        ("test", "control"),
        ("train", "test", "control"),
        ("train_station", "test_tube", "bus"),
        ("valid_id", "test_pattern"),
    ],
)
def test_classes_named_like_sets_beside_others_are_classes(
    tmp_path: Path, names: Iterable[str]
) -> None:
    layout = folder_layout(make(tmp_path, *(f"{name}/1.jpg" for name in names)))
    assert classes(layout) == {(name, None) for name in names}
    assert layout.parents == [""]
    assert layout.notes == []


def test_a_class_named_like_a_set_with_folders_in_it_is_told(tmp_path: Path) -> None:
    layout = folder_layout(make(tmp_path, "train/steam/1.jpg", "train/diesel/1.jpg", "car/1.jpg"))
    assert classes(layout) == {("train", None), ("car", None)}
    assert layout.notes == ["train/ counts as a class, like the folders next to it"]


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        (["train/1.jpg", "valid/1.jpg", "test/1.jpg"], "train/, valid/ and test/"),
        (["test_set/1.jpg", "Training/1.jpg"], "Training/ and test_set/"),
        (["train/train/1.jpg", "test/test/1.jpg"], "train/ and test/"),
        (["train/1.jpg", "test/1.jpg", "labels/1.txt", "names.csv"], "train/ and test/"),
        (["train/images/1.jpg", "train/labels/1.txt", "test/images/1.jpg"], "train/ and test/"),
        (["im/train/1.jpg", "im/val/1.jpg", "labels/train/1.txt"], "im/train/ and im/val/"),
        (["train/1.jpg"], "train/"),
    ],
)  # fmt: skip
def test_sets_without_class_folders_are_refused(
    tmp_path: Path, paths: list[str], named: str
) -> None:
    with pytest.raises(UserError) as caught:
        folder_layout(make(tmp_path, *paths))
    assert str(caught.value) == (
        f"{tmp_path}: named like the sets of a split, but without class folders: {named}; make one"
        " folder per class in each, or rename them if they are classes"
    )


def test_a_set_without_class_folders_beside_one_with_them_is_told(tmp_path: Path) -> None:
    layout = folder_layout(make(tmp_path, *pairs("train"), "test/1.jpg"))
    assert classes(layout) == both("train")
    assert layout.notes == ["test/ has no class folders, so its files are left out"]
    assert layout.places["test/1.jpg"] == "not in a class folder"


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("train", "test", "extra"), "extra/ is next to train/ and test/"),
        (("seg_train", "seg_test", "pred"), "pred/ is next to seg_train/ and seg_test/"),
        (("in/train", "in/val", "in/more"), "in/more/ is next to in/train/ and in/val/"),
    ],
)
def test_another_folder_beside_a_split_is_refused_with_the_pair(
    tmp_path: Path, folders: tuple[str, ...], words: str
) -> None:
    make(tmp_path, *pairs(*folders))
    with pytest.raises(UserError, match=f": {words}; move it elsewhere, list it in data.exclude,"):
        folder_layout(tmp_path)
    layout = folder_layout(tmp_path, [f"/{folders[2]}/"])
    assert {subset for _, subset in classes(layout)} == {"train", given_parents(layout)[folders[1]]}


def test_a_folder_without_pictures_beside_a_split_is_no_matter(tmp_path: Path) -> None:
    layout = folder_layout(make(tmp_path, *pairs("train", "test"), "annotations/1.xml", "x.csv"))
    assert classes(layout) == both("train", "test")
    assert layout.places["annotations/1.xml"] == "not in train/, val/ or test/"
    assert layout.places["x.csv"] == "not in a class folder"


@pytest.mark.parametrize("around", ["photos", "photos/photos", "a/b/c"])
def test_a_folder_around_the_classes_is_looked_through(tmp_path: Path, around: str) -> None:
    layout = folder_layout(make(tmp_path, *pairs(around), f"{around}/LICENSE.txt", "readme.md"))
    assert classes(layout) == both(None)
    assert layout.parents == [around]
    assert layout.notes == [f"looked through {around}/"]
    assert layout.places["readme.md"] == "not in a class folder"


@pytest.mark.parametrize(
    "paths", [["dog/1.jpg"], ["dog/1.jpg", "dog/a/1.jpg", "dog/b/1.jpg"], ["dog/a/1.jpg"]]
)
def test_a_single_class_is_not_looked_through(tmp_path: Path, paths: list[str]) -> None:
    layout = folder_layout(make(tmp_path, *paths))
    assert classes(layout) == {("dog", None)}
    assert layout.parents == [""]


@pytest.mark.parametrize("empty", ["folder", "link"])
def test_a_class_beside_one_that_is_empty_is_not_looked_through(tmp_path: Path, empty: str) -> None:
    make(tmp_path / "raw", "dog/a/1.jpg", "dog/b/1.jpg")
    if empty == "folder":
        (tmp_path / "raw/cat").mkdir()
    else:
        (tmp_path / "raw/cat").symlink_to(tmp_path)
    assert classes(folder_layout(tmp_path / "raw")) == {("dog", None)}


@pytest.mark.parametrize(
    ("around", "copy"), [("", "photos/"), ("", "photos (copy)/"), ("train/", "train/train/")]
)
def test_a_copy_of_the_folder_in_itself_is_refused(tmp_path: Path, around: str, copy: str) -> None:
    paths = [f"{name}/{number}.jpg" for name in ("dog", "cat") for number in range(3)]
    make(tmp_path, *(f"{folder}{path}" for path in paths for folder in (around, copy)))
    if around:
        make(tmp_path, *pairs("test"))
    with pytest.raises(UserError) as caught:
        folder_layout(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: {copy} holds copies of the folders next to it, for example {copy}cat/0.jpg"
        f" of {around}cat/0.jpg; remove it, or list it in data.exclude"
    )


def test_folders_of_the_same_name_in_a_class_are_no_copy(tmp_path: Path) -> None:
    layout = folder_layout(make(tmp_path, "dog/1.jpg", "cat/1.jpg", "both/dog/7.jpg", "both/8.jpg"))
    assert classes(layout) == {("dog", None), ("cat", None), ("both", None)}


@pytest.mark.parametrize(
    "name", ["@eaDir", "__MACOSX", ".thumbnails", ".ipynb_checkpoints", "Thumbs.db", "desktop.ini"]
)
@pytest.mark.parametrize("around", ["", "dog/", "dog/deeper/"])
def test_what_systems_leave_is_hidden_at_every_depth(
    tmp_path: Path, name: str, around: str
) -> None:
    path = f"{around}{name}" if "." in name[1:] else f"{around}{name}/dog/1.jpg"
    layout = folder_layout(make(tmp_path, "dog/1.jpg", "dog/deeper/1.jpg", "cat/1.jpg", path))
    assert layout.places[path] == "hidden file"
    assert classes(layout) == both(None)
    assert empty_class_folders(tmp_path, layout, ["dog", "cat"]) == []


def test_a_folder_that_is_excluded_is_no_empty_class(tmp_path: Path) -> None:
    make(tmp_path, "dog/1.jpg", "cat/1.jpg", "sketches/1.jpg", "only text/1.txt")
    layout = folder_layout(tmp_path, ["sketches/"])
    assert layout.places["sketches/1.jpg"] == "excluded by data.exclude"
    assert empty_class_folders(tmp_path, layout, ["dog", "cat"]) == ["only text"]
