"""Files that stages hand on: equal values give equal bytes, and none is half written."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
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


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: under a temporary name first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def write_json(path: Path, value: object) -> None:
    """Write UTF-8 JSON, keys in their order; floats in Python's shortest exact form."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def read_json(path: Path) -> Any:  # noqa: ANN401  # the stages know what they wrote
    """Read UTF-8 JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    r"""Write UTF-8 CSV with a header and \n line ends."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read UTF-8 CSV with a header; one mapping of column to cell a row."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
