"""Cached inspections are used only for files that cannot have changed since."""

from pathlib import Path

import pytest

from ballast.dataset.layout import Place
from ballast.dataset.listing import FileState
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
    write_inspections(path, ORIGIN, KEPT)
    return path


def test_what_is_written_is_read(path: Path) -> None:
    assert read_inspections(path, ORIGIN) == KEPT


@pytest.mark.parametrize("other", [{"pillow": "2"}, {"max_megapixels": 1}, {"raw": "x"}, {"y": 1}])
def test_nothing_is_read_of_another_origin(path: Path, other: dict[str, object]) -> None:
    assert read_inspections(path, ORIGIN | other) == {}


def test_nothing_is_read_of_a_damaged_file(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place])
        assert read_inspections(path, ORIGIN) == {}
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_inspections(path, ORIGIN) == {}


def test_without_a_file_nothing_is_read_and_without_a_folder_nothing_is_written(
    tmp_path: Path,
) -> None:
    assert read_inspections(tmp_path / "none", ORIGIN) == {}
    (tmp_path / "file").touch()
    write_inspections(tmp_path / "file" / "below", ORIGIN, KEPT)


@pytest.mark.parametrize("field", FileState._fields)
def test_a_change_of_any_part_of_the_state_counts(field: str) -> None:
    states = {"a/1.png": STATE._replace(**{field: 1}), "b/é\n.png": STATE, "c": None}
    assert unchanged(KEPT, states) == {"b/é\n.png": Content("empty file")}


@pytest.mark.parametrize(("age", "kept"), [(CLOCK + 1, True), (CLOCK, False), (-CLOCK, False)])
@pytest.mark.parametrize("field", ["modified", "changed"])
def test_a_state_is_trusted_where_it_is_older_than_the_clock_is_coarse(
    field: str, age: int, kept: bool
) -> None:
    moment = 10**18
    state = FileState(1, 0, 0, 1)._replace(**{field: moment - age})
    results = [Photo("a/1.png", "a", None, "ab", 4, 5, b"\0")]
    places: dict[str, Place | str] = {"a/1.png": Place("a", None)}
    assert bool(trusted({"a/1.png": state}, places, results, moment)) is kept


def test_what_the_system_refused_is_not_kept_nor_what_the_layout_says() -> None:
    results = [
        Rejection("a", "broken image: x"),
        Rejection("b", "cannot be read: Input/output error"),
        Rejection("c", "gone"),
        Rejection("d", "not in a class folder"),
    ]
    states = {"a": STATE, "b": STATE, "c": None, "d": STATE}
    places: dict[str, Place | str] = dict.fromkeys("abc", Place("one", None))
    places["d"] = "not in a class folder"
    assert trusted(states, places, results, 10**18) == {
        "a": Inspection(STATE, Content("broken image: x"))
    }
