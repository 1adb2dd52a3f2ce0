"""The store of images holds whole records only, is bounded, and never stops a run."""

import os
import resource
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.core.store import ContentStore, Record

KEY, OTHER = "a1" * 32, "b2" * 32
RECORDS = {0: b"zero", 1: b"", 7: bytes(range(256)) * 10}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with the records under KEY."""
    ContentStore(tmp_path / "store", 1).add(KEY, RECORDS)
    return tmp_path / "store"


def found(store: ContentStore, key: str = KEY) -> dict[int, bytes]:
    """What can be read of the records."""
    read = zip(RECORDS, store.read(key, list(RECORDS)), strict=True)
    return {number: record.data for number, record in read if record}


def file_of(folder: Path, key: str, number: int) -> Path:
    (path,) = (folder / key).glob(f"{number}-*")
    return path


def test_records_come_back_with_their_hash(folder: Path) -> None:
    store = ContentStore(folder, 1)
    assert store.numbers(KEY) == {0, 1, 7}
    assert found(store) == RECORDS
    path = str(file_of(folder, KEY, 7))
    digest = sha256(RECORDS[7]).hexdigest()
    assert list(store.read(KEY, [7, 3])) == [Record(RECORDS[7], digest, path), None]
    assert store.numbers(OTHER) == set()


def test_records_are_added_to_those_that_are_there(folder: Path) -> None:
    ContentStore(folder, 1).add(KEY, {0: b"another", 2: b"two"})
    store = ContentStore(folder, 1)
    assert [record and record.data for record in store.read(KEY, [0, 2])] == [b"zero", b"two"]
    assert found(store) == RECORDS


def test_who_adds_learns_where_each_is_kept(folder: Path) -> None:
    added = ContentStore(folder, 1).add(KEY, {0: b"another", 2: b"two"})
    assert added[0] == Record(b"another", sha256(b"another").hexdigest(), "")
    assert added[2].path == str(file_of(folder, KEY, 2))
    assert Path(added[2].path).read_bytes() == b"two"
    full = ContentStore(folder, 0).add(OTHER, {0: b"zero"})
    assert full == {0: Record(b"zero", sha256(b"zero").hexdigest(), "")}


@given(number=st.sampled_from([0, 7]), place=st.integers(0, 2559), bit=st.integers(0, 7))
def test_a_damaged_bit_is_noticed_and_what_is_added_then_comes_back(
    tmp_path_factory: pytest.TempPathFactory, number: int, place: int, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    ContentStore(folder, 1).add(KEY, RECORDS)
    path = file_of(folder, KEY, number)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    store = ContentStore(folder, 1)
    others = {key: value for key, value in RECORDS.items() if key != number}
    assert found(store) == others
    store.add(KEY, RECORDS)
    assert found(ContentStore(folder, 1)) == RECORDS


@given(length=st.integers(0, 2559))
def test_what_a_killed_run_has_left_of_a_record_goes(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    ContentStore(folder, 1).add(KEY, RECORDS)
    path = file_of(folder, KEY, 7)
    path.write_bytes(RECORDS[7][:length])
    store = ContentStore(folder, 1)
    assert found(store) == {0: RECORDS[0], 1: RECORDS[1]}
    assert not path.exists()
    store.add(KEY, RECORDS)
    assert found(ContentStore(folder, 1)) == RECORDS


def test_a_file_under_the_name_of_another_is_noticed(folder: Path) -> None:
    (folder / KEY).rename(folder / OTHER)
    assert found(ContentStore(folder, 1), OTHER) == {}
    ContentStore(folder, 1).add(KEY, RECORDS)
    file_of(folder, KEY, 7).rename(folder / KEY / file_of(folder, KEY, 0).name)
    assert found(ContentStore(folder, 1)) == {1: b""}


@pytest.mark.parametrize("kind", ["link", "link to nowhere", "pipe", "folder"])
def test_what_is_no_file_under_a_record_s_name_is_no_record(folder: Path, kind: str) -> None:
    path = file_of(folder, KEY, 7)
    if kind == "link":
        path.symlink_to(path.rename(folder / "elsewhere"))
    else:
        path.unlink()
        make = {"link to nowhere": lambda p: p.symlink_to(p), "pipe": os.mkfifo, "folder": os.mkdir}
        make[kind](path)
    assert found(ContentStore(folder, 1)) == {0: b"zero", 1: b""}
    assert (kind == "folder") == os.path.lexists(path), "removed, so that the next run can keep it"


def test_records_that_an_earlier_ballast_called_otherwise_are_part_of_the_bound(
    tmp_path: Path,
) -> None:
    (tmp_path / OTHER).mkdir()
    (tmp_path / OTHER / f"0-{'c3' * 32}").write_bytes(bytes(900_000))
    ContentStore(tmp_path, 1).add(KEY, {0: bytes(300_000)})
    assert keys(tmp_path) == {KEY}


def keys(store: Path) -> set[str]:
    return {path.name for path in store.iterdir()}


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    names = [f"{number:064x}" for number in range(3)]
    for age, name in enumerate(names):
        ContentStore(tmp_path, 1).add(name, {0: bytes(300_000)})
        os.utime(tmp_path / name, (age, age))
    assert ContentStore(tmp_path, 1).numbers(names[0]) == {0}
    ContentStore(tmp_path, 1).add(KEY, {0: bytes(300_000)})
    assert keys(tmp_path) == {names[0], names[2], KEY}
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 2**20


def test_what_a_run_uses_makes_no_room_for_what_it_adds(tmp_path: Path) -> None:
    store = ContentStore(tmp_path, 1)
    store.add(KEY, {0: bytes(600_000)})
    store.add(OTHER, {0: bytes(600_000)})
    assert store.numbers(KEY) == {0}
    assert store.numbers(OTHER) == set()


def test_a_bound_of_0_empties_the_store_and_leaves_what_is_not_its_own(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    store = ContentStore(folder, 0)
    assert keys(folder) == {"notes.txt"}
    assert (folder / "notes.txt").read_text() == "mine"
    store.add(KEY, RECORDS)
    assert found(store) == {}


@pytest.mark.parametrize("obstacle", ["file", "no permission", "file in a folder's place"])
def test_a_folder_that_cannot_be_used_is_as_if_it_were_empty(
    tmp_path: Path, obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "store"
    if obstacle == "file":
        folder.write_text("in the way")
    elif obstacle == "no permission":

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError

        monkeypatch.setattr(Path, "mkdir", refuse)
    else:
        folder.mkdir()
        (folder / KEY).write_text("in the way")
    store = ContentStore(folder, 1)
    store.add(KEY, RECORDS)
    assert store.numbers(KEY) == set()
    assert found(store) == {}


def test_a_full_disk_leaves_no_part_of_a_record(folder: Path) -> None:
    store = ContentStore(folder, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # as if no more were free
    try:
        added = store.add(KEY, {2: bytes(50), 3: bytes(1000), 4: b"four"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [record.path != "" for record in added.values()] == [True, False, False]
    assert ContentStore(folder, 1).numbers(KEY) == {0, 1, 2, 7}
    assert found(ContentStore(folder, 1)) == RECORDS
    store.add(OTHER, RECORDS)
    assert found(store, OTHER) == {}


def test_two_stores_at_once_do_not_lose_what_both_add(tmp_path: Path) -> None:
    one, two = ContentStore(tmp_path, 1), ContentStore(tmp_path, 1)
    one.add(KEY, {0: b"zero"})
    two.add(KEY, {0: b"zero", 7: RECORDS[7]})
    one.add(KEY, {1: b""})
    assert found(ContentStore(tmp_path, 1)) == RECORDS
