"""Files have fixed bytes, and are written whole or not at all."""

import csv
import math
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.core.errors import UserError
from ballast.core.files import (
    read_csv,
    read_json,
    read_text,
    whole_folder,
    write_bytes,
    write_csv,
    write_json,
)


def test_json_and_csv_have_fixed_bytes_and_come_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"z": 0.1, "ä": None})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "z": 0.1,\n  "ä": null\n}\n'.encode()
    assert read_json(tmp_path / "a.json") == {"z": 0.1, "ä": None}
    write_csv(tmp_path / "a.csv", ("path", "reason"), [("a\nb", 'say "no", or')])
    assert (tmp_path / "a.csv").read_bytes() == b'path,reason\n"a\nb","say ""no"", or"\n'
    assert [*read_csv(tmp_path / "a.csv", ["path"])] == [{"path": "a\nb", "reason": 'say "no", or'}]


def test_the_last_bits_of_a_float_do_not_reach_a_file(tmp_path: Path) -> None:
    # Two processors' pow may differ in the last bit.
    value = 4.333333333333333
    write_json(tmp_path / "a.json", {"dog": [value]})
    write_json(tmp_path / "b.json", {"dog": [math.nextafter(value, 5)]})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"dog": [pytest.approx(value, abs=1e-11)]}


class Figure(NamedTuple):
    """A tuple in a named tuple."""

    value: float | None
    bounds: tuple[float, ...]


class Figures(NamedTuple):
    """Named tuples in one, and in a mapping in it."""

    overall: Figure
    by_class: dict[str, Figure]


def test_a_named_tuple_is_an_object_and_a_tuple_a_list_at_any_depth(tmp_path: Path) -> None:
    figure, none = Figure(0.1 + 0.2, (0.0, 1.0)), Figure(None, ())
    write_json(tmp_path / "a.json", {"of": [Figures(figure, {"dog": none})], "n": (1, True, "é")})
    assert read_json(tmp_path / "a.json") == {
        "of": [
            {
                "overall": {"value": 0.3, "bounds": [0, 1]},
                "by_class": {"dog": {"value": None, "bounds": []}},
            }
        ],
        "n": [1, True, "é"],
    }
    write_json(tmp_path / "b.json", figure)
    assert [*read_json(tmp_path / "b.json")] == ["value", "bounds"], "in the order of its fields"


def test_floats_of_a_csv_file_are_those_of_a_json_file(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 4.333333333333333, 1e-20, -1.5, 0.0, 1 / 3 * 1e9]
    write_csv(tmp_path / "a.csv", ["x", "numpy's", "n"], [(x, np.float64(x), 7) for x in values])
    write_json(tmp_path / "a.json", values)
    rows = [*read_csv(tmp_path / "a.csv", ["x", "numpy's"])]
    assert [float(row["x"]) for row in rows] == read_json(tmp_path / "a.json")
    assert [row["x"] for row in rows] == [row["numpy's"] for row in rows]
    assert [row["x"] for row in rows][:4] == ["0.3", "4.33333333333", "1e-20", "-1.5"]
    assert {row["n"] for row in rows} == {"7"}


def test_a_file_of_a_stage_is_looked_for_at_the_top_of_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("outputs/answer.json")
    for pipeline, said in (
        (False, "no such file; run from the top of the project"),
        (True, "does not exist yet; run dvc repro"),
    ):
        if pipeline:
            Path("dvc.yaml").touch()
        with pytest.raises(UserError) as caught:
            read_json(path)
        assert str(caught.value) == f"{path}: {said}"


def test_a_file_of_a_stage_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "class_counts.json"
    with pytest.raises(UserError, match=r"class_counts\.json: does not exist yet; run dvc repro"):
        read_json(path)
    path.write_bytes(b'{"dog": {"train"')
    with pytest.raises(UserError, match=r"class_counts\.json: edited or damaged"):
        read_json(path)


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    write_bytes(tmp_path / "new" / "a", b"1")
    write_bytes(tmp_path / "new" / "a", b"2")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]
    assert (tmp_path / "new" / "a").read_bytes() == b"2"


def test_text_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"params\.yaml: no such file; run from the top of the project"
    ):
        read_text(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"params\.yaml: not UTF-8"):
        read_text(tmp_path / "params.yaml")


FORMULAS = ["=1+1", "+1", "-rf", "@sum", "\tx", "\rx", "'=1", "''-", "'", "a=b", "", "'quoted'"]


def test_no_cell_is_a_formula_and_every_cell_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, ["path"], [[text] for text in FORMULAS])
    with path.open(encoding="utf-8", newline="") as file:
        written = [row[0] for row in csv.reader(file)]
    assert not [cell for cell in written if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "'=1+1" in written
    assert [row["path"] for row in read_csv(path, ["path"])] == FORMULAS


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_cell_comes_back(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        write_csv(path, ["path", "n"], [[text, -1.5]])
        assert [*read_csv(path, ["path", "n"])] == [{"path": text, "n": "-1.5"}]


def test_what_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file: cannot be written: File exists"):
        write_bytes(tmp_path / "file" / "a", b"1")
    (tmp_path / "folder" / "a").mkdir(parents=True)
    with pytest.raises(UserError, match=r"folder/a: cannot be written: Is a directory"):
        write_bytes(tmp_path / "folder" / "a", b"1")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a"]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with whole_folder(tmp_path / "made") as folder:
            (folder / name).touch()
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["two"]
    (tmp_path / "made.tmp").mkdir()
    (tmp_path / "made.tmp" / "left by a killed run").touch()
    found: list[Path] = []

    def fail_midway() -> None:
        with whole_folder(tmp_path / "made") as folder:
            found.extend(folder.iterdir())
            (folder / "three").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail_midway()
    assert found == []
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["two"]
