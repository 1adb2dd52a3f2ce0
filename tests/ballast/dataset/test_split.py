"""Folders are split whole: what was left out, and why, is told before anything is refused."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from ballast.core.errors import UserError
from ballast.core.manifest import Row, has_test_folder
from ballast.core.params import Params
from ballast.dataset.scan import Rejection
from ballast.dataset.split import split_folder

NOWHERE = Path(os.devnull, "none")


@pytest.fixture
def params(shipped: Params) -> Params:
    return replace(shipped, runtime=replace(shipped.runtime, workers=1))


def with_split(params: Params, **values: object) -> Params:
    return replace(params, split=replace(params.split, **values))


def rows_of(raw: Path, params: Params) -> list[Row]:
    return split_folder(raw, params, NOWHERE)[0]


def rejected(raw: Path, params: Params) -> list[Rejection]:
    return split_folder(raw, params, NOWHERE)[1]


@pytest.mark.parametrize(
    ("folders", "given"),
    [
        (("train", "test"), True),
        (("seg_train/seg_train", "seg_test/seg_test"), True),
        (("photos/Training", "photos/Testing"), True),
        (("x_part_1", "x_part_2"), False),
        (("photos/photos",), False),
        (("test",), False),
    ],
)
def test_a_test_set_of_ones_own_is_told_from_folders_that_are_looked_through(
    tmp_path: Path,
    write_digits: Callable[..., None],
    params: Params,
    folders: tuple[str, ...],
    given: bool,
) -> None:
    write_digits(tmp_path / "all", zero=8, one=8)
    for number, path in enumerate(sorted((tmp_path / "all").glob("*/*.png"))):
        target = tmp_path / "raw" / folders[number % len(folders)] / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    rows = rows_of(tmp_path / "raw", params)
    assert len(rows) == 16
    assert {row.class_ for row in rows} == {"zero", "one"}
    assert has_test_folder(rows) is given
    tested = [row for row in rows if row.split == "test"]
    assert len(tested) == 8 if given else 0 < len(tested) < 8


def test_what_dvc_ignores_and_what_is_excluded_are_rejected_and_odd_files_keep_their_reason(
    tmp_path: Path,
    write_digits: Callable[..., None],
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_digits(Path("photos"), zero=4, one=4, two=4)
    Path("photos/zero/gone.png").symlink_to("nowhere.png")
    Path(".dvcignore").write_text("/photos/zero/gone.png\n/photos/zero/000.png\n/photos/two/\n")
    excluding = replace(params, data=replace(params.data, exclude=["one/000.*"]))
    assert rejected(Path("photos"), excluding) == [
        Rejection("one/000.png", "excluded by data.exclude"),
        *(Rejection(f"two/00{number}.png", "ignored by .dvcignore") for number in range(4)),
        Rejection("zero/000.png", "ignored by .dvcignore"),
        Rejection("zero/gone.png", "broken link"),
    ]
    assert len(rows_of(Path("photos"), excluding)) == 6


def test_classes_in_two_folders_that_are_dropped_whole_are_told_with_a_pair(
    tmp_path: Path, write_digits: Callable[..., None], params: Params
) -> None:
    write_digits(tmp_path, zero=4)
    shutil.copytree(tmp_path / "zero", tmp_path / "one")
    with pytest.raises(UserError, match=r"^.*: split.label_conflicts: drop leaves no photographs: "
                       r".*, for example one/000.png \(copy of zero/000.png in another class\); "
                       ):  # fmt: skip
        rows_of(tmp_path, with_split(params, label_conflicts="drop"))
    assert len(rows_of(tmp_path, with_split(params, label_conflicts="keep", fold=None))) == 8


def test_a_class_of_which_test_holds_all_is_told_with_a_pair(
    tmp_path: Path, write_digits: Callable[..., None], params: Params
) -> None:
    write_digits(tmp_path / "train", zero=6, one=3)
    shutil.copytree(tmp_path / "train/one", tmp_path / "test/one")
    with pytest.raises(UserError, match=r": class one has no images left in train/: its 3 files "
                       r"there were left out, for example train/one/000.png \(same bytes as test/"
                       ):  # fmt: skip
        rows_of(tmp_path, params)

    for path in sorted((tmp_path / "test/one").iterdir()):
        path.write_bytes(path.read_bytes() + b"more")  # after the image: another file, no other
    dropping = with_split(params, leakage="drop")
    with pytest.raises(UserError, match=r"\(in the same group as test/one/00\d.png in test\); add "
                       "other photographs to train/, or set split.leakage to keep"):  # fmt: skip
        rows_of(tmp_path, dropping)
    assert len(rows_of(tmp_path, with_split(params, leakage="keep"))) == 12
