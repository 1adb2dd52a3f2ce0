"""Split, run again, reads only what changed and gives the same result as a first run."""

import os
import shutil
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from ballast.core.images import Look, inspect_image
from ballast.core.params import Params
from ballast.dataset import scan as inventory
from ballast.dataset.listing import States, file_states
from ballast.dataset.scan_cache import CLOCK
from ballast.dataset.split import split_folder

NOWHERE = Path(os.devnull, "none")
FIRST = "zero/000.png"


def unchanged(_: Path) -> None:
    pass


def touched(raw: Path) -> None:
    (raw / FIRST).touch()


def deleted(raw: Path) -> None:
    (raw / FIRST).unlink()


def closed(raw: Path) -> None:
    (raw / FIRST).chmod(0)


def with_other_bytes_of_the_same_size_and_date(raw: Path) -> None:
    state = (raw / FIRST).stat()
    data = bytearray((raw / FIRST).read_bytes())
    data[len(data) // 2] ^= 1
    (raw / FIRST).write_bytes(data)
    os.utime(raw / FIRST, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (raw / FIRST).stat().st_mtime_ns == state.st_mtime_ns


def with_another_file_of_the_same_date_in_its_place(raw: Path) -> None:
    state = (raw / FIRST).stat()
    (raw / "new").write_bytes((raw / "two/003.png").read_bytes())
    os.utime(raw / "new", ns=(state.st_atime_ns, state.st_mtime_ns))
    (raw / "new").rename(raw / FIRST)


def swapped(raw: Path) -> None:
    (raw / FIRST).rename(raw / "other")
    (raw / "two/000.png").rename(raw / FIRST)
    (raw / "other").rename(raw / "two/000.png")


def swapped_folders(raw: Path) -> None:
    (raw / "zero").rename(raw / "other")
    (raw / "two").rename(raw / "zero")
    (raw / "other").rename(raw / "two")


def renamed(raw: Path) -> None:
    (raw / FIRST).rename(raw / "zero/new.png")


def below_train(raw: Path) -> None:
    (raw / "train").mkdir()
    for name in ("zero", "one", "two"):
        (raw / name).rename(raw / "train" / name)


def broken(raw: Path) -> None:
    with (raw / FIRST).open("r+b") as file:
        file.truncate(60)


def as_a_pipe(raw: Path) -> None:
    (raw / FIRST).unlink()
    os.mkfifo(raw / FIRST)


def linked(raw: Path) -> None:
    (raw / FIRST).unlink()
    (raw / FIRST).symlink_to("../two/004.png")


CHANGES: list[tuple[Callable[[Path], None], int | None]] = [
    # What is done, and how many photographs are to be decoded then; None for as many as it takes.
    (unchanged, 0),
    (touched, 1),
    (deleted, 0),
    (closed, None),
    (renamed, 1),
    (swapped, 2),
    (swapped_folders, None),
    (below_train, None),
    (broken, 1),
    (as_a_pipe, 0),
    (linked, 1),
    (with_other_bytes_of_the_same_size_and_date, 1),
    (with_another_file_of_the_same_date_in_its_place, 1),
]


@pytest.fixture(scope="module")
def scanned(
    write_digits: Callable[..., None], shipped: Params, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Folders with raw/ of an age that is trusted, and inspections of it."""
    folders = [tmp_path_factory.mktemp("scanned") for _ in CHANGES]
    for folder in folders:
        write_digits(folder / "raw", zero=8, one=3, two=10)
        (folder / "raw/one/no image.png").write_text("no image")
        with suppress(OSError):  # macOS has no such names
            (folder / "raw/one" / os.fsdecode(b"\xff.png")).write_text("not read")
    time.sleep(CLOCK / 1e9 + 0.1)
    for folder in folders:
        split_folder(folder / "raw", one_worker(shipped), folder / "inspections")
    return folders


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has the size in bytes of each file that was decoded since."""
    sizes: list[int] = []

    def count(data: bytes, max_megapixels: float) -> Look:
        sizes.append(len(data))
        return inspect_image(data, max_megapixels)

    monkeypatch.setattr(inventory, "inspect_image", count)
    return sizes


def one_worker(shipped: Params) -> Params:
    runtime = replace(shipped.runtime, workers=1)
    return replace(shipped, runtime=runtime)


@pytest.mark.parametrize("case", range(len(CHANGES)), ids=[c.__name__ for c, _ in CHANGES])
def test_a_run_after_a_change_finds_what_a_first_run_finds(
    scanned: list[Path], shipped: Params, decoded: list[int], case: int
) -> None:
    change, reads = CHANGES[case]
    folder, params = scanned[case], one_worker(shipped)
    change(folder / "raw")
    again = split_folder(folder / "raw", params, folder / "inspections")
    assert reads is None or len(decoded) == reads
    expected = split_folder(folder / "raw", params, NOWHERE)
    assert again == expected
    assert split_folder(folder / "raw", params, folder / "inspections") == expected


@pytest.mark.parametrize("left", ["removed", "cut", "a folder", "of other params"])
def test_without_the_inspections_of_the_last_run_all_is_read(
    scanned: list[Path], shipped: Params, decoded: list[int], tmp_path: Path, left: str
) -> None:
    raw, params, path = scanned[0] / "raw", one_worker(shipped), tmp_path / "inspections"
    expected = split_folder(raw, params, scanned[0] / "inspections")
    assert not decoded
    if left == "cut":
        path.write_bytes((scanned[0] / "inspections").read_bytes()[:-10])
    elif left == "a folder":
        path.mkdir()
    elif left == "of other params":
        shutil.copy(scanned[0] / "inspections", path)
        data = replace(params.data, max_megapixels=1)
        params = replace(params, data=data)
    assert split_folder(raw, params, path) == expected
    assert len(decoded) == 22
    decoded.clear()
    assert split_folder(raw, params, path) == expected
    assert len(decoded) == (22 if left == "a folder" else 0)


def test_a_file_that_is_changed_within_a_tick_of_the_clock_is_read_again(
    write_digits: Callable[..., None],
    shipped: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its state is the same before and after; only its age tells."""

    def coarse_states(raw: Path, paths: Collection[str]) -> States:
        states = file_states(raw, paths)
        states[:, 1:3] = states[:, 1:3] // CLOCK * CLOCK
        return states

    for module in ("ballast.dataset.listing", "ballast.dataset.split"):
        monkeypatch.setattr(f"{module}.file_states", coarse_states)
    write_digits(tmp_path / "raw", zero=8, one=3, two=10)
    split = partial(split_folder, tmp_path / "raw", one_worker(shipped))
    split(tmp_path / "inspections")
    size = (tmp_path / "raw" / FIRST).stat().st_size
    (tmp_path / "raw" / FIRST).write_bytes(b"x" * size)
    assert split(tmp_path / "inspections") == split(NOWHERE)
