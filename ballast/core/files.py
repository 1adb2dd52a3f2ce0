"""The files that stages exchange: equal values give equal bytes, and none is half written."""

import csv
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from ballast.core.errors import UserError
from ballast.core.paths import PARAMS, PIPELINE

# A cell that a spreadsheet would run as a formula, or one that looks as if it had been escaped.
FORMULA = re.compile(r"'*[=+\-@\t\r]")
# What git writes around the sides of a merge that it leaves to the user.
CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)


def read_text(path: Path) -> str:
    """Read UTF-8 text that a user wrote.

    Raises:
        UserError: if the file does not exist, cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the top of the project") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; save it as UTF-8") from None


def at_top() -> bool:
    """Whether the current folder is the top of a project, or of what is left of one."""
    return any(path.exists() for path in (PARAMS, PIPELINE))


def refuse_conflict(path: Path, text: str) -> None:
    """Refuse a user's file that git merged in part; a parser would complain of something else.

    Raises:
        UserError: naming the line.
    """
    if found := CONFLICT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise UserError(
            f"{path} line {line}: git's conflict markers; keep one side of each conflict, and"
            " remove the markers"
        )


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turn an OSError while a file or folder is written into a UserError.

    Raises:
        UserError: if it cannot be written, for lack of space or permission, for example.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


def make_folder(path: Path) -> None:
    """Make a folder and its parents if they do not exist."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Write a folder completely or not at all: fill it under a temporary name, then swap it in.

    No file of a previous folder remains.

    Yields:
        An empty folder to fill.

    Raises:
        UserError: like writing.
    """
    fresh = path.with_name(f"{path.name}.tmp")
    with writing(path):
        if fresh.exists():
            shutil.rmtree(fresh)
    make_folder(fresh)
    try:
        yield fresh
        with writing(path):
            if path.exists():
                shutil.rmtree(path)
            fresh.rename(path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def writing_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file completely or not at all: under a temporary name first, then renamed.

    Yields:
        The file, open for writing.

    Raises:
        UserError: like writing; no partial file remains.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        try:
            with temporary.open("wb") as file:
                yield file
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file completely or not at all.

    Raises:
        UserError: like writing; no partial file remains.
    """
    with writing_file(path) as file:
        file.write(data)


def link_or_write(path: str, same: str, data: bytes) -> None:
    """Hard-link a new file to one of the same content; write it if a link is impossible.

    Paths are strings, not Paths: for thousands of files, making a Path takes as long as linking.

    Args:
        path: of the new file.
        same: path of the file with the same content; '' if there is none.
        data: the content.

    Raises:
        OSError: if the file cannot be written.
    """
    if same:
        with suppress(OSError):  # another file system, or one without links
            os.link(same, path)
            return
    Path(path).write_bytes(data)


@contextmanager
def intact(path: Path) -> Iterator[None]:
    """Turn errors while a stage's output is read into a UserError.

    Raises:
        UserError: if the file is missing, or its content is not what a stage writes.
    """
    try:
        yield
    except FileNotFoundError:
        if not (path.is_absolute() or at_top()):
            raise UserError(f"{path}: no such file; run from the top of the project") from None
        raise UserError(f"{path}: does not exist yet; run dvc repro") from None
    except (ValueError, TypeError, KeyError, EOFError, csv.Error):
        raise UserError(f"{path}: edited or damaged; run ballast check, then dvc repro") from None


def write_json(path: Path, value: object) -> None:
    """Write UTF-8 JSON; keys keep their order, and a NamedTuple becomes an object.

    Floats get 12 significant digits. The last of their 17 depend on the processor: pow and log of
    the C library and of NumPy round differently with and without its newer instructions.
    """
    text = json.dumps(_json(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def _json(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value


def read_json(path: Path) -> Any:  # noqa: ANN401  # callers know the type
    """Read UTF-8 JSON.

    Raises:
        UserError: like intact.
    """
    with intact(path):
        return json.loads(path.read_text(encoding="utf-8"))


def is_json(data: bytes) -> bool:
    """Whether bytes are a complete JSON document."""
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    r"""Write UTF-8 CSV with a header and \n line ends; floats are rounded as in write_json.

    A cell that a spreadsheet would run as a formula is prefixed with a ', as OWASP's page on CSV
    injection advises; read_csv removes it.
    """
    with writing_file(path) as file:
        for line in csv_lines(chain([columns], rows)):
            file.write(f"{line}\n".encode())


def csv_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Format rows as write_csv writes them, without line ends."""
    # A writer that returns its lines. With "\n" as terminator, it would not quote a "\r" in a cell.
    writer = csv.writer(SimpleNamespace(write=str), lineterminator="\r\n")
    for cells in rows:
        line: str = writer.writerow([_cell(value) for value in cells])
        yield line.removesuffix("\r\n")


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if FORMULA.match(value) else value
    return f"{value:.12g}" if isinstance(value, float) else value


def as_given(cell: str) -> str:
    """Remove the ' that csv_lines added to a cell, but keep the cell's own."""
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Read UTF-8 CSV with a header, row by row.

    Args:
        path: of the file.
        columns: names that the header must begin with.

    Yields:
        For each row, its cells by column name.

    Raises:
        UserError: like intact.
    """
    with intact(path), path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        header = next(rows, [])
        if header[: len(columns)] != [*columns]:
            raise ValueError(header)
        for row in rows:
            yield {name: as_given(cell) for name, cell in zip(header, row, strict=True)}
