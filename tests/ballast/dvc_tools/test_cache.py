"""Damage in DVC's cache, and outputs with the same content, are found by hash."""

import os
from pathlib import Path

import pytest

from ballast.dvc_tools.cache import damaged_objects, file_md5, files_holding, object_path


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """A cache that holds three files and the list of a folder."""
    folder = tmp_path / "md5"
    for content in (b"one", b"two", b"three", b"[]"):
        file = tmp_path / "new"
        file.write_bytes(content)
        path = object_path(folder, file_md5(file))
        path.parent.mkdir(parents=True, exist_ok=True)
        file.rename(path if content != b"[]" else path.with_suffix(".dir"))
    return folder


def test_a_sound_cache_has_no_damage(objects: Path) -> None:
    assert damaged_objects(objects, since=0) == {}


def test_damage_is_found_with_what_the_object_holds_instead(objects: Path, tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"garbage")
    digest = file_md5(tmp_path / "garbage")
    for path in objects.glob("*/*"):
        path.write_bytes(b"garbage")
    assert damaged_objects(objects, since=0) == dict.fromkeys(objects.glob("*/*"), digest)


def test_what_was_not_touched_since_is_not_read(objects: Path) -> None:
    path = next(objects.glob("*/*"))
    path.write_bytes(b"garbage")
    os.utime(path, (0, 0))  # the time of the change of status still tells
    assert list(damaged_objects(objects, since=path.stat().st_ctime)) == [path]
    assert damaged_objects(objects, since=path.stat().st_ctime + 1) == {}


def test_an_object_that_is_just_being_written_is_left_alone(objects: Path) -> None:
    (next(objects.glob("*")) / ".unfinished.tmp").write_bytes(b"half")
    assert damaged_objects(objects, since=0) == {}


def test_outputs_that_came_of_damage_are_found_in_folders_too(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    files = [tmp_path / "a.csv", tmp_path / "folder" / "b.jpg", tmp_path / "folder" / "c.jpg"]
    for file, content in zip(files, (b"garbage", b"garbage", b"sound"), strict=True):
        file.write_bytes(content)
    digest = file_md5(files[0])
    paths = [files[0], tmp_path / "folder", tmp_path / "missing"]
    assert files_holding(paths, {digest}) == {files[0]: digest, files[1]: digest}
