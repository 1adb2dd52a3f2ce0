"""Files that stages hand on: equal values give equal bytes, and none is half written."""

import csv
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ballast.errors import UserError


def read_text(path: Path) -> str:
    """Read UTF-8 text that a user wrote.

    Raises:
        UserError: where there is no such file, or it is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; run from the top of the project") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text") from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
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


def remove_folder(path: Path) -> None:
    """Remove a folder and all in it, where there is one."""
    with writing(path):
        if path.exists():
            shutil.rmtree(path)


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
    except (ValueError, TypeError, csv.Error):
        raise UserError(
            f"{path}: not as a stage wrote it; run python -m stages.check, then dvc repro"
        ) from None


def write_json(path: Path, value: object) -> None:
    """Write UTF-8 JSON, keys in their order; floats with 12 significant digits.

    The last of a float's 17 digits depend on the processor: the C library's pow and log, and
    NumPy's, round differently with and without its newer instructions.
    """
    text = json.dumps(_rounded(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


def read_json(path: Path) -> Any:  # noqa: ANN401  # the stages know what they wrote
    """Read UTF-8 JSON.

    Raises:
        UserError: as intact does.
    """
    with intact(path):
        return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    r"""Write UTF-8 CSV with a header and \n line ends."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())


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
        return [dict(zip(header, row, strict=True)) for row in rows]
