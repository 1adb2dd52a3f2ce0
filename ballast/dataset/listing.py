"""What lies in a folder, and what of it can be read."""

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ballast.core.errors import UserError

# What the system refuses now, and may allow later.
UNREADABLE = "cannot be read"


def list_files(raw: Path) -> list[str]:
    """Everything below `raw` that is no folder to look into, as POSIX paths relative to it, sorted.

    That is every file, and every pipe, device, link to a folder, and folder that cannot be read.
    Bytes of a name that are no UTF-8 come as Python's surrogate escapes.

    Raises:
        UserError: where `raw` is no folder, or cannot be read.
    """
    try:
        next(raw.iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"params.yaml: data.raw: no such folder: {raw}; name one with one folder per class"
        ) from None
    except (OSError, ValueError) as error:  # a ValueError where there is a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"params.yaml: data.raw: {raw}: cannot be read: {reason}") from None
    paths: list[Path] = []

    def note_unreadable(error: OSError) -> None:
        paths.append(Path(error.filename))

    for folder, folders, names in os.walk(raw, onerror=note_unreadable, followlinks=False):
        paths += [Path(folder) / name for name in names]
        paths += [path for name in folders if is_link(path := Path(folder) / name)]
    return sorted(path.relative_to(raw).as_posix() for path in paths)


class FileState(NamedTuple):
    """What changes when a file does. Times are in ns."""

    size: int  # in bytes
    modified: int
    changed: int  # which no program can set
    inode: int


def file_states(raw: Path, paths: Sequence[str]) -> dict[str, FileState | None]:
    """The state of each path; None where there is nothing."""
    states: dict[str, FileState | None] = {}
    for path in paths:
        try:
            state = (raw / path).stat()
        except OSError:
            states[path] = None
            continue
        states[path] = FileState(state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    return states


def refuse_changes(raw: Path, before: Mapping[str, FileState | None]) -> None:
    """Refuse a folder that has changed since file_states looked at it.

    Raises:
        UserError: naming the first file that came, went or changed.
    """
    after = file_states(raw, list_files(raw))
    changed = sorted(path for path, _ in before.items() ^ after.items())
    if changed:
        raise UserError(
            f"{raw / printable(changed[0])}: changed while the folder was being read;"
            " run dvc repro again when nothing writes to it"
        )


def is_link(path: Path) -> bool:
    """Whether a path is a link; False where it is too long to tell."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, or a link to one; False where it is too long to tell."""
    try:
        return path.is_dir()
    except OSError:
        return False


def unreadable(path: Path) -> str | None:
    """Why there is no content to read at a path; None for a readable file, or a link to one.

    Nothing is opened: a pipe would wait for ever for someone to write to it.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "broken link" if path.is_symlink() else "gone"
    except OSError as error:
        loop = error.errno == errno.ELOOP
        return "circular link" if loop else f"{UNREADABLE}: {error.strerror}"
    if stat.S_ISDIR(mode):
        # Followed, a link to a parent would never end, and DVC does not follow any.
        return "link to a folder" if path.is_symlink() else "folder that cannot be read"
    if not stat.S_ISREG(mode):
        return "pipe, socket or device"
    return None if os.access(path, os.R_OK) else f"{UNREADABLE}: Permission denied"


def printable(path: str) -> str:
    r"""A path as text that can be written: bytes that are no UTF-8 as ÿ."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
