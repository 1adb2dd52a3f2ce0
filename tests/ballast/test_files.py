"""Files: fixed bytes, written whole or not at all."""

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
    assert read_csv(tmp_path / "a.csv") == [{"path": "a\nb", "reason": 'say "no", or'}]


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
