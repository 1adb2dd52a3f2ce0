"""What lies in a folder of photographs: the images, their classes, and what is none."""

import errno
import hashlib
import os
import stat
import unicodedata
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
    """Everything below `raw` that is no folder to look into, as POSIX paths relative to it, sorted.

    That is every file, and every pipe, device, link to a folder, and folder that cannot be read.
    Bytes of a name that are no UTF-8 come as Python's surrogate escapes.

    Raises:
        UserError: where `raw` is no folder.
    """
    if not raw.is_dir():
        raise UserError(
            f"params.yaml: data.raw: no such folder: {raw}; name one that holds a folder a class"
        )
    paths: list[Path] = []

    def note_unreadable(error: OSError) -> None:
        paths.append(Path(error.filename))

    for folder, folders, names in os.walk(raw, onerror=note_unreadable, followlinks=False):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        paths += [Path(folder) / name for name in (*names, *links)]
    return sorted(path.relative_to(raw).as_posix() for path in paths)


def unreadable(path: Path) -> str | None:
    """Why there is no content to read at a path; None for a readable file, or a link to one.

    Nothing is opened: a pipe would wait for ever for someone to write to it.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "link to nowhere" if path.is_symlink() else "gone"
    except OSError as error:
        loop = error.errno == errno.ELOOP
        return "link that leads back to itself" if loop else f"cannot be read: {error.strerror}"
    if stat.S_ISDIR(mode):
        # Followed, a link to a parent would never end, and DVC does not follow any.
        return "link to a folder" if path.is_symlink() else "folder that cannot be read"
    if not stat.S_ISREG(mode):
        return "pipe, socket or device"
    return None if os.access(path, os.R_OK) else "cannot be read: Permission denied"


def printable(path: str) -> str:
    r"""A path as text that can be written: bytes that are no UTF-8 as ÿ."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def inspect_files(
    raw: Path, paths: Sequence[str], max_megapixels: float, workers: int
) -> Iterator[Photo | Rejection]:
    """Read and decode every file, several at a time.

    The layout is <class>/… or, where the folders at the top are named train, test and val, with
    folders below them, <subset>/<class>/….

    Args:
        raw: the folder that the paths are relative to.
        paths: as list_files gives them.
        max_megapixels: larger images are rejected.
        workers: files at a time.

    Yields:
        One result a path, in the order of `paths`.
    """
    depth = 1 if _has_subset_folders(paths) else 0
    # Threads: Pillow's decoders and hashlib release Python's lock, and a thread starts at once.
    parallel = Parallel(n_jobs=workers, backend="threading", return_as="generator")
    yield from parallel(delayed(_inspect_file)(raw, path, depth, max_megapixels) for path in paths)


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
        UserError: without photographs, with fewer than two classes, where two classes have all but
            the same name, or where a class has none to train on.
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
    look_alike: dict[str, str] = {}
    for name in classes:
        other = look_alike.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise UserError(
                f"{raw}: classes {other} and {name} differ in case or in the encoding of accents"
                " alone, which not every computer can tell apart; put them together"
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


def _inspect_file(raw: Path, path: str, depth: int, max_megapixels: float) -> Photo | Rejection:
    *folders, name = path.split("/")
    if printable(path) != path:
        return Rejection(printable(path), "name is not UTF-8")
    problem = unreadable(raw / path)
    if problem:
        return Rejection(path, problem)
    if any(part.startswith(".") for part in (*folders, name)):
        return Rejection(path, "hidden file")
    if len(folders) <= depth:
        return Rejection(path, "not in a class folder")
    try:
        data = (raw / path).read_bytes()
        width, height = decode_image(data, max_megapixels).size
    except ImageError as error:
        return Rejection(path, str(error))
    except OSError as error:
        return Rejection(path, f"cannot be read: {error.strerror}")
    given = SUBSET_FOLDERS[folders[0]] if depth else None
    return Photo(path, folders[depth], given, hashlib.sha256(data).hexdigest(), width, height)
