"""Tables are read in the forms that spreadsheets and programs write."""

from pathlib import Path

import pytest

from ballast.core.errors import UserError
from ballast.dataset.tables import Table, read_table


def read(folder: Path, name: str, text: str) -> Table:
    (folder / name).write_bytes(text.encode())
    return read_table(folder, name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "file,label\na.png,1.10\nb.png,\n"),
        ("a.csv", '\ufefffile;label\r\n"a.png";1.10\r\n\r\nb.png;\r\n;\r\n'),
        ("a.csv", "file\tlabel\na.png\t1.10\nb.png\t"),
        ("A.TSV", "file\tlabel\na.png\t1.10\nb.png\t\n"),
        ("a.csv", ",file,label\n0,a.png,1.10\n1,b.png,\n"),
        ("a.csv", "Unnamed: 0, file , label\n0, a.png , 1.10\n1,b.png,\n"),
        ("a.jsonl", '{"file": "a.png", "label": 1.10}\n\n{"file": "b.png", "label": null}'),
        ("a.ndjson", '{"file": " a.png", "label": "1.10"}\r\n{"file": "b.png"}\r\n'),
    ],
)
def test_the_same_table_in_many_forms(tmp_path: Path, name: str, text: str) -> None:
    table = read(tmp_path, name, text)
    assert table.columns == ["file", "label"]
    assert [record.cells for record in table.records] == [
        {"file": "a.png", "label": "1.10"},
        {"file": "b.png", "label": ""},
    ]


def test_rows_know_their_lines(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", 'file,note\na,"two\nlines"\n\nb,c\n')
    assert [record.line for record in table.records] == [3, 5]


def test_json_has_truths_and_what_is_no_cell(tmp_path: Path) -> None:
    (record,) = read(tmp_path, "a.jsonl", '{"x": true, "y": false, "z": [1], "w": 7}').records
    assert record.cells == {"x": "true", "y": "false", "z": None, "w": "7"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", "is empty; the first line must name the columns"),
        ("a.csv", "a,b\n1\n", "line 2: has 1 cell, must have 2: a, b"),
        ("a.csv", "a,a\n1,2\n", "two columns are called a; rename one"),
        ("a.csv", 'a,b\n1,"2\n', "line 2: invalid CSV: "),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2: invalid JSON: "),
        ("a.jsonl", "[1]\n", "line 1: must be a JSON object, such as {…}"),
        ("a.jsonl", "[" * 100_000, "line 1: invalid JSON: "),
        ("a.xlsx", "PK", r"params.yaml: data.labels: .*a.xlsx: must end in .csv, .tsv, .jsonl"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(tmp_path, name, text)
