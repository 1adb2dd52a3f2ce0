"""The inventory: each file is a photograph, or is rejected with a reason."""

import multiprocessing
import os
import socket
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.core.errors import UserError
from ballast.dataset.layout import empty_class_folders, folder_layout
from ballast.dataset.listing import list_files, printable
from ballast.dataset.scan import Photo, Rejection, inspect_files, sort_out
from ballast.workers.processes import Engine


def inspected(raw: Path, workers: int = 1) -> Iterator[Photo | Rejection]:
    return inspect_files(raw, folder_layout(raw).places, 25, Engine(workers))


def empty_folders(raw: Path) -> list[str]:
    classes = [photo.class_ for photo in inventory(raw)[0]]
    return empty_class_folders(raw, folder_layout(raw), classes)


def inventory(raw: Path) -> tuple[list[Photo], list[Rejection]]:
    photos, twins, rejections = sort_out([*inspected(raw)])
    same = [Rejection(photo.path, f"same bytes as {kept.path}") for photo, kept in twins]
    return photos, sorted([*rejections, *same])


@pytest.fixture
def raw(tmp_path: Path, write_digits: Callable[..., None]) -> Path:
    write_digits(tmp_path / "raw", zero=3, one=2)
    return tmp_path / "raw"


def test_class_folders(raw: Path) -> None:
    photos, rejections = inventory(raw)
    assert [(photo.path, photo.class_, photo.given) for photo in photos] == [
        ("one/000.png", "one", None),
        ("one/001.png", "one", None),
        ("zero/000.png", "zero", None),
        ("zero/001.png", "zero", None),
        ("zero/002.png", "zero", None),
    ]
    assert {(photo.width, photo.height) for photo in photos} == {(16, 16)}
    assert rejections == []


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_a_ready_made_split(tmp_path: Path, write_digits: Callable[..., None], val: str) -> None:
    for folder, count in (("train", 3), (val, 1), ("test", 2)):
        write_digits(tmp_path / folder, zero=count)
    write_digits(tmp_path / "train2", one=3)
    (tmp_path / "train2" / "one").rename(tmp_path / "train" / "one")
    (tmp_path / "train2").rmdir()
    results = [*inspected(tmp_path)]
    given = {
        photo.path: (photo.class_, photo.given) for photo in results if isinstance(photo, Photo)
    }
    assert given[f"{val}/zero/000.png"] == ("zero", "val")
    assert given["test/zero/001.png"] == ("zero", "test")
    assert given["train/one/002.png"] == ("one", "train")


def test_classes_called_train_and_test_beside_another_are_classes(
    tmp_path: Path, write_digits: Callable[..., None]
) -> None:
    write_digits(tmp_path, zero=2, one=2, two=2)
    (tmp_path / "zero").rename(tmp_path / "train")
    (tmp_path / "one").rename(tmp_path / "test")
    photos, _ = inventory(tmp_path)
    given = {(photo.class_, photo.given) for photo in photos}
    assert given == {("train", None), ("test", None), ("two", None)}


def test_of_copies_in_test_and_train_the_one_in_test_is_kept(
    tmp_path: Path, write_digits: Callable[..., None]
) -> None:
    for folder in ("train", "val", "test"):
        write_digits(tmp_path / folder, zero=1)
    photos, _ = inventory(tmp_path)
    assert [photo.path for photo in photos] == ["test/zero/000.png"]
    (tmp_path / "test/zero/000.png").unlink()
    assert [photo.path for photo in inventory(tmp_path)[0]] == ["val/zero/000.png"]


@pytest.mark.parametrize("junk", [".ipynb_checkpoints", "__MACOSX"])
def test_a_split_is_known_whatever_the_case_and_with_a_system_s_folder_beside_it(
    tmp_path: Path, write_digits: Callable[..., None], junk: str
) -> None:
    write_digits(tmp_path / "Train", zero=3)
    write_digits(tmp_path / "TEST", zero=1)
    (tmp_path / junk).mkdir()
    (tmp_path / junk / "x.png").write_bytes(b"x")
    results = [*inspected(tmp_path)]
    assert {result.given for result in results if isinstance(result, Photo)} == {"train", "test"}
    reasons = [result.reason for result in results if isinstance(result, Rejection)]
    assert reasons == ["hidden file"]


def test_a_folder_beside_train_and_test_is_refused(
    tmp_path: Path, write_digits: Callable[..., None]
) -> None:
    for folder in ("train", "test", "extra"):
        write_digits(tmp_path / folder, zero=1)
    with pytest.raises(UserError, match=r"extra/ is next to train/ and test/; move it elsewhere"):
        [*inspected(tmp_path)]


def test_a_video_is_rejected_by_its_size_unread(raw: Path) -> None:
    with (raw / "zero" / "film.mp4").open("wb") as file:
        file.truncate(10**12)  # takes no room
    photos, rejections = inventory(raw)
    assert len(photos) == 5
    reason = "larger than any image of data.max_megapixels"
    assert rejections == [Rejection("zero/film.mp4", reason)]


def test_nested_folders_belong_to_their_class(raw: Path) -> None:
    (raw / "one" / "more").mkdir()
    (raw / "one" / "001.png").rename(raw / "one" / "more" / "001.png")
    photos, _ = inventory(raw)
    assert ("one/more/001.png", "one") in [(photo.path, photo.class_) for photo in photos]


def test_a_class_folder_without_a_photograph_is_told(
    tmp_path: Path, write_digits: Callable[..., None]
) -> None:
    write_digits(tmp_path / "plain", zero=2, one=2)
    for name in ("empty", ".hidden", "zero/deeper"):
        (tmp_path / "plain" / name).mkdir()
    (tmp_path / "plain" / "only text").mkdir()
    (tmp_path / "plain" / "only text" / "a.png").write_text("text")
    assert empty_folders(tmp_path / "plain") == ["empty", "only text"]

    write_digits(tmp_path / "given/train", zero=2, one=2)
    write_digits(tmp_path / "given/test", zero=3)
    for name in ("train/empty", "test/one"):
        (tmp_path / "given" / name).mkdir()
    assert empty_folders(tmp_path / "given") == ["empty"]


def test_byte_identical_files_of_one_class_are_one_image(raw: Path) -> None:
    data = (raw / "zero" / "000.png").read_bytes()
    (raw / "zero" / "a copy.png").write_bytes(data)
    (raw / "one" / "another class.png").write_bytes(data)
    photos, rejections = inventory(raw)
    assert rejections == [Rejection("zero/a copy.png", "same bytes as zero/000.png")]
    assert "one/another class.png" in [photo.path for photo in photos]


def test_what_is_no_photograph_is_rejected_with_a_reason(raw: Path) -> None:
    whole = (raw / "zero" / "000.png").read_bytes()
    (raw / "zero" / "cut.png").write_bytes(whole[:-30])
    (raw / "zero" / "empty.jpg").touch()
    (raw / "zero" / "page.jpg").write_text("<html></html>")
    (raw / "zero" / ".DS_Store").write_bytes(b"\0")
    (raw / "stray.png").write_bytes(whole)
    photos, rejections = inventory(raw)
    assert len(photos) == 5
    reasons = dict(rejections)
    assert reasons.pop("zero/cut.png").startswith("broken image: ")
    assert reasons == {
        "stray.png": "not in a class folder",
        "zero/.DS_Store": "hidden file",
        "zero/empty.jpg": "empty file",
        "zero/page.jpg": "not a JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF image",
    }


def test_what_is_no_file_is_rejected_unopened(raw: Path) -> None:
    os.mkfifo(raw / "zero" / "pipe.png")  # opening it would wait for ever
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(raw / "zero" / "socket.png"))
    (raw / "zero" / "device.png").symlink_to("/dev/zero")
    (raw / "zero" / "gone.png").symlink_to("nowhere.png")
    (raw / "zero" / "loop.png").symlink_to("loop.png")
    (raw / "zero" / "parent").symlink_to("..")
    (raw / "linked class").symlink_to("zero")
    photos, rejections = inventory(raw)
    assert len(photos) == 5
    assert dict(rejections) == {
        "linked class": "link to a folder",
        "zero/device.png": "pipe, socket or device",
        "zero/gone.png": "broken link",
        "zero/loop.png": "circular link",
        "zero/parent": "link to a folder",
        "zero/pipe.png": "pipe, socket or device",
        "zero/socket.png": "pipe, socket or device",
    }


def test_a_link_to_a_file_counts_by_its_content(raw: Path, tmp_path: Path) -> None:
    data = (raw / "zero" / "000.png").read_bytes() + b"more"
    (tmp_path / "elsewhere.png").write_bytes(data)
    (raw / "zero" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    photos, _ = inventory(raw)
    digests = {photo.path: photo.sha256 for photo in photos}
    assert digests["zero/link.png"] == sha256(data).hexdigest()


NAMES = [
    " a .png",
    "-rf.png",
    "a\nb.png",
    "\"a\", 'b'.png",
    "=1+1.png",
    "Ä.png",
    "ä" * 125 + ".png",
    "no extension",
    "a\\b.png",
    unicodedata.normalize("NFC", "é.png"),
    unicodedata.normalize("NFD", "é.png"),
    "case.png",
    "CASE.png",
]


def test_names_of_all_kinds_are_kept_as_they_are(raw: Path) -> None:
    data = (raw / "zero" / "000.png").read_bytes()
    for number, name in enumerate(NAMES):
        (raw / "one" / name).write_bytes(data + bytes([number]))
    photos, rejections = inventory(raw)
    assert {f"one/{name}" for name in NAMES} <= {photo.path for photo in photos}
    assert rejections == []


def test_a_name_that_is_no_utf_8_is_rejected_and_told_by_its_bytes(raw: Path) -> None:
    data = (raw / "zero" / "000.png").read_bytes()
    Path(os.fsdecode(os.fsencode(raw) + b"/one/\xff.png")).write_bytes(data)
    assert inventory(raw)[1] == [Rejection("one/\\xff.png", "name is not UTF-8")]


def as_nobody(raw: Path) -> list[Rejection]:
    if os.getuid() == 0:  # whom no permission keeps out
        os.setuid(65534)
    return inventory(raw)[1]


def test_what_may_not_be_read_is_rejected(write_digits: Callable[..., None]) -> None:
    # Not below pytest's own folder, which is closed to others.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        raw = Path(folder) / "raw"
        write_digits(raw, zero=3, one=2)
        (raw / "zero" / "000.png").chmod(0)
        (raw / "one").chmod(0)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            rejections = pool.apply(as_nobody, (raw,))
        (raw / "one").chmod(0o755)
    assert rejections == [
        Rejection("one", "folder that cannot be read"),
        Rejection("zero/000.png", "cannot be read: Permission denied"),
    ]


@given(
    tree=st.lists(
        st.tuples(
            st.lists(
                st.text("ab.é\udcff", min_size=1, max_size=3).filter(lambda n: n.strip(".")),
                min_size=1,
                max_size=3,
            ),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_photographs_and_rejections_account_for_every_file(
    digits: dict[str, list[bytes]], tree: list[tuple[list[str], bool]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        raw.mkdir()
        for names, readable in tree:
            path = raw.joinpath(*names)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(digits["one"][0] if readable else b"<html>")
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                continue
        photos, rejections = inventory(raw)
        told = [photo.path for photo in photos] + [rejection.path for rejection in rejections]
        files = [path for path in raw.rglob("*") if not path.is_dir()]
        there = [printable(path.relative_to(raw).as_posix()) for path in files]
        assert sorted(told) == sorted(there)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_file_is_accounted_for_in_the_order_of_paths(raw: Path, workers: int) -> None:
    (raw / "zero" / "broken.jpg").write_bytes(b"\xff\xd8broken")
    files = list_files(raw)
    assert [result.path for result in inspected(raw, workers)] == files
    assert files == sorted(files)
    assert len(files) == sum(len(names) for _, _, names in os.walk(raw))
