"""Files that stages hand on: equal values give equal bytes, and none is half written."""

import csv
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ballast.core.errors import UserError

# What a spreadsheet takes for a formula, or what would be read as one that was made harmless.
FORMULA = re.compile(r"'*[=+\-@\t\r]")


def read_text(path: Path) -> str:
    """Read UTF-8 text that a user wrote.

    Raises:
        UserError: where there is no such file, or it is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the top of the project") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text") from None


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Write to a file or folder.

    Raises:
        UserError: where it cannot be written: no space, no permission, a file in a folder's place.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where there is none yet."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Write a folder whole or not at all: filled under a temporary name, then swapped in.

    No file of an earlier one stays.

    Yields:
        The folder to fill, empty.

    Raises:
        UserError: as writing does.
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


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: under a temporary name first, then renamed.

    Raises:
        UserError: as writing does; nothing is left then.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def link_or_write(path: str, same: str, data: bytes) -> None:
    """Make a new file: a link to one of the same content, or where there can be none, written.

    Paths are no Path here: for thousands of files, making those takes as long as linking them.

    Raises:
        OSError: where it cannot be written.
    """
    if same:
        with suppress(OSError):  # other file systems, or one without links
            os.link(same, path)
            return
    Path(path).write_bytes(data)


@contextmanager
def intact(path: Path) -> Iterator[None]:
    """Read a file that a stage wrote.

    Raises:
        UserError: where it is missing or its content is not what a stage writes.
    """
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: not there yet; run dvc repro") from None
    except (ValueError, TypeError, KeyError, csv.Error):
        raise UserError(
            f"{path}: not as a stage wrote it; run ballast check, then dvc repro"
        ) from None


def write_json(path: Path, value: object) -> None:
    """Write UTF-8 JSON, keys in their order; a NamedTuple becomes an object of its fields.

    Floats have 12 significant digits. The last of their 17 depend on the processor: the C
    library's pow and log, and NumPy's, round differently with and without its newer instructions.
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


def read_json(path: Path) -> Any:  # noqa: ANN401  # the stages know what they wrote
    """Read UTF-8 JSON.

    Raises:
        UserError: as intact does.
    """
    with intact(path):
        return json.loads(path.read_text(encoding="utf-8"))


def is_json(data: bytes) -> bool:
    """Whether bytes are JSON, whole."""
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    r"""Write UTF-8 CSV with a header and \n line ends; floats as write_json has them.

    A cell that a spreadsheet would run as a formula gets a ' before it, as OWASP's page on CSV
    injection has it; read_csv takes it off again.
    """
    write_bytes(path, "".join(f"{line}\n" for line in csv_lines([columns, *rows])).encode())


def csv_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Rows as write_csv writes them, without the line ends."""
    # Of a writer that returns its lines. One for \n alone would not quote a cell with a \r in it.
    writer = csv.writer(SimpleNamespace(write=str), lineterminator="\r\n")
    for cells in rows:
        line: str = writer.writerow([_cell(value) for value in cells])
        yield line.removesuffix("\r\n")


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.12g}"
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def read_csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read UTF-8 CSV with a header; one mapping of column to cell a row.

    Args:
        path: of the file.
        columns: that it must begin with.

    Raises:
        UserError: as intact does.
    """
    with intact(path), path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
        if header[: len(columns)] != [*columns]:
            raise ValueError(header)
        return [
            {
                # What write_csv put there, and no ' of the cell's own.
                name: cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell
                for name, cell in zip(header, row, strict=True)
            }
            for row in rows
        ]
