"""The table that predict --out writes: a row for every file, and resumed where a run was stopped.

Rows are appended to a part, a CSV, in the order of the files. Once it is complete, the part is
renamed, or becomes a Parquet file. To resume, the files are compared with the rows that are there,
one by one, so that memory does not grow with their number.
"""

import csv
import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from ballast.core.errors import UserError
from ballast.core.files import as_given, csv_lines, writing
from ballast.dataset.listing import printable

ERROR = "error"  # column that says why a file could not be read
KEY_DIGITS = 12
FLUSHED = 64  # rows


def part_of(target: Path, *depends: str) -> Path:
    """The path of the part of a table.

    Args:
        target: the table.
        depends: what its rows depend on besides the files; its hash is in the name.

    Raises:
        UserError: if the table is there, or a part that depends on something else.
    """
    if target.exists():
        raise UserError(f"{target}: exists; delete it, or choose another --out")
    key = hashlib.sha256("\0".join(depends).encode()).hexdigest()[:KEY_DIGITS]
    part = target.with_name(f"{target.name}.{key}.part")
    for other in target.parent.glob(f"{glob.escape(target.name)}.*.part"):
        if other != part:
            raise UserError(
                f"{other}: begun with another model, coverage or version; delete it, or choose"
                " another --out"
            )
    return part


@contextmanager
def opened(part: Path) -> Iterator[BinaryIO]:
    """Open a part for reading and appending, for this process alone.

    Raises:
        UserError: if it cannot be written, or another process writes it.
    """
    with writing(part), part.open("a+b") as file:
        with suppress(ImportError):  # Windows has no fcntl
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{part}: another process is writing it; wait for that") from None
        file.seek(0)
        yield file


def complete_rows(file: BinaryIO) -> Iterator[list[str]]:
    """The rows of a part after its header; an incomplete row at the end is cut off.

    A row may contain line breaks, between quotation marks.
    """
    whole, lines, end = 0, b"", 0
    for line in file:
        lines, end = lines + line, end + len(line)
        if lines.endswith(b"\n") and lines.count(b'"') % 2 == 0:
            if whole:  # the first is the header
                (row,) = csv.reader([lines.decode()])
                yield [*map(as_given, row)]
            whole, lines = end, b""
    file.truncate(whole)
    file.seek(whole)


def still_to_do(names: Iterable[str], done: Iterable[Sequence[str]], part: Path) -> Iterator[str]:
    """The names after those whose rows are there.

    Args:
        names: of all files, in their order.
        done: complete rows, which begin with the name as printable text.
        part: for error messages.

    Raises:
        UserError: if the rows are not those of the first files.
    """
    left = iter(names)
    for number, row in enumerate(done, start=1):
        name = next(left, None)
        if name is None or row[0] != printable(name):
            now = printable(name) if name else "no file"
            raise UserError(
                f"{part}: row {number} is of {row[0]}, where now {now} comes: the"
                " files have changed; delete it to begin anew"
            )
    return left


def append(file: BinaryIO, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Append rows, after a header if the file is empty; flush every FLUSHED rows."""
    if file.seek(0, os.SEEK_END) == 0:
        rows = chain([header], rows)
    lines = csv_lines(rows)
    while block := list(islice(lines, FLUSHED)):
        file.write("".join(f"{line}\n" for line in block).encode())
        file.flush()
