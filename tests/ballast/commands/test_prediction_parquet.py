"""The Parquet file of predict --out: columns have types, and equal rows make equal bytes."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyarrow import parquet

from ballast.commands.prediction_parquet import GROUP, need_pyarrow, write_parquet
from ballast.core.errors import UserError

HEADER = ["path", "predicted", "p_0", "p_1", "novelty", "set_0", "set_1", "trained_on", "error"]
NUMBERS = ["p_0", "p_1", "novelty"]
FLAGS = ["set_0", "set_1", "trained_on"]
READ = ["=1.jpg", "1", "0.25", "0.75", "", "0", "1", "0", ""]
UNREAD = ["b.jpg", "", "", "", "", "", "", "", "not an image"]


def written(rows: Sequence[Sequence[str]]) -> bytes:
    file = io.BytesIO()
    write_parquet(file, HEADER, NUMBERS, FLAGS, iter(rows))
    return file.getvalue()


def test_numbers_and_flags_have_their_types_and_empty_cells_are_null() -> None:
    table = parquet.read_table(io.BytesIO(written([READ, UNREAD])))
    types = dict.fromkeys(HEADER, "string")
    types |= dict.fromkeys(NUMBERS, "double") | dict.fromkeys(FLAGS, "bool")
    assert {field.name: str(field.type) for field in table.schema} == types
    read, unread = table.to_pylist()
    assert [*read.values()] == ["=1.jpg", "1", 0.25, 0.75, None, False, True, False, None]
    assert [*unread.values()] == ["b.jpg", *[None] * 7, "not an image"]


def test_a_column_without_a_value_keeps_its_type() -> None:
    of_unread = parquet.read_schema(io.BytesIO(written([UNREAD])))
    of_nothing = parquet.read_schema(io.BytesIO(written([])))
    assert of_unread == of_nothing == parquet.read_schema(io.BytesIO(written([READ])))


def test_rows_are_written_in_groups_so_that_few_are_in_memory() -> None:
    file = parquet.ParquetFile(io.BytesIO(written([READ] * (2 * GROUP + 1))))
    groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [GROUP, GROUP, 1]


def test_equal_rows_make_equal_bytes() -> None:
    assert written([READ, UNREAD] * 100) == written([READ, UNREAD] * 100)


def test_without_pyarrow_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    need_pyarrow(Path("all.parquet"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = "all.parquet: Parquet needs pyarrow: run uv sync --frozen --inexact --group parquet"
    with pytest.raises(UserError, match=f"^{said}$"):
        need_pyarrow(Path("all.parquet"))
