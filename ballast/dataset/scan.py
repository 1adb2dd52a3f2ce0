"""Finds the photographs and classes in a folder, and rejects everything else."""

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ballast.core.errors import UserError, counted
from ballast.core.image_limits import most_bytes
from ballast.core.images import ImageError, decode_image, without_warnings
from ballast.core.manifest import Subset
from ballast.dataset.duplicates import perceptual_hashes
from ballast.dataset.listing import UNREADABLE, printable, unreadable
from ballast.workers.processes import Engine, each

# Common names of the folders of a given split.
SUBSET_FOLDERS: dict[str, Subset] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
# Of copies, the one whose subset comes first is kept.
HELD_OUT: tuple[Subset | None, ...] = ("test", "val", "train", None)


class Photo(NamedTuple):
    """A readable image; width and height are those of the upright image, in pixels."""

    path: str  # POSIX, relative to the raw folder
    class_: str
    given: Subset | None  # by the folders train/, val/ and test/
    sha256: str
    width: int
    height: int
    hashes: bytes = b""  # as perceptual_hashes returns them; empty if not computed


class Rejection(NamedTuple):
    """A file that is left out, and why."""

    path: str
    reason: str


class Content(NamedTuple):
    """What is in a file: an image, or the reason why it is not one."""

    reason: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    hashes: bytes = b""


def inspect_files(
    raw: Path,
    paths: Sequence[str],
    max_megapixels: float,
    engine: Engine,
    *,
    hashes: bool = True,
    known: Mapping[str, Content] | None = None,
) -> Iterator[Photo | Rejection]:
    """Read and decode files in parallel.

    The layout is <class>/… or, if the top folders are named train, test and val and have
    subfolders, <subset>/<class>/….

    Args:
        raw: the folder that the paths are relative to.
        paths: as list_files gives them.
        max_megapixels: larger images are rejected.
        engine: what decodes the files; this process reads them.
        hashes: whether to compute perceptual hashes.
        known: the content, by path, of files that need not be read again.

    Yields:
        One result per path, in the order of `paths`.

    Raises:
        UserError: naming a file that crashes the process or needs too much memory.
    """
    depth = 1 if _has_subset_folders(raw, paths) else 0
    known = known or {}
    rejections = [_unopened_problem(raw, depth, max_megapixels, path) for path in paths]
    unread = (
        path
        for path, rejection in zip(paths, rejections, strict=True)
        if not rejection and path not in known
    )
    inspected = each(
        partial(_inspect, max_megapixels, hashes),
        ((str(raw / path), *_read(raw / path)) for path in unread),
        engine,
        lambda item: item[0],
    )
    for path, rejection in zip(paths, rejections, strict=True):
        yield rejection or _result(depth, path, known.get(path) or next(inspected))
    # Exhaust the generator, which stops the workers.
    assert next(inspected, None) is None


def content_of(result: Photo | Rejection) -> Content | None:
    """The content to cache for later runs; None if the result does not depend on the bytes."""
    if isinstance(result, Photo):
        return Content("", result.sha256, result.width, result.height, result.hashes)
    return None if result.reason.startswith(UNREADABLE) else Content(result.reason)


def _unopened_problem(raw: Path, depth: int, max_megapixels: float, path: str) -> Rejection | None:
    """Reject a file that need not be opened; its class folder is `depth` folders below the top."""
    *folders, name = path.split("/")
    if printable(path) != path:
        return Rejection(printable(path), "name is not UTF-8")
    problem = unreadable(raw / path)
    if problem:
        return Rejection(path, problem)
    if any(part.startswith(".") for part in (*folders, name)):
        return Rejection(path, "hidden file")
    if depth and folders and subset_of(folders[0]) is None:
        return Rejection(path, "not in train/, val/ or test/")
    if len(folders) <= depth:
        return Rejection(path, "not in a class folder")
    try:
        if (raw / path).stat().st_size > most_bytes(max_megapixels):
            return Rejection(path, "larger than any image of data.max_megapixels in params.yaml")
    except OSError as error:
        return Rejection(path, f"{UNREADABLE}: {error.strerror}")
    return None


def _read(path: Path) -> tuple[bytes, str]:
    """Return a file's bytes, or no bytes and the reason."""
    problem = unreadable(path)  # it may have become a pipe since
    if problem:
        return b"", problem
    try:
        return path.read_bytes(), ""
    except OSError as error:
        return b"", f"{UNREADABLE}: {error.strerror}"


def _inspect(max_megapixels: float, hashes: bool, file: tuple[str, bytes, str]) -> Content:
    """Decode a file, given as path, bytes and the problem in reading it."""
    path, data, problem = file
    if problem:
        return Content(problem)
    try:
        with without_warnings():
            image = decode_image(data, max_megapixels)
    except ImageError as error:
        return Content(str(error))
    except MemoryError:
        raise UserError(
            f"{path}: not enough memory to decode it; lower data.max_megapixels or"
            " runtime.workers in params.yaml"
        ) from None
    found = perceptual_hashes(image) if hashes else b""
    return Content("", hashlib.sha256(data).hexdigest(), *image.size, found)


def _result(depth: int, path: str, content: Content) -> Photo | Rejection:
    if content.reason:
        return Rejection(path, content.reason)
    top, *folders = path.split("/")
    class_ = folders[0] if depth else top
    return Photo(path, class_, subset_of(top) if depth else None, *content[1:])


def sort_out(
    results: Sequence[Photo | Rejection],
) -> tuple[list[Photo], list[tuple[Photo, Photo]], list[Rejection]]:
    """Separate photographs from rejections.

    Of identical files in a class, keep the one in test, else in val, else in train; break ties by
    path.

    Args:
        results: of all files.

    Returns:
        The photographs; those left out as identical, each with the one kept; and the rejections.
        Each list is sorted by path.
    """
    photos = [result for result in results if isinstance(result, Photo)]
    first: dict[tuple[str, str], Photo] = {}
    twins = []
    for photo in sorted(photos, key=lambda photo: (HELD_OUT.index(photo.given), photo.path)):
        original = first.setdefault((photo.class_, photo.sha256), photo)
        if original is not photo:
            twins.append((photo, original))
    rejections = [result for result in results if isinstance(result, Rejection)]
    return sorted(first.values()), sorted(twins), sorted(rejections)


def check_classes(raw: Path, photos: Sequence[Photo], rejections: Sequence[Rejection]) -> None:
    """Refuse photographs that no classifier can be trained on.

    Args:
        raw: the folder, for errors.
        photos: all that are left.
        rejections: all other files.

    Raises:
        UserError: if there are no photographs, fewer than two classes, two classes whose names
            differ only in case or accents' encoding, or a class without training photographs.
    """
    layouts = "<class>/… or train/<class>/… and test/<class>/…"
    if not photos:
        found = "no images"
        if rejections:
            path, reason = min(rejections, key=lambda r: (r.reason == "hidden file", r.path))
            files = counted(len(rejections), "file")
            found = f"no usable images among {files}, for example {path} ({reason})"
        raise UserError(f"{raw}: {found}; put JPEG, PNG, WebP, BMP, GIF or TIFF files in {layouts}")
    classes = sorted({photo.class_ for photo in photos})
    if len(classes) < 2:
        raise UserError(
            f"{raw}: only one class, {classes[0]}; two or more are needed, in {layouts}"
        )
    look_alike: dict[str, str] = {}
    for name in classes:
        other = look_alike.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise UserError(
                f"{raw}: classes {other} and {name} differ only in case or in the encoding of"
                " accents, which not every file system tells apart; merge them"
            )
    trained = {photo.class_ for photo in photos if photo.given in (None, "train")}
    for name in classes:
        if name not in trained:
            raise UserError(
                f"{raw}: class {name} has no images in train/; add some or remove the class"
            )


def empty_class_folders(raw: Path, photos: Sequence[Photo]) -> list[str]:
    """Find folders next to the class folders that contain no photographs.

    Returns:
        Names, sorted, without classes that have photographs in another subset.
    """
    depths = {photo.path: 1 if photo.given else 0 for photo in photos}
    beside = {raw.joinpath(*path.split("/")[:depth]) for path, depth in depths.items()}
    names = {
        folder.name
        for parent in beside
        for folder in parent.iterdir()
        if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(".")
    }
    return sorted(printable(name) for name in names - {photo.class_ for photo in photos})


def subset_of(folder: str) -> Subset | None:
    """The subset that a folder's name stands for, ignoring case; None for other names."""
    return SUBSET_FOLDERS.get(folder.casefold())


def _has_subset_folders(raw: Path, paths: Sequence[str]) -> bool:
    """Whether train/, test/ and val/ are a given split; then no other folder may be beside them."""
    parts = [path.split("/") for path in paths]
    tops = {folders[0] for folders in parts if len(folders) > 1}
    tops = {top for top in tops if not top.startswith(".") and top != "__MACOSX"}
    subsets = {subset_of(top) for top in tops} - {None}
    if not any(subset_of(folders[0]) == "train" and len(folders) > 2 for folders in parts):
        return False
    others = sorted(top for top in tops if subset_of(top) is None)
    if others and len(subsets) > 1:
        raise UserError(
            f"{raw}: {others[0]}/ is next to train/ and test/; move it elsewhere, or move its"
            " classes into them"
        )
    return not others
