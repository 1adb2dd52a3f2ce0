"""The manifest is read back as written, and verifies the photographs."""

from hashlib import sha256
from pathlib import Path

import pytest

from ballast.core.errors import UserError
from ballast.core.manifest import (
    AugmentedRow,
    Row,
    class_names,
    has_test_folder,
    image_reader,
    read_augmented,
    read_manifest,
    subset_rows,
    write_augmented,
    write_manifest,
)

ROWS = [
    Row('dog/ä, "b".png', "dog", "train", "g1", "ab" * 32, 20, 10),
    Row("cat/1.png", "cat", "test", "g2", "cd" * 32, 8, 8, "test"),
]


def test_it_comes_back_sorted_by_path(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", ROWS)
    assert read_manifest(tmp_path / "manifest.csv") == sorted(ROWS)
    header, *lines = (tmp_path / "manifest.csv").read_bytes().split(b"\n")
    assert header == b"path,class,split,group,sha256,width,height,given"
    assert lines[0].startswith(b"cat/1.png,cat,test,")
    assert lines[0].endswith(b",8,8,test")
    assert lines[1].endswith(b",20,10,")


def test_the_list_of_training_images_comes_back_sorted_by_path(tmp_path: Path) -> None:
    images = [
        AugmentedRow("dog/b-r001.jpg", "dog", "dog/b.png", 1, "ab" * 32),
        AugmentedRow("dog/a-r000.jpg", "dog", "dog/a.png", 0, "cd" * 32),
    ]
    write_augmented(tmp_path / "augmented.csv", images)
    assert read_augmented(tmp_path / "augmented.csv") == sorted(images)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\x12garbage",
        b"garbage",
        b"other,columns\n1,2\n",
        b"path,class,split,group,sha256,width,height,given\na.png,dog,train,g",
    ],
)
def test_a_damaged_list_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"manifest\.csv: edited or damaged; run ballast check"):
        read_manifest(path)


def test_classes_are_sorted_and_subsets_keep_their_order() -> None:
    assert class_names(ROWS) == ["cat", "dog"]
    assert subset_rows(ROWS, "test") == [ROWS[1]]


def test_an_image_that_changed_is_refused(tmp_path: Path) -> None:
    row = Row("a.png", "dog", "train", "", sha256(b"photo").hexdigest(), 1, 1)
    read = image_reader(tmp_path)
    with pytest.raises(UserError, match=r"a\.png: No such file"):
        read(row)
    (tmp_path / "a.png").write_bytes(b"photo")
    assert read(row) == b"photo"
    (tmp_path / "a.png").write_bytes(b"other")
    with pytest.raises(UserError, match=r"a\.png: changed since it was listed"):
        read(row)


def test_the_manifest_tells_who_drew_the_test_set() -> None:
    row = Row("test/cat/1.png", "cat", "test", "a", "a", 8, 8)
    assert not has_test_folder([row]), "drawn from a folder that is called test"
    assert has_test_folder([row, row._replace(path="cat/1.png", given="test")])
    assert not has_test_folder([row._replace(split="train", given="train")])
