"""Lists the files in a folder, and tells which are hidden and which are readable."""

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

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
    paths: list[Path] = []

    def note_unreadable(error: OSError) -> None:
        paths.append(Path(error.filename))

    for folder, folders, names in os.walk(raw, onerror=note_unreadable, followlinks=False):
        paths += [Path(folder) / name for name in names]
        paths += [path for name in folders if is_link(path := Path(folder) / name)]
    return sorted(path.relative_to(raw).as_posix() for path in paths)


def _expanded(raw: Path) -> Path | str:
    """A path without ~, or words for it if there is no such user."""
    try:
        return raw.expanduser()
    except RuntimeError:
        return "the whole path"


class FileState(NamedTuple):
    """The metadata that change with a file's content. Times are in ns."""

    size: int  # in bytes
    modified: int
    changed: int  # programs cannot set it
    inode: int


def file_states(raw: Path, paths: Sequence[str]) -> dict[str, FileState | None]:
    """Look up the state of each path, relative to `raw`; None if it cannot be read."""
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
    """Refuse a folder that has changed since its states were taken.

    Args:
        raw: the folder.
        before: what file_states returned.

    Raises:
        UserError: naming the first file that was added, removed or changed.
    """
    after = file_states(raw, list_files(raw))
    changed = sorted(path for path, _ in before.items() ^ after.items())
    if changed:
        raise UserError(
            f"{raw / printable(changed[0])}: changed while the folder was being read;"
            " run dvc repro again when nothing writes to it"
        )


def is_hidden(name: str) -> bool:
    """Whether the name of a file or folder begins with a dot, or is a system's own."""
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


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
    except FileNotFoundError:
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
    return os.fsencode(path).decode("utf-8", "backslashreplace")
