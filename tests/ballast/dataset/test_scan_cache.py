"""Cached inspections are used only for files that cannot have changed since."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from ballast.dataset.layout import Place
from ballast.dataset.listing import FileState, States
from ballast.dataset.scan import Content, Photo, Rejection
from ballast.dataset.scan_cache import (
    CLOCK,
    Inspection,
    read_inspections,
    trusted,
    unchanged,
    write_inspections,
)

STATE = FileState(size=10, modified=5, changed=7, inode=3)
CONTENT = Content("", "ab", 4, 5, b"\0\xff")
KEPT = {
    "a/1.png": Inspection(STATE, CONTENT),
    "b/é\n.png": Inspection(STATE, Content("empty file")),
    "c/1.tif": Inspection(STATE, Content("", "cd", 4, 5, b"", (-1024.5, 3071.0))),
    "c/2.tif": Inspection(STATE, Content("", "ef", 4, 5, b"", (7.0, 7.0))),
}
ORIGIN = {"raw": "data/raw", "max_megapixels": 1.5, "pillow": "1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "more" / "inspections"
    write_inspections(path, ORIGIN, KEPT.items())
    return path


def kept(path: Path, origin: Mapping[str, object] = ORIGIN) -> dict[str, Inspection]:
    return dict(read_inspections(path, origin))


def test_what_is_written_is_read(path: Path) -> None:
    assert kept(path) == KEPT


@pytest.mark.parametrize("other", [{"pillow": "2"}, {"max_megapixels": 1}, {"raw": "x"}, {"y": 1}])
def test_nothing_is_read_of_another_origin(path: Path, other: dict[str, object]) -> None:
    assert kept(path, ORIGIN | other) == {}


def test_nothing_is_read_of_a_damaged_file(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place])
        assert kept(path) == {}
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert kept(path) == {}


def test_without_a_file_nothing_is_read_and_without_a_folder_nothing_is_written(
    tmp_path: Path,
) -> None:
    assert kept(tmp_path / "none") == {}
    (tmp_path / "file").touch()
    write_inspections(tmp_path / "file" / "below", ORIGIN, KEPT.items())


def states(*rows: FileState | None) -> States:
    return np.array([row or (0, 0, 0, 0) for row in rows], dtype=np.int64)


@pytest.mark.parametrize("field", FileState._fields)
def test_a_change_of_any_part_of_the_state_counts(field: str) -> None:
    paths, now = [*KEPT], [STATE] * len(KEPT)
    now[0] = STATE._replace(**{field: 1})
    found = [*unchanged(KEPT.items(), paths, states(*now))]
    assert found == [None, *(KEPT[path].content for path in paths[1:])]


def test_files_come_and_go() -> None:
    paths = ["a", "a/1.png", "b", "c/1.tif", "c/3.tif"]
    now = states(STATE, STATE, None, STATE, STATE)
    content = KEPT["c/1.tif"].content
    assert [*unchanged(KEPT.items(), paths, now)] == [None, CONTENT, None, content, None]
    assert [*unchanged((), paths, now)] == [None] * 5


@pytest.mark.parametrize(("age", "kept"), [(CLOCK + 1, True), (CLOCK, False), (-CLOCK, False)])
@pytest.mark.parametrize("field", ["modified", "changed"])
def test_a_state_is_trusted_where_it_is_older_than_the_clock_is_coarse(
    field: str, age: int, kept: bool
) -> None:
    moment = 10**18
    state = FileState(1, 0, 0, 1)._replace(**{field: moment - age})
    results = [Photo("a/1.png", "a", None, "ab", 4, 5, 0)]
    places: dict[str, Place | str] = {"a/1.png": Place("a", None)}
    hashes = np.array([[7, 8]], dtype=np.uint8)
    found = dict(trusted(states(state), places, results, hashes, moment))
    content = Content("", "ab", 4, 5, bytes([7, 8]))
    assert found == ({"a/1.png": Inspection(state, content)} if kept else {})


def test_what_the_system_refused_is_not_kept_nor_what_the_layout_says() -> None:
    results = [
        Rejection("a", "broken image: x"),
        Rejection("b", "cannot be read: Input/output error"),
        Rejection("c", "gone"),
        Rejection("d", "not in a class folder"),
    ]
    places: dict[str, Place | str] = dict.fromkeys("abc", Place("one", None))
    places["d"] = "not in a class folder"
    now, none = states(STATE, STATE, None, STATE), np.empty((0, 0), dtype=np.uint8)
    assert dict(trusted(now, places, results, none, 10**18)) == {
        "a": Inspection(STATE, Content("broken image: x"))
    }
