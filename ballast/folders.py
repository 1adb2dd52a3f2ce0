"""What lies in a folder, and what of it can be read."""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from ballast.errors import UserError


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
            f"params.yaml: data.raw: no such folder: {raw}; name one that holds a folder a class"
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


def file_states(raw: Path, paths: Sequence[str]) -> dict[str, tuple[int, int] | None]:
    """Size in bytes and time of change in ns of each path; None where there is nothing."""
    states: dict[str, tuple[int, int] | None] = {}
    for path in paths:
        try:
            state = (raw / path).stat()
            states[path] = (state.st_size, state.st_mtime_ns)
        except OSError:
            states[path] = None
    return states


def refuse_changes(raw: Path, before: dict[str, tuple[int, int] | None]) -> None:
    """Refuse a folder that has changed since file_states looked at it.

    Raises:
        UserError: naming the first file that came, went or changed.
    """
    after = file_states(raw, list_files(raw))
    changed = sorted(path for path, _ in before.items() ^ after.items())
    if changed:
        raise UserError(
            f"{raw / printable(changed[0])}: changed while the folder was read;"
            " run dvc repro again when nothing writes there"
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
