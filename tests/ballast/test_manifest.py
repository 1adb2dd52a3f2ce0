"""The manifest comes back as it was written, and vouches for the photographs."""

from hashlib import sha256
from pathlib import Path

import pytest

from ballast.errors import UserError
from ballast.manifest import (
    Row,
    class_names,
    read_manifest,
    read_photo,
    subset_rows,
    write_manifest,
)

ROWS = [
    Row('dog/ä, "b".png', "dog", "train", "g1", "ab" * 32, 20, 10),
    Row("cat/1.png", "cat", "test", "g2", "cd" * 32, 8, 8),
]


def test_it_comes_back_sorted_by_path(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", ROWS)
    assert read_manifest(tmp_path / "manifest.csv") == sorted(ROWS)
    header, *lines = (tmp_path / "manifest.csv").read_bytes().split(b"\n")
    assert header == b"path,class,split,group,sha256,width,height"
    assert lines[0].startswith(b"cat/1.png,cat,test,")


def test_classes_are_sorted_and_subsets_keep_their_order() -> None:
    assert class_names(ROWS) == ["cat", "dog"]
    assert subset_rows(ROWS, "test") == [ROWS[1]]


def test_a_photograph_that_changed_is_refused(tmp_path: Path) -> None:
    row = Row("a.png", "dog", "train", "", sha256(b"photo").hexdigest(), 1, 1)
    with pytest.raises(UserError, match=r"a\.png: No such file"):
        read_photo(tmp_path, row)
    (tmp_path / "a.png").write_bytes(b"photo")
    assert read_photo(tmp_path, row) == b"photo"
    (tmp_path / "a.png").write_bytes(b"other")
    with pytest.raises(UserError, match=r"a\.png: changed since it was split"):
        read_photo(tmp_path, row)
