"""The table of predict --out: a row for every file, also after the run was killed."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.commands.prediction_file import (
    append,
    complete_rows,
    opened,
    part_of,
    still_to_do,
)
from ballast.core.errors import UserError

HEADER = ["path", "predicted"]
ROWS = [["a.jpg", "dog"], ["=b.jpg", "snake"], ['c\nd "e".jpg', "dog"], ["ü.jpg", ""]]


def part(folder: Path) -> Path:
    return part_of(folder / "all.csv", "model", "0.9")


def written(path: Path, rows: Sequence[Sequence[str]]) -> bytes:
    with opened(path) as file:
        append(file, HEADER, rows)
    return path.read_bytes()


def complete(path: Path) -> list[list[str]]:
    with opened(path) as file:
        return [*complete_rows(file)]


def test_rows_come_back_as_they_were_given(tmp_path: Path) -> None:
    written(part(tmp_path), ROWS)
    assert complete(part(tmp_path)) == ROWS


@given(cut=st.integers(0, 100))
def test_wherever_it_was_cut_the_rest_can_be_appended(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = part(tmp_path_factory.mktemp("cut"))
    whole = written(path, ROWS)
    path.write_bytes(whole[:cut])
    with opened(path) as file:
        left = [*still_to_do([row[0] for row in ROWS], complete_rows(file), path)]
        append(file, HEADER, ROWS[len(ROWS) - len(left) :])
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a.jpg", "aa.jpg"], "row 2 is of =b.jpg, where now aa.jpg comes"),
        (["a.jpg"], "row 2 is of =b.jpg, where now no file comes"),
    ],
)
def test_other_files_than_before_are_refused(names: list[str], told: str, tmp_path: Path) -> None:
    path = part(tmp_path)
    written(path, ROWS)
    with pytest.raises(UserError) as caught:
        still_to_do(names, complete(path), path)
    assert str(caught.value) == (f"{path}: {told}: the files have changed; delete it to begin anew")


def test_a_part_of_another_model_and_a_finished_table_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "all [1].csv"
    begun = part_of(target, "model", "0.9")
    begun.touch()
    assert part_of(target, "model", "0.9") == begun
    with pytest.raises(UserError, match="begun with another model, coverage or version; delete it"):
        part_of(target, "model", "0.8")
    begun.rename(target)
    with pytest.raises(UserError, match="exists; delete it, or choose another --out"):
        part_of(target, "model", "0.9")


def test_two_processes_do_not_write_the_same_part(tmp_path: Path) -> None:
    with (
        opened(part(tmp_path)),
        pytest.raises(UserError, match="another process is writing it"),
        opened(part(tmp_path)),
    ):
        pass


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="cannot be written: No such file or directory"),
        opened(tmp_path / "none/all.csv.part"),
    ):
        pass
