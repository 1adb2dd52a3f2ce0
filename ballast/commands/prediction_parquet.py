"""Writes the rows of predict --out to a Parquet file, with types."""

from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO

from ballast.core.errors import UserError
from ballast.core.parquet_images import NEEDS_PYARROW

GROUP = 8192  # rows that are in memory: with 200 classes, 1.7 million cells


def need_pyarrow(target: Path) -> None:
    """Raise UserError if pyarrow, which is an optional dependency, is not installed."""
    if find_spec("pyarrow") is None:
        raise UserError(f"{target}: {NEEDS_PYARROW}")


def write_parquet(
    file: IO[bytes],
    header: Sequence[str],
    numbers: Sequence[str],
    flags: Sequence[str],
    rows: Iterable[Sequence[str]],
) -> None:
    """Write a table; equal rows make equal bytes.

    Args:
        file: to write to.
        header: names of the columns.
        numbers: those that become float64.
        flags: those of 0 and 1, which become booleans.
        rows: their cells. An empty one becomes null.

    Raises:
        OSError: if it cannot be written.
    """
    import pyarrow as pa  # 0.1 s
    from pyarrow import parquet

    types = dict.fromkeys(numbers, pa.float64()) | dict.fromkeys(flags, pa.bool_())
    schema = pa.schema([(name, types.get(name, pa.string())) for name in header])
    parse: list[Callable[[str], object]] = [
        float if name in numbers else "1".__eq__ if name in flags else str for name in header
    ]
    left = iter(rows)
    with parquet.ParquetWriter(file, schema) as writer:
        while group := [*islice(left, GROUP)]:
            columns = [
                [parse_cell(cell) if cell else None for cell in column]
                for parse_cell, column in zip(parse, zip(*group, strict=True), strict=True)
            ]
            arrays = map(pa.array, columns, schema.types)
            writer.write_table(pa.table([*arrays], schema=schema))
