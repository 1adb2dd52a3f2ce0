"""Lists the files in a folder, and tells which are hidden and which are readable."""

import errno
import os
import stat
from array import array
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ballast.core.errors import UserError

# Prefix of problems that may go away, such as missing permissions.
UNREADABLE = "cannot be read"
# What systems and programs leave in folders of pictures, in lower case. Names with a dot in front
# are hidden in any case.
SYSTEM_NAMES = {
    "$recycle.bin",
    "#recycle",
    "@eadir",
    "__macosx",
    "__pycache__",
    "desktop.ini",
    "ehthumbs.db",
    "lost+found",
    "system volume information",
    "thumbs.db",
}


def list_files(raw: Path) -> list[str]:
    """List everything below `raw` except readable folders, sorted.

    This includes files, pipes, devices, links to folders and unreadable folders. Bytes of a name
    that are not UTF-8 become Python's surrogate escapes.

    Returns:
        POSIX paths relative to `raw`.

    Raises:
        UserError: if `raw` is not a folder or cannot be read.
    """
    try:
        next(raw.iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        if raw.parts[:1] and raw.parts[0].startswith("~"):
            raise UserError(
                f"params.yaml: data.raw: {raw}: DVC does not expand ~; write {_expanded(raw)}"
            ) from None
        if raw.exists():
            raise UserError(f"params.yaml: data.raw: {raw} is a file, not a folder") from None
        raise UserError(
            f"params.yaml: data.raw: no such folder: {raw}; name one with one folder per class"
        ) from None
    except (OSError, ValueError) as error:  # a ValueError if the name contains a NUL
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"params.yaml: data.raw: {raw}: cannot be read: {reason}") from None
    paths: list[str] = []

    def below(folder: str) -> str:
        return folder[len(str(raw)) :].strip(os.sep).replace(os.sep, "/")

    def note_unreadable(error: OSError) -> None:
        paths.append(below(error.filename))

    for folder, folders, names in os.walk(raw, onerror=note_unreadable, followlinks=False):
        start = f"{inside}/" if (inside := below(folder)) else ""
        paths += [start + name for name in names]
        paths += [start + name for name in folders if is_link(Path(folder) / name)]
    return sorted(paths)


def _expanded(raw: Path) -> Path | str:
    """A path without ~, or words for it if there is no such user."""
    try:
        return raw.expanduser()
    except RuntimeError:
        return "the whole path"


class FileState(NamedTuple):
    """The metadata that change with a file's content, in 64 bits each. Times are in ns."""

    size: int  # in bytes
    modified: int
    changed: int  # programs cannot set it
    inode: int


BITS = 2**64 - 1
States = NDArray[np.int64]  # the FileState of n files, shape (n, 4)


def file_states(raw: Path, paths: Collection[str]) -> States:
    """Look up the state of each of n paths, relative to `raw`; of what cannot be read, all is 0."""
    states = array("Q")
    for path in paths:
        try:
            found = os.stat(f"{raw}{os.sep}{path}")  # noqa: PTH116  # a Path takes as long as stat
        except OSError:
            states.extend((0, 0, 0, 0))
            continue
        # An inode may have more than 64 bits, and so does a damaged time.
        states.append(found.st_size & BITS)
        states.append(found.st_mtime_ns & BITS)
        states.append(found.st_ctime_ns & BITS)
        states.append(found.st_ino & BITS)
    return np.frombuffer(states, dtype=np.int64).reshape(-1, len(FileState._fields))


def refuse_changes(raw: Path, paths: Sequence[str], before: States) -> None:
    """Refuse a folder that has changed since its states were taken.

    Args:
        raw: the folder.
        paths: what list_files returned then.
        before: what file_states returned of them.

    Raises:
        UserError: naming the first file that was added, removed or changed.
    """
    now = list_files(raw)
    after = file_states(raw, now)
    if [*paths] == now:
        changed = [paths[place] for place in np.flatnonzero((before != after).any(axis=1))[:1]]
    else:
        old = {*zip(paths, map(bytes, before), strict=True)}
        new = {*zip(now, map(bytes, after), strict=True)}
        changed = sorted(path for path, _ in old ^ new)
    if changed:
        raise UserError(
            f"{raw / printable(changed[0])}: changed while the folder was being read;"
            " run dvc repro again when nothing writes to it"
        )


def is_hidden(name: str) -> bool:
    """Whether the name of a file or folder begins with a dot, or is a system's own.

    The name .. stands for a folder that is not hidden.
    """
    return (name.startswith(".") and name != "..") or name.casefold() in SYSTEM_NAMES


def is_folder_name(name: str) -> bool:
    """Whether a class may have this name: its training images need a folder that is not hidden."""
    return bool(name) and not (
        "/" in name or "\0" in name or name.startswith(".") or len(os.fsencode(name)) > 255
    )


def is_link(path: Path) -> bool:
    """Whether a path is a symbolic link; False if it is too long to tell."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, or a link to one; False if it is too long to tell."""
    try:
        return path.is_dir()
    except OSError:
        return False


def unreadable(path: Path) -> str | None:
    """Say why a path has no content to read; None for a readable file, or a link to one.

    Nothing is opened: opening a pipe would block until another process writes to it.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):  # the latter below a file, such as a shard
        return "broken link" if path.is_symlink() else "gone"
    except OSError as error:
        loop = error.errno == errno.ELOOP
        return "circular link" if loop else f"{UNREADABLE}: {error.strerror}"
    if stat.S_ISDIR(mode):
        # Following a link to a parent would never end, and DVC follows no links to folders.
        if path.is_symlink():
            return "link to a folder"
        listed = os.access(path, os.R_OK | os.X_OK)
        return "folder, not a file" if listed else "folder that cannot be read"
    if not stat.S_ISREG(mode):
        return "pipe, socket or device"
    return None if os.access(path, os.R_OK) else f"{UNREADABLE}: Permission denied"


def unread_path(path: str) -> str | None:
    """Say why a path that somebody typed has no content to read; None if it has, as unreadable."""
    if not path:
        return "an empty path"  # for Path, it would be the current folder
    problem = unreadable(Path(path))
    return "no such file" if problem == "gone" else problem


def about(path: str, problem: object) -> str:
    """A line on a path that somebody typed: an empty one has no name to begin with."""
    return f"{printable(path)}: {problem}" if path else str(problem)


def printable(path: str) -> str:
    r"""A path as printable text: bytes that are not UTF-8 become escapes such as \xff."""
    if path.isascii():  # which a str knows: a large folder asks six times for every file
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")
