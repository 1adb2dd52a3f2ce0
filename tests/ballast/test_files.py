"""Files: fixed bytes, written whole or not at all."""

import math
from pathlib import Path

import pytest

from ballast.errors import UserError
from ballast.files import read_csv, read_json, read_text, write_bytes, write_csv, write_json


def test_json_and_csv_have_fixed_bytes_and_come_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"z": 0.1, "ä": None})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "z": 0.1,\n  "ä": null\n}\n'.encode()
    assert read_json(tmp_path / "a.json") == {"z": 0.1, "ä": None}
    write_csv(tmp_path / "a.csv", ("path", "reason"), [("a\nb", 'say "no", or')])
    assert (tmp_path / "a.csv").read_bytes() == b'path,reason\n"a\nb","say ""no"", or"\n'
    assert read_csv(tmp_path / "a.csv", ["path"]) == [{"path": "a\nb", "reason": 'say "no", or'}]


def test_the_last_bits_of_a_float_do_not_reach_a_file(tmp_path: Path) -> None:
    # Two processors' pow may differ in the last bit.
    value = 4.333333333333333
    write_json(tmp_path / "a.json", {"dog": [value]})
    write_json(tmp_path / "b.json", {"dog": [math.nextafter(value, 5)]})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"dog": [pytest.approx(value, abs=1e-11)]}


def test_a_file_of_a_stage_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "class_counts.json"
    with pytest.raises(UserError, match=r"class_counts\.json: not there yet; run dvc repro"):
        read_json(path)
    path.write_bytes(b'{"dog": {"train"')
    with pytest.raises(UserError, match=r"class_counts\.json: not as a stage wrote it"):
        read_json(path)


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    write_bytes(tmp_path / "new" / "a", b"1")
    write_bytes(tmp_path / "new" / "a", b"2")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]
    assert (tmp_path / "new" / "a").read_bytes() == b"2"


def test_text_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"params\.yaml: No such file.*top of the project"):
        read_text(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"params\.yaml: not UTF-8"):
        read_text(tmp_path / "params.yaml")
