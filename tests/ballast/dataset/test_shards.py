"""Photographs in tar and Parquet files are read as if these had been unpacked."""

import gzip
import io
import json
import os
import re
import sys
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image

from ballast.core.errors import UserError
from ballast.core.manifest import Row, image_reader
from ballast.core.params import Labels, Params
from ballast.core.shards import Stretch, read_file, read_stretch, shard_finder, tar_files
from ballast.dataset.labels import read_labels
from ballast.dataset.layout import Place, folder_layout, given_parents
from ballast.dataset.split import split_folder


def photograph(number: int) -> bytes:
    """A PNG that is no copy of another."""
    noise = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((32, 32)).save(file, "png")
    return file.getvalue()


def write_shard(path: Path, files: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))


def write_files(raw: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).write_bytes(data)


def places(raw: Path) -> dict[str, tuple[str, str | None]]:
    """Class and subset of each photograph."""
    items = folder_layout(raw).places.items()
    return {path: (place.class_, place.given) for path, place in items if isinstance(place, Place)}


def reasons(raw: Path) -> dict[str, str]:
    return {path: of for path, of in folder_layout(raw).places.items() if isinstance(of, str)}


def test_class_folders_may_be_in_several_shards(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", {"cat/1.png": b"", "dog/2.png": b""})
    write_shard(tmp_path / "1.TAR", {"./cat/1.png": b"", "snake/deep/3.png": b""})
    write_files(tmp_path, {"cat/4.png": b"", "readme.txt": b""})
    assert places(tmp_path) == {
        "0.tar/cat/1.png": ("cat", None),
        "0.tar/dog/2.png": ("dog", None),
        "1.TAR/cat/1.png": ("cat", None),
        "1.TAR/snake/deep/3.png": ("snake", None),
        "cat/4.png": ("cat", None),
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train.tar", "test.tar"),
        ("train-000000.tar", "test-000000.tar"),
        ("train-00000-of-00002.tar", "test-00000-of-00001.tar"),
        ("pets_train_7.tar", "pets_test_0.tar"),
        ("train/0.tar", "test/0.tar"),
        ("train/train-0.tar", "test/test-0.tar"),
        ("train/cat/1.png", "test.tar"),
    ],
)
def test_the_name_of_a_shard_or_of_its_folder_tells_the_set(
    tmp_path: Path, train: str, test: str
) -> None:
    for name in (train, test):
        if name.endswith(".tar"):
            write_shard(tmp_path / name, {"cat/1.png": b"", "dog/2.png": b""})
        else:
            write_files(tmp_path, {name: b"", name.replace("cat", "dog"): b""})
    found = places(tmp_path)
    assert len(found) == 4
    for path, (class_, subset) in found.items():
        assert f"/{class_}/" in path
        assert subset == ("train" if "train" in path else "test")
    assert sorted(given_parents(folder_layout(tmp_path)).items()) == [
        ("test", "test"),
        ("train", "train"),
    ]


def test_webdataset_s_classes_are_in_files_beside_the_photographs(tmp_path: Path) -> None:
    shards = {"train-0.tar": "01", "train-1.tar": "23", "val-0.tar": "45"}
    for shard, keys in shards.items():
        files: dict[str, bytes] = {}
        for key in keys:
            files |= {f"a/{key}.seg.png": b"", f"a/{key}.cls": f"{int(key) % 2}\n".encode()}
        write_shard(tmp_path / shard, files)
    assert places(tmp_path) == {
        "train-0.tar/a/0.seg.png": ("0", "train"),
        "train-0.tar/a/1.seg.png": ("1", "train"),
        "train-1.tar/a/2.seg.png": ("0", "train"),
        "train-1.tar/a/3.seg.png": ("1", "train"),
        "val-0.tar/a/4.seg.png": ("0", "val"),
        "val-0.tar/a/5.seg.png": ("1", "val"),
    }
    assert not reasons(tmp_path)


def test_a_shard_without_folders_is_a_class(tmp_path: Path) -> None:
    write_shard(tmp_path / "n01440764.tar", {"1.png": b"", "2.png": b""})
    write_shard(tmp_path / "n01443537.tar", {"1.png": b""})
    assert places(tmp_path) == {
        "n01440764.tar/1.png": ("n01440764", None),
        "n01440764.tar/2.png": ("n01440764", None),
        "n01443537.tar/1.png": ("n01443537", None),
    }


@pytest.mark.parametrize("name", ["bullet_train", "test-tube", "valid_1_letters"])
def test_a_class_may_have_the_word_of_a_set_in_its_name(tmp_path: Path, name: str) -> None:
    write_shard(tmp_path / f"{name}.tar", {"1.png": b""})
    write_shard(tmp_path / "steam_train.tar", {"1.png": b""})
    assert {class_ for class_, _ in places(tmp_path).values()} == {name, "steam_train"}


def test_what_is_left_out_of_a_shard_says_nothing_of_its_class(tmp_path: Path) -> None:
    write_shard(tmp_path / "cat.tar", {"1.png": b"", "@eaDir/1.png/x": b"", ".seen/1.png": b""})
    with tarfile.open(tmp_path / "dog.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("1.png"))
        link = tarfile.TarInfo("best/1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "../1.png"
        archive.addfile(link)
    assert places(tmp_path) == {
        "cat.tar/1.png": ("cat", None),
        "dog.tar/1.png": ("dog", None),
    }


def test_shards_may_be_in_class_folders(tmp_path: Path) -> None:
    write_shard(tmp_path / "cat/a.tar", {"1.png": b""})
    write_shard(tmp_path / "cat/b.tar", {"1.png": b""})
    write_files(tmp_path, {"dog/1.png": b""})
    assert places(tmp_path) == {
        "cat/a.tar/1.png": ("cat", None),
        "cat/b.tar/1.png": ("cat", None),
        "dog/1.png": ("dog", None),
    }


def test_a_folder_that_is_called_like_a_shard_stays_one(tmp_path: Path) -> None:
    write_files(tmp_path, {"cat.tar/1.png": b"cat", "dog.tar/1.png": b"dog"})
    assert places(tmp_path) == {
        "cat.tar/1.png": ("cat.tar", None),
        "dog.tar/1.png": ("dog.tar", None),
    }
    assert read_file(tmp_path, "cat.tar/1.png", shard_finder(tmp_path)) == b"cat"


def test_files_in_shards_are_left_out_like_others(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", {"cat/1.png": b"", "cat/._1.png": b"", "1.png": b""})
    write_shard(tmp_path / "1.tar", {"dog/1.png": b"", "dog/mask.png": b""})
    write_shard(tmp_path / "2.tar", {"dog/2.png": b""})
    layout = folder_layout(tmp_path, ["mask.png", "2.tar"])
    left_out = {path: of for path, of in layout.places.items() if isinstance(of, str)}
    assert left_out == {
        "0.tar/1.png": "not in a class folder",
        "0.tar/cat/._1.png": "hidden file",
        "1.tar/dog/mask.png": "excluded by data.exclude",
        "2.tar/dog/2.png": "excluded by data.exclude",
    }


def test_everything_in_a_shard_that_is_no_file_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        for name, kind in {
            "cat": tarfile.DIRTYPE,
            "cat/link.png": tarfile.SYMTYPE,
            "cat/hard.png": tarfile.LNKTYPE,
            "cat/pipe.png": tarfile.FIFOTYPE,
            "../cat/out.png": tarfile.REGTYPE,
            "/cat/top.png": tarfile.REGTYPE,
            "cat/twice.png": tarfile.REGTYPE,
            "cat/./twice.png": tarfile.SYMTYPE,
            "cat/1.png": tarfile.REGTYPE,
        }.items():
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, "1.png"
            archive.addfile(header)
        header = tarfile.TarInfo("cat/end.png")
        header.pax_headers = {"path": "cat/end\0.png"}
        archive.addfile(header)
    write_files(tmp_path, {"dog/1.png": b""})
    assert places(tmp_path) == {"0.tar/cat/1.png": ("cat", None), "dog/1.png": ("dog", None)}
    assert reasons(tmp_path) == dict.fromkeys(
        (
            "0.tar/../cat/out.png",
            "0.tar//cat/top.png",
            "0.tar/cat/end\0.png",
            "0.tar/cat/hard.png",
            "0.tar/cat/link.png",
            "0.tar/cat/pipe.png",
            "0.tar/cat/twice.png",
        ),
        "a link or the like in its shard, not a file",
    )
    find = shard_finder(tmp_path)
    for name in ("../cat/out.png", "cat/twice.png", "cat/link.png"):
        with pytest.raises(FileNotFoundError, match="No such file"):
            read_file(tmp_path, f"0.tar/{name}", find)


@pytest.mark.parametrize("class_", [b"", b"a/b", b".hidden", b"\xff", b"a\0"])
def test_a_class_that_no_folder_can_be_called_is_named(tmp_path: Path, class_: bytes) -> None:
    write_shard(tmp_path / "0.tar", {"1.png": b"", "1.cls": class_, "2.png": b"", "2.cls": b"cat"})
    assert places(tmp_path) == {"0.tar/2.png": ("cat", None)}
    assert reasons(tmp_path) == {"0.tar/1.png": "no class in its shard that a folder can be called"}


def whole_shard(folder: Path) -> bytes:
    write_shard(folder / "whole.tar", {"cat/1.png": b"a" * 600, "cat/2.png": b"b" * 600})
    data = (folder / "whole.tar").read_bytes()
    (folder / "whole.tar").unlink()
    return data


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: b"", "empty file"),
        (lambda data: data[:1000], "unexpected end of data"),
        (lambda data: data[: 512 + 1024 + 200], "bad checksum"),
        (lambda data: data[:1536] + b"\xff" * 100 + data[1636:], "bad checksum"),
        (lambda _: b"\x89PNG and so on" * 100, "bad checksum|invalid header|truncated header"),
        (gzip.compress, ""),
    ],
)
def test_a_damaged_shard_is_named_and_others_are_read(
    tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    (tmp_path / "bad.tar").write_bytes(damage(whole_shard(tmp_path)))
    write_shard(tmp_path / "good.tar", {"cat/1.png": b"", "dog/1.png": b""})
    assert [*places(tmp_path)] == ["good.tar/cat/1.png", "good.tar/dog/1.png"]
    ((path, found),) = reasons(tmp_path).items()
    assert path == "bad.tar"
    assert re.fullmatch(f"not a whole tar file: .*({reason}).*", found)


def header(name: str, kind: bytes, size: int) -> bytes:
    """A block of a tar file that may say any size."""
    said = tarfile.TarInfo(name)
    said.type = kind
    block = bytearray(said.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 4 + size.to_bytes(8, "big", signed=True)  # in base 256
    if size >= 0:
        block[124:136] = b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8  # counts as spaces in the sum
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


@pytest.mark.parametrize(
    "rest",
    [
        header("cat/2.png", tarfile.REGTYPE, -512),  # the next header would be this one again
        header("cat/2.png", tarfile.REGTYPE, -1),
        header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2**50),
        (header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 0)) * 2000,
    ],
    ids=["backwards", "negative", "huge name", "names of names"],
)
def test_a_shard_made_to_stall_or_stop_programs_is_named(tmp_path: Path, rest: bytes) -> None:
    (tmp_path / "bad.tar").write_bytes(header("cat/1.png", tarfile.REGTYPE, 0) + rest)
    write_shard(tmp_path / "good.tar", {"cat/1.png": b"", "dog/1.png": b""})
    assert [*places(tmp_path)] == ["good.tar/cat/1.png", "good.tar/dog/1.png"]
    ((path, found),) = reasons(tmp_path).items()
    assert path == "bad.tar"
    assert found.startswith("not a whole tar file: ")


def test_each_shard_is_listed_once_in_whatever_order_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shard in range(9):
        names = {f"cat/{n}.png": bytes([shard, n]) for n in range(30)}
        write_shard(tmp_path / f"{shard}.tar", names)
    listed: list[Path] = []

    def watched(shard: Path) -> Any:  # noqa: ANN401
        listed.append(shard)
        return tar_files(shard)

    monkeypatch.setattr("ballast.core.shards.tar_files", watched)
    find = shard_finder(tmp_path)
    wanted = [(shard, n) for n in range(30) for shard in range(9)]

    def read(at: tuple[int, int]) -> bytes:
        return read_file(tmp_path, f"{at[0]}.tar/cat/{at[1]}.png", find)

    with ThreadPoolExecutor(8) as threads:
        assert [*threads.map(read, wanted)] == [bytes(at) for at in wanted]
    assert sorted(listed) == sorted(tmp_path.iterdir())


@given(
    files=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200),
        st.binary(max_size=700),
        min_size=1,
        max_size=5,
    )
)
def test_every_name_and_content_is_found_again(files: dict[str, bytes]) -> None:
    with TemporaryDirectory() as folder:
        write_shard(Path(folder, "0.tar"), files)
        listed = [*tar_files(Path(folder, "0.tar"))]
        # The names of the format end without a slash, and only the last file of a name counts.
        assert len(listed) == len(files)
        kept = {name: stretch for name, stretch in listed if stretch}
        find = shard_finder(Path(folder))
        for (name, _), (_, data) in zip(listed, files.items(), strict=True):
            if name in kept and sum(name == other for other, _ in listed) == 1:
                assert read_file(Path(folder), f"0.tar/{name}", find) == data


@given(st.data())
def test_a_damaged_shard_never_raises_anything_else(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        whole = bytearray(whole_shard(Path(folder)))
        for _ in range(data.draw(st.integers(1, 5))):
            place = data.draw(st.integers(0, 511)) + 512 * data.draw(st.sampled_from([0, 3]))
            whole[place] = data.draw(st.integers(0, 255))
        whole = whole[: data.draw(st.sampled_from([len(whole), 1000, 1536, 2500]))]
        Path(folder, "0.tar").write_bytes(whole)
        with suppress(ValueError, OSError):
            for name, stretch in tar_files(Path(folder, "0.tar")):
                assert name
                assert not stretch or len(read_stretch(stretch)) == stretch.size


@pytest.fixture
def split(shipped: Params, tmp_path: Path) -> Callable[..., Any]:
    def run(raw: Path, **data_: Any) -> Any:  # noqa: ANN401
        data = replace(shipped.data, raw=str(raw), **data_)
        runtime = replace(shipped.runtime, workers=1)
        return split_folder(raw, replace(shipped, data=data, runtime=runtime), tmp_path / "kept")

    return run


def draw_photographs(raw: Path) -> None:
    for class_, count in {"cat": 7, "dog": 9}.items():
        for number in range(count):
            write_files(raw, {f"{class_}/{number}.png": photograph(100 * count + number)})
    write_files(raw, {"cat/copy.png": photograph(700), "dog/text.png": b"no photograph"})


def move_into_shards(raw: Path, target: Path, count: int = 2) -> None:
    files = sorted(path for path in raw.rglob("*") if path.is_file())
    for shard in range(count):
        some = files[shard::count]
        names = {path.relative_to(raw).as_posix(): path.read_bytes() for path in some}
        write_shard(target / f"{shard}.tar", names)


def test_the_split_is_that_of_the_same_files_in_folders(
    tmp_path: Path, split: Callable[..., Any]
) -> None:
    draw_photographs(tmp_path / "folders")
    move_into_shards(tmp_path / "folders", tmp_path / "shards")
    rows, rejections, report = split(tmp_path / "folders")
    in_shards, rejected, reported = split(tmp_path / "shards")

    def shortened(rows: Sequence[Row]) -> list[Row]:
        return sorted(row._replace(path=row.path.partition(".tar/")[2], group="") for row in rows)

    assert shortened(in_shards) == sorted(row._replace(group="") for row in rows)
    assert [one.path for one in rejections] == ["cat/copy.png", "dog/text.png"]
    assert [one.path for one in rejected] == ["1.tar/cat/copy.png", "1.tar/dog/text.png"]
    for key in ("files", "photographs", "rejected", "rejected_by_reason"):
        assert reported[key] == report[key]

    read = image_reader(tmp_path / "shards")
    with ThreadPoolExecutor(4) as threads:
        data = [*threads.map(read, in_shards)]
    folders = tmp_path / "folders"
    assert data == [(folders / row.path.partition(".tar/")[2]).read_bytes() for row in in_shards]


def test_only_shards_that_have_changed_are_read_again(
    tmp_path: Path, split: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photographs(tmp_path / "folders")
    move_into_shards(tmp_path / "folders", tmp_path / "shards")
    long_ago = time.time() - 60
    monkeypatch.setattr("ballast.dataset.scan_cache.CLOCK", -(10**9))  # trusts what is new
    for shard in (tmp_path / "shards").iterdir():
        os.utime(shard, (long_ago, long_ago))
    read: list[Path] = []

    def watched(stretch: Stretch) -> bytes:
        read.append(stretch.shard)
        return read_stretch(stretch)

    monkeypatch.setattr("ballast.core.shards.read_stretch", watched)
    first = split(tmp_path / "shards")
    assert len(read) == 18
    read.clear()
    assert split(tmp_path / "shards") == first
    assert not read
    write_shard(tmp_path / "shards/1.tar", {"cat/9.png": photograph(1)})
    rows, _, _ = split(tmp_path / "shards")
    assert read == [tmp_path / "shards/1.tar"]
    assert "1.tar/cat/9.png" in {row.path for row in rows}


def test_a_shard_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, split: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photographs(tmp_path / "folders")
    move_into_shards(tmp_path / "folders", tmp_path / "shards")

    def changing(stretch: Stretch) -> bytes:
        os.utime(tmp_path / "shards/1.tar", (1, 1))
        return read_stretch(stretch)

    monkeypatch.setattr("ballast.core.shards.read_stretch", changing)
    with pytest.raises(UserError, match=r"shards/1\.tar: changed while the folder was being read"):
        split(tmp_path / "shards")


def test_a_shard_that_changes_while_others_are_listed_is_refused(
    tmp_path: Path, split: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photographs(tmp_path / "folders")
    move_into_shards(tmp_path / "folders", tmp_path / "shards")

    def listed(shard: Path) -> Any:  # noqa: ANN401
        found = [*tar_files(shard)]
        if shard.name == "1.tar":
            os.utime(tmp_path / "shards/0.tar", (1, 1))
        return found

    monkeypatch.setattr("ballast.dataset.shards.tar_files", listed)
    with pytest.raises(UserError, match=r"shards/0\.tar: changed while the folder was being read"):
        split(tmp_path / "shards")


def test_a_photograph_that_is_gone_from_its_shard_or_changed_is_named(tmp_path: Path) -> None:
    row = Row("0.tar/cat/1.png", "cat", "train", "", sha256(b"cat").hexdigest(), 1, 1)
    for files, problem in (
        ({"cat/2.png": b"cat"}, "No such file or directory; run dvc repro again"),
        ({"cat/1.png": b"dog"}, "changed since it was listed"),
    ):
        write_shard(tmp_path / "0.tar", files)
        with pytest.raises(UserError, match=f"0.tar/cat/1.png: {problem}"):
            image_reader(tmp_path)(row)
    (tmp_path / "0.tar").write_bytes(b"x" * 600)
    with pytest.raises(UserError, match=r"0.tar/cat/1.png: .*; run dvc repro again"):
        image_reader(tmp_path)(row)


def labelled(raw: Path, table: str) -> dict[str, str]:
    """The class of each photograph by a table."""
    write_files(raw, {"labels.csv": table.encode()})
    found = read_labels(raw, Labels(table="labels.csv")).layout.places
    return {path: place.class_ for path, place in found.items() if isinstance(place, Place)}


def test_a_table_may_name_files_in_shards(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", {"1.png": b"", "2.png": b""})
    write_shard(tmp_path / "1.tar", {"3.png": b"", "4.png": b""})
    table = "file,label\n1,cat\n2.png,dog\n3,cat\n1.tar/4.png,dog\n"
    assert labelled(tmp_path, table) == {
        "0.tar/1.png": "cat",
        "0.tar/2.png": "dog",
        "1.tar/3.png": "cat",
        "1.tar/4.png": "dog",
    }


def test_of_classes_from_a_table_those_in_shards_are_not_asked(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", {"1.png": b"", "1.cls": b"no/folder", "2.png": b""})
    columns: dict[str, Sequence[object]] = {
        "image": [image(b"a"), image(b"b")],
        "label": [-1, None],
        "species": [0, 0],
    }
    write_rows(tmp_path / "1.parquet", columns)
    table = "file,label\n0.tar/1.png,cat\n2.png,dog\n00000000,cat\n00000001,dog\n"
    assert labelled(tmp_path, table) == {
        "0.tar/1.png": "cat",
        "0.tar/2.png": "dog",
        "1.parquet/00000000": "cat",
        "1.parquet/00000001": "dog",
    }


PETS = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}


def write_rows(
    path: Path,
    columns: Mapping[str, Sequence[object]],
    features: Mapping[str, object] | None = None,
) -> None:
    """Write a Parquet file in groups of two rows, with what Hugging Face says of its columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(dict(columns))
    if features:
        said = json.dumps({"info": {"features": features}}).encode()
        table = table.replace_schema_metadata({b"huggingface": said})
    pyarrow.parquet.write_table(table, path, row_group_size=2)


def image(data: bytes | None, name: str | None = None) -> dict[str, object]:
    return {"bytes": data, "path": name}


def test_hugging_face_s_sets_and_classes_are_read(tmp_path: Path) -> None:
    for shard, labels in {
        "data/train-00000-of-00002.parquet": [0, 1, 1],
        "data/train-00001-of-00002.parquet": [1],
        "data/validation-00000-of-00001.parquet": [0, 1],
        "data/test-00000-of-00001.parquet": [1, 0],
    }.items():
        images = [image(bytes([place]), f"{place}.jpg") for place in range(len(labels))]
        write_rows(tmp_path / shard, {"image": images, "label": labels}, PETS)
    assert places(tmp_path) == {
        "data/test-00000-of-00001.parquet/00000000.jpg": ("dog", "test"),
        "data/test-00000-of-00001.parquet/00000001.jpg": ("cat", "test"),
        "data/train-00000-of-00002.parquet/00000000.jpg": ("cat", "train"),
        "data/train-00000-of-00002.parquet/00000001.jpg": ("dog", "train"),
        "data/train-00000-of-00002.parquet/00000002.jpg": ("dog", "train"),
        "data/train-00001-of-00002.parquet/00000000.jpg": ("dog", "train"),
        "data/validation-00000-of-00001.parquet/00000000.jpg": ("cat", "val"),
        "data/validation-00000-of-00001.parquet/00000001.jpg": ("dog", "val"),
    }
    assert not reasons(tmp_path)


@pytest.mark.parametrize(
    ("columns", "classes"),
    [
        ({"image": [image(b"a"), image(b"b")], "Label": ["cat", "dog"]}, ["cat", "dog"]),
        ({"scan": [b"a", b"b"], "label": [3, 7], "age": [1, 2]}, ["3", "7"]),
        ({"image": [{"bytes": b"a"}, {"bytes": b"b"}]}, ["pets", "pets"]),
    ],
)
def test_columns_that_nothing_is_said_of_are_told_by_type_and_name(
    tmp_path: Path, columns: Mapping[str, Sequence[object]], classes: list[str]
) -> None:
    write_rows(tmp_path / "pets.parquet", columns)
    write_files(tmp_path, {"others/1.png": b""})
    found = places(tmp_path)
    del found["others/1.png"]
    assert found == {
        f"pets.parquet/0000000{row}": (class_, None) for row, class_ in enumerate(classes)
    }
    find = shard_finder(tmp_path)
    assert [read_file(tmp_path, path, find) for path in found] == [b"a", b"b"]


@pytest.mark.parametrize(
    ("features", "classes"),
    [
        ({**PETS, "tags": [{"_type": "Value"}]}, ["cat", "dog"]),
        ({"label": {"names": {"0": "cat"}, "_type": "ClassLabel"}}, ["0", "1"]),
        ({"image": None, "label": "cat"}, ["0", "1"]),
        ([], ["0", "1"]),
    ],
)
def test_what_is_said_of_other_columns_or_wrongly_is_passed_over(
    tmp_path: Path,
    features: Any,  # noqa: ANN401
    classes: list[str],
) -> None:
    write_rows(tmp_path / "0.parquet", {"image": [image(b"a"), image(b"b")], "label": [0, 1]},
               features)  # fmt: skip
    assert [class_ for class_, _ in places(tmp_path).values()] == classes


def test_a_set_whose_files_had_odd_names_is_that_of_its_shards(tmp_path: Path) -> None:
    for shard in ("train", "test"):
        names = ["a.jpg?width=640", "b.v2", "c.JPG", "d", ""]
        images = [image(b"a", name) for name in names]
        write_rows(tmp_path / f"{shard}.parquet", {"image": images, "label": [0, 1, 0, 1, 0]}, PETS)
    assert {path: subset for path, (_, subset) in places(tmp_path).items()} == {
        f"{shard}.parquet/0000000{row}{'.JPG' if row == 2 else ''}": shard
        for shard in ("test", "train")
        for row in range(5)
    }


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"path": ["a.jpg"], "label": [0]}, "no column of images"),
        (
            {"image": [image(b"a")], "mask": [image(b"a")]},
            "columns image and mask could both be the images",
        ),
        (
            {"image": [image(b"a")], "label": [0], "species": [1]},
            "columns label and species could both be the class",
        ),
        ({"image": pa.array([], pa.binary())}, "a shard without files"),
    ],
)
def test_a_table_that_is_no_set_of_images_is_named(
    tmp_path: Path, columns: Mapping[str, Sequence[object]], reason: str
) -> None:
    write_rows(tmp_path / "pets.parquet", columns)
    write_files(tmp_path, {"cat/1.png": b"", "dog/1.png": b""})
    assert [*places(tmp_path)] == ["cat/1.png", "dog/1.png"]
    assert reasons(tmp_path) == {"pets.parquet": reason}


@pytest.mark.parametrize("labels", [[[0], [0, 1]], [b"cat", b"dog"], [{"name": "cat"}, None]])
def test_a_column_of_several_classes_a_row_is_named(
    tmp_path: Path, labels: Sequence[object]
) -> None:
    columns = {"image": [image(b"a"), image(b"b")], "labels": labels}
    write_rows(tmp_path / "pets.parquet", columns, {"image": {"_type": "Image"}})
    write_files(tmp_path, {"cat/1.png": b"", "dog/1.png": b""})
    assert reasons(tmp_path) == {
        "pets.parquet": "column labels holds lists, structs or bytes, not classes"
    }


def test_rows_without_an_image_or_class_are_named(
    tmp_path: Path, split: Callable[..., Any]
) -> None:
    draw_photographs(tmp_path)
    rows = [image(None, "a.jpg"), image(photograph(1)), image(photograph(2)), image(b"text")]
    write_rows(tmp_path / "0.parquet", {"image": rows, "label": [0, -1, None, 1]}, PETS)
    _, rejections, _ = split(tmp_path)
    assert [one for one in rejections if one.path.startswith("0.parquet")] == [
        ("0.parquet/00000000.jpg", "its row holds no image"),
        ("0.parquet/00000001", "no class in its shard that a folder can be called"),
        ("0.parquet/00000002", "no class in its shard that a folder can be called"),
        ("0.parquet/00000003", "not a JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF image"),
    ]


def test_rows_of_several_groups_are_read_from_several_threads(tmp_path: Path) -> None:
    data = [bytes([place]) * place for place in range(1, 32)]
    write_rows(tmp_path / "0.parquet", {"image": [*map(image, data)]})
    find = shard_finder(tmp_path)
    paths = [f"0.parquet/{row:08d}" for row in range(31)] * 3
    with ThreadPoolExecutor(4) as threads:
        found = [*threads.map(lambda path: read_file(tmp_path, path, find), paths)]
    assert found == data * 3
    for nothing in ("00000031", "1", "\u00b2", "-0000001", "00000001.jpg", "", "\udcff"):
        assert find(f"0.parquet/{nothing}") is None
    assert find("0.parquet") is None


def test_a_parquet_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "0.parquet", {"image": [*map(image, [b"a", b"b", b"c", b"d", b"e"])]})
    find = shard_finder(tmp_path)
    assert read_file(tmp_path, "0.parquet/00000000", find) == b"a"
    write_rows(tmp_path / "0.parquet", {"image": [image(b"a")]})
    for row in (2, 4):
        with pytest.raises(ValueError, match="not a whole Parquet file: "):
            read_file(tmp_path, f"0.parquet/0000000{row}", find)


def test_the_split_of_rows_is_that_of_the_same_photographs_in_folders(
    tmp_path: Path, split: Callable[..., Any]
) -> None:
    draw_photographs(tmp_path / "folders")
    files = [path for path in (tmp_path / "folders").rglob("*") if path.is_file()]
    write_rows(
        tmp_path / "rows/0.parquet",
        {
            "image": [image(path.read_bytes(), path.name) for path in files],
            "label": [("cat", "dog").index(path.parent.name) for path in files],
        },
        PETS,
    )

    def without_paths(rows: Sequence[Row]) -> list[Row]:
        return sorted(row._replace(path="", group="") for row in rows)

    rows, _, report = split(tmp_path / "folders")
    in_shard, _, reported = split(tmp_path / "rows")
    assert without_paths(in_shard) == without_paths(rows)
    assert reported["rejected_by_reason"] == report["rejected_by_reason"]


@given(st.data())
def test_a_damaged_parquet_file_never_raises_anything_else(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "0.parquet")
        write_rows(path, {"image": [image(b"a" * 99)] * 5, "label": [0, 1, 0, 1, 0]}, PETS)
        whole = bytearray(path.read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3)):
            whole[place] = data.draw(st.integers(0, 255))
        path.write_bytes(whole[: data.draw(st.sampled_from([len(whole), 3, len(whole) // 2]))])
        with suppress(UserError):
            layout = folder_layout(Path(folder))
            find = shard_finder(Path(folder))
            for name in layout.places:
                with suppress(ValueError, OSError):
                    read_file(Path(folder), name, find)


def test_without_pyarrow_it_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path / "pets.parquet", {"image": [image(b"a")]})
    write_files(tmp_path, {"cat/1.png": b"", "dog/1.png": b""})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert reasons(tmp_path) == {
        "pets.parquet": "Parquet needs pyarrow: run uv sync --frozen --inexact --group parquet"
    }
