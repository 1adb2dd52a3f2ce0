"""Listing a folder: everything but folders to descend into, and whether it has changed."""

import multiprocessing
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from ballast.core.errors import UserError
from ballast.dataset.listing import (
    about,
    file_states,
    list_files,
    printable,
    refuse_changes,
    unread_path,
    unreadable,
)


def test_a_missing_folder_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.raw: no such folder: .*nowhere"):
        list_files(tmp_path / "nowhere")


def test_a_file_in_place_of_a_folder_is_called_one(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.touch()
    with pytest.raises(UserError) as caught:
        list_files(file)
    assert str(caught.value) == f"params.yaml: data.raw: {file} is a file, not a folder"
    with pytest.raises(UserError, match=r"data\.raw: no such folder: .*README\.md/photos"):
        list_files(file / "photos")


def test_a_home_folder_is_named_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    with pytest.raises(UserError) as caught:
        list_files(Path("~/photos"))
    assert str(caught.value) == (
        "params.yaml: data.raw: ~/photos: DVC does not expand ~; write /home/ada/photos"
    )
    with pytest.raises(UserError, match="write the whole path"):
        list_files(Path("~no such user/photos"))


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


def test_a_path_that_was_typed_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert unread_path(str(tmp_path / "a")) is None
    assert unread_path(str(tmp_path / "b")) == "no such file"
    assert unread_path(str(tmp_path)) == "folder, not a file"
    assert unread_path("") == "an empty path"
    assert about("b\udcff", "no such file") == "b\\xff: no such file"
    assert about("", "an empty path") == "an empty path"


def test_a_printable_path_is_itself_and_other_bytes_are_spelt_out() -> None:
    assert printable("a/é.png") == "a/é.png"
    assert printable("a/\udcff.png") == "a/\\xff.png"


def test_a_folder_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("1")
    paths = list_files(tmp_path)
    before = file_states(tmp_path, paths)
    refuse_changes(tmp_path, paths, before)

    (tmp_path / "b").write_text("12")
    with pytest.raises(
        UserError, match=r"/b: changed while the folder was being read; run dvc repro"
    ):
        refuse_changes(tmp_path, paths, before)
    (tmp_path / "b").unlink()
    with pytest.raises(UserError, match="/b: changed"):
        refuse_changes(tmp_path, paths, before)
    (tmp_path / "0").touch()
    with pytest.raises(UserError, match="/0: changed"):
        refuse_changes(tmp_path, paths, before)


def listing_as_nobody(folder: Path) -> str:
    if os.getuid() == 0:  # whom no permission keeps out
        os.setuid(65534)
    try:
        list_files(folder)
    except UserError as error:
        return str(error)
    return "listed"


@pytest.mark.parametrize("closed", ["raw", "."])
def test_a_folder_that_may_not_be_read_is_told(closed: str) -> None:
    # Not below pytest's own folder, which is closed to others.
    with tempfile.TemporaryDirectory() as top:
        raw = Path(top) / "raw"
        raw.mkdir()
        Path(top).chmod(0o755)
        (Path(top) / closed).chmod(0)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            said = pool.apply(listing_as_nobody, (raw,))
        (Path(top) / closed).chmod(0o755)
    assert said == f"params.yaml: data.raw: {raw}: cannot be read: Permission denied"


def test_states_hold_whatever_a_file_system_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old").touch()
    os.utime(tmp_path / "old", (-1.5, -1.5))
    old, none = file_states(tmp_path, ["old", "none"]).tolist()
    assert old[1] == -1_500_000_000
    assert none == [0, 0, 0, 0]
    huge = SimpleNamespace(st_size=1, st_mtime_ns=2**64 - 5, st_ctime_ns=-5, st_ino=2**63 + 7)
    monkeypatch.setattr(os, "stat", lambda _: huge)
    assert file_states(tmp_path, ["huge"]).tolist() == [[1, -5, -5, 7 - 2**63]]
