"""Reads tables that users wrote: CSV, TSV and JSON lines."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ballast.core.errors import UserError, counted
from ballast.core.files import read_text

DELIMITERS = ",;\t"
JSON_LINES = (".jsonl", ".ndjson")
SUFFIXES = (".csv", ".tsv", *JSON_LINES)
MOST_SAME = 10_000  # different cells of which copies are kept only once
# Usual names of columns of classes, in small letters and with _ between words.
CLASS = (
    "label", "labels", "class", "class_name", "class_label", "category", "diagnosis", "dx",
    "target", "species", "scientific_name", "breed",
)  # fmt: skip


class Record(NamedTuple):
    """A row of a table."""

    line: int  # where it ends in the file, counted from 1
    cells: dict[str, str | None]  # by column; None is neither text nor a number


class Table(NamedTuple):
    """A table with named columns."""

    path: str  # relative to data.raw
    name: str  # for errors
    columns: list[str]
    records: list[Record]


def read_table(raw: Path, path: str) -> Table:
    """Read a table; numbers keep their letters: 1.10 is not 1.1.

    Spaces around names and cells are removed. Columns without a name, such as the numbers that
    pandas writes, are left out, and so are empty rows.

    Args:
        raw: data.raw.
        path: of the table, relative to it.

    Raises:
        UserError: if it cannot be read, or a line is not of that format.
    """
    name, text = str(raw / path), read_text(raw / path).removeprefix("\ufeff")
    if path.casefold().endswith(JSON_LINES):
        return _json_lines(path, name, text)
    if path.casefold().endswith(SUFFIXES):
        return _csv(path, name, text)
    raise UserError(f"params.yaml: data.labels: {name}: must end in {', '.join(SUFFIXES)}")


def _csv(path: str, name: str, text: str) -> Table:
    header = text.split("\n", 1)[0]
    delimiter = "\t" if path.casefold().endswith(".tsv") else max(DELIMITERS, key=header.count)
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    same: dict[str, str] = {}  # one text for equal cells, such as classes
    records = []
    try:
        names = next((names for cells in lines if any(names := _stripped(cells))), [])
        kept = _named_columns(name, names)
        for cells in lines:
            if not any(cells := _stripped(cells)):
                continue
            if len(cells) != len(names):
                raise UserError(
                    f"{name}: line {lines.line_num}: has {counted(len(cells), 'cell')}, must have"
                    f" {len(names)}: {', '.join(names)}"
                )
            if len(same) < MOST_SAME:
                cells = [same.setdefault(cell, cell) for cell in cells]
            else:
                cells = [same.get(cell, cell) for cell in cells]
            records.append(Record(lines.line_num, {names[place]: cells[place] for place in kept}))
    except csv.Error as error:
        raise UserError(f"{name}: line {lines.line_num}: invalid CSV: {error}") from None
    return Table(path, name, [names[place] for place in kept], records)


def _stripped(cells: list[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def _named_columns(name: str, names: Sequence[str]) -> list[int]:
    """The places of the columns that have names of their own.

    Raises:
        UserError: if there is no column, or two have one name.
    """
    if not names:
        raise UserError(f"{name}: is empty; the first line must name the columns")
    kept: dict[str, int] = {}
    for place, column in enumerate(names):
        if column and not column.casefold().startswith("unnamed:"):
            if column in kept:
                raise UserError(f"{name}: two columns are called {column}; rename one")
            kept[column] = place
    return [*kept.values()]


def _json_lines(path: str, name: str, text: str) -> Table:
    found = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            values = json.loads(content, parse_int=str, parse_float=str)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{name}: line {line}: invalid JSON: {error}") from None
        if not isinstance(values, dict):
            raise UserError(f"{name}: line {line}: must be a JSON object, such as {{…}}")
        found.append((line, {key.strip(): _cell(value) for key, value in values.items()}))
    columns = list(dict.fromkeys(column for _, cells in found for column in cells if column))
    records = [
        Record(line, {name: cells.get(name, "") for name in columns}) for line, cells in found
    ]
    return Table(path, name, columns, records)


def _cell(value: object) -> str | None:
    """A value of JSON as the cell of a CSV would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.strip() if isinstance(value, str) else "" if value is None else None
