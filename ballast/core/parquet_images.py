"""Reads images in the rows of a Parquet file, as Hugging Face's data sets have them."""

import json
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path, PurePosixPath
from sys import intern
from threading import Lock
from typing import Any, NamedTuple

from ballast.core.images import SUFFIXES

PARQUET = ".parquet"
METADATA = b"huggingface"  # of the schema: what the columns are
HELD = 2  # groups of rows that are in memory
NEEDS_PYARROW = "Parquet needs pyarrow: run uv sync --frozen --inexact --group parquet"


class _Images(NamedTuple):
    """The column of images, by the paths of its parts."""

    data: str
    path: str | None  # None if the files have no names


def image_suffixes(shard: Path) -> list[str]:
    """Tell the suffix that the file of each row's image once had: empty if it was none of images.

    Raises:
        ValueError: if it is not a whole Parquet file, has no column of images or several, or the
            package pyarrow is not installed.
        OSError: if it cannot be read.
    """
    with _opened(shard) as file:
        column = _images(file.schema_arrow).path
        if not column:
            return [""] * file.metadata.num_rows
        paths = file.read(columns=[column]).flatten().column(0).to_pylist()
    suffixes = (PurePosixPath(path or "").suffix for path in paths)
    return [intern(suffix) if suffix.lower() in SUFFIXES else "" for suffix in suffixes]


def row_name(row: int, suffix: str) -> str:
    """The name of the image in a row."""
    return f"{row:08d}{suffix}"


def row_classes(shard: Path, usual: Collection[str]) -> list[str | None] | None:
    """Read the class of each row: None for a row without one, or in all if no column has classes.

    That column is the one which the data set calls a ClassLabel, or else has a usual name.

    Args:
        shard: of the rows.
        usual: names of columns, in lower case.

    Raises:
        ValueError: like image_suffixes; if several columns could be the one, or it holds no single
            values.
        OSError: if it cannot be read.
    """
    with _opened(shard) as file:
        schema = file.schema_arrow
        labels = _of_type(schema, "ClassLabel")
        columns = [*labels] or [name for name in schema.names if name.casefold() in usual]
        if not columns:
            return None
        if len(columns) > 1:
            raise ValueError(f"columns {columns[0]} and {columns[1]} could both be the class")
        cells = file.read(columns=columns).column(0).to_pylist()
    if any(isinstance(cell, list | dict | bytes) for cell in cells):
        raise ValueError(f"column {columns[0]} holds lists, structs or bytes, not classes")
    names = labels[columns[0]].get("names") if labels else None
    if not isinstance(names, list):
        return [None if cell is None else str(cell) for cell in cells]
    return [
        str(names[cell]) if isinstance(cell, int) and 0 <= cell < len(names) else None
        for cell in cells
    ]


def row_reader() -> Callable[[Path, int], bytes]:
    """Make a function that reads the image in a row of a Parquet file, given by its number.

    It reads the row's whole group, and holds the last two, of all files. Several threads may call
    it. It raises what image_suffixes raises, and ValueError if the row has no image.
    """
    lock = Lock()
    starts: dict[Path, list[int]] = {}  # the first row of each group
    held: dict[tuple[Path, int], Any] = {}  # images by file and group

    def read(shard: Path, row: int) -> bytes:
        with lock:
            if shard not in starts:
                with _opened(shard) as file:
                    about = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
                starts[shard] = [*accumulate((group.num_rows for group in about), initial=0)]
            group = bisect_right(starts[shard], row) - 1
            if (shard, group) not in held:
                while len(held) >= HELD:
                    held.pop(next(iter(held)))
                with _opened(shard) as file:
                    columns = [_images(file.schema_arrow).data]
                    images = file.read_row_group(group, columns=columns).flatten().column(0)
                held[shard, group] = images
            images, place = held[shard, group], row - starts[shard][group]
            data = images[place].as_py() if place < len(images) else None
        if data is None:
            raise ValueError("its row holds no image")
        return bytes(data)

    return read


@contextmanager
def _opened(shard: Path) -> Iterator[Any]:
    try:
        import pyarrow as pa  # 0.1 s, and an optional dependency
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ValueError(NEEDS_PYARROW) from None
    try:
        # With a path, pyarrow would keep errors of the system from being told from others.
        with shard.open("rb") as opened, parquet.ParquetFile(opened) as file:
            yield file
    except MemoryError:
        raise ValueError("not a whole Parquet file: bad numbers of rows") from None
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # else it is pyarrow's, of what it read
            raise
        raise ValueError(f"not a whole Parquet file: {str(error).splitlines()[0]}") from None


def _images(schema: Any) -> _Images:  # noqa: ANN401  # pyarrow has no types
    """Find the column of images: one that is called so, or holds a file's bytes."""
    import pyarrow as pa

    binary = (pa.binary(), pa.large_binary())
    found = {}
    for field in schema:
        parts = {part.name: part.type for part in field.flatten()}
        if parts.get(f"{field.name}.bytes") in binary:
            path = f"{field.name}.path"
            found[field.name] = _Images(f"{field.name}.bytes", path if path in parts else None)
        elif field.type in binary:
            found[field.name] = _Images(field.name, None)
    called = [name for name in _of_type(schema, "Image") if name in found] or [*found]
    if not called:
        raise ValueError("no column of images")
    if len(called) > 1:
        raise ValueError(f"columns {called[0]} and {called[1]} could both be the images")
    return found[called[0]]


def _of_type(schema: Any, type_: str) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    """The columns of a type of Hugging Face's, with what else is said of them."""
    try:
        features = json.loads((schema.metadata or {})[METADATA])["info"]["features"]
        return {name: of for name, of in features.items() if isinstance(of, dict)
                and of.get("_type") == type_ and name in schema.names}  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
