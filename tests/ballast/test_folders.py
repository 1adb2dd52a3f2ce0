"""A folder's listing: everything that is no folder to look into."""

from pathlib import Path

import pytest

from ballast.errors import UserError
from ballast.folders import list_files, printable, unreadable


def test_a_missing_folder_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.raw: no such folder: .*nowhere"):
        list_files(tmp_path / "nowhere")


def test_files_are_listed_by_path_whatever_their_order_of_creation(tmp_path: Path) -> None:
    for name in ("b/2", "a/1", "B/3", "a/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_files(tmp_path) == ["B/3", "a/.hidden", "a/1", "b/2"]


def test_a_folder_is_followed_and_a_link_to_one_is_listed(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/1").touch()
    (tmp_path / "link").symlink_to("a")
    assert list_files(tmp_path) == ["a/b/1", "link"]
    assert unreadable(tmp_path / "link") == "link to a folder"
    assert unreadable(tmp_path / "a/b/1") is None


def test_what_has_gone_since_it_was_listed_is_told_as_gone(tmp_path: Path) -> None:
    assert unreadable(tmp_path / "nothing") == "gone"


def test_a_printable_path_is_itself_and_other_bytes_are_spelt_out() -> None:
    assert printable("a/é.png") == "a/é.png"
    assert printable("a/\udcff.png") == "a/\\xff.png"
