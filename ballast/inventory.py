"""What lies in a folder of photographs: the images, their classes, and what is none."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from joblib import Parallel, delayed

from ballast.errors import UserError
from ballast.images import ImageError, decode_image
from ballast.manifest import Subset

# Names that people give the folders of a ready-made split.
SUBSET_FOLDERS: dict[str, Subset] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


class Photo(NamedTuple):
    """A readable image; its size is the upright one, in pixels."""

    path: str  # POSIX, relative to the raw folder
    class_: str
    given: Subset | None  # where the folders say so
    sha256: str
    width: int
    height: int


class Rejection(NamedTuple):
    """A file that is left out, and why."""

    path: str
    reason: str


def list_files(raw: Path) -> list[str]:
    """Every file below `raw`, as POSIX paths relative to it, sorted.

    Raises:
        UserError: where `raw` is no folder.
    """
    if not raw.is_dir():
        raise UserError(
            f"params.yaml: data.raw: no such folder: {raw}; name one that holds a folder a class"
        )
    paths = []
    for folder, _, names in os.walk(raw, followlinks=False):
        relative = Path(folder).relative_to(raw)
        paths += [(relative / name).as_posix() for name in names]
    return sorted(paths)


def inspect_files(raw: Path, paths: Sequence[str], workers: int) -> Iterator[Photo | Rejection]:
    """Read and decode every file, several at a time.

    The layout is <class>/… or, where the folders at the top are named train, test and val, with
    folders below them, <subset>/<class>/….

    Args:
        raw: the folder that the paths are relative to.
        paths: as list_files gives them.
        workers: files at a time.

    Yields:
        One result a path, in the order of `paths`.
    """
    depth = 1 if _has_subset_folders(paths) else 0
    # Threads: Pillow's decoders and hashlib release Python's lock, and a thread starts at once.
    parallel = Parallel(n_jobs=workers, backend="threading", return_as="generator")
    yield from parallel(delayed(_inspect_file)(raw, path, depth) for path in paths)


def sort_out(results: Iterable[Photo | Rejection]) -> tuple[list[Photo], list[Rejection]]:
    """Part photographs from rejections; of byte-identical files of one class keep the first.

    Args:
        results: in the order of their paths.

    Returns:
        The photographs, and the rejections sorted by path.
    """
    first: dict[tuple[str, str], str] = {}
    photos: list[Photo] = []
    rejections: list[Rejection] = []
    for result in results:
        if isinstance(result, Rejection):
            rejections.append(result)
            continue
        original = first.setdefault((result.class_, result.sha256), result.path)
        if original == result.path:
            photos.append(result)
        else:
            rejections.append(Rejection(result.path, f"same bytes as {original}"))
    return photos, sorted(rejections)


def check_classes(raw: Path, photos: Sequence[Photo]) -> None:
    """Refuse photographs that no classifier can be trained on.

    Raises:
        UserError: without photographs, with fewer than two classes, or where a class has none to
            train on.
    """
    layouts = "<class>/… or train/<class>/… and test/<class>/…"
    if not photos:
        raise UserError(
            f"{raw}: no images; put JPEG, PNG, WebP, BMP, GIF or TIFF files in {layouts}"
        )
    classes = sorted({photo.class_ for photo in photos})
    if len(classes) < 2:
        raise UserError(
            f"{raw}: only one class, {classes[0]}; two or more are needed, as {layouts}"
        )
    trained = {photo.class_ for photo in photos if photo.given in (None, "train")}
    for name in classes:
        if name not in trained:
            raise UserError(
                f"{raw}: class {name} has no image below train/; add some or remove the class"
            )


def _has_subset_folders(paths: Sequence[str]) -> bool:
    parts = [path.split("/") for path in paths]
    tops = {folders[0] for folders in parts if len(folders) > 1}
    return tops <= set(SUBSET_FOLDERS) and any(
        folders[0] == "train" and len(folders) > 2 for folders in parts
    )


def _inspect_file(raw: Path, path: str, depth: int) -> Photo | Rejection:
    *folders, name = path.split("/")
    if any(part.startswith(".") for part in (*folders, name)):
        return Rejection(path, "hidden file")
    if len(folders) <= depth:
        return Rejection(path, "not in a class folder")
    try:
        data = (raw / path).read_bytes()
        width, height = decode_image(data).size
    except ImageError as error:
        return Rejection(path, str(error))
    except OSError as error:
        return Rejection(path, f"cannot be read: {error.strerror}")
    given = SUBSET_FOLDERS[folders[0]] if depth else None
    return Photo(path, folders[depth], given, hashlib.sha256(data).hexdigest(), width, height)
