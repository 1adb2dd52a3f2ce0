"""What an upgrade of a copy of Ballast writes and removes, found before anything is changed."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ballast.core.errors import UserError
from ballast.core.files import read_text
from ballast.dvc_tools.git import git
from ballast.vendoring.host import some
from ballast.vendoring.params import updated
from ballast.vendoring.record import Record, sha256

PARAMS = "params.yaml"
BESIDE = ".new"


class Upgrade(NamedTuple):
    """What to do, and what to tell the user."""

    write: dict[str, bytes]  # by path
    remove: list[str]
    lines: list[str]


def plan_upgrade(folder: Path, record: Record, files: Mapping[str, bytes]) -> Upgrade:
    """Compare a copy with its record and with the new version.

    A file that the user has not changed is replaced. One that both have changed is merged if its
    earlier text is known and git finds no conflict. Otherwise it stays, and the new version is
    written beside it: refusing the upgrade would make users undo their change first.

    Args:
        folder: of the copy.
        record: of the version that was written there last.
        files: of the new version, by path.

    Raises:
        UserError: if a file that the user made is where one has to be written.
    """
    write: dict[str, bytes] = {}
    remove, lines, taken = [], [], []
    for path, data in files.items():
        own, was = _content(folder / path), record.files.get(path)
        if path == PARAMS:
            text = read_text(folder / path)
            params = updated(data.decode(), text)
            if params.text != text:
                write[path] = params.text.encode()
            for what, keys in (
                ("new, with their defaults", params.added),
                ("no longer exist, and were removed", params.gone),
                ("differ from the new defaults, and stay", params.kept),
            ):
                lines += [f"{path}: {what}: {', '.join(keys)}"] if keys else []
        elif own == data:
            pass
        elif own is None and was is not None:
            lines.append(f"{path}: you removed it, so it stays away")
        elif own is None or sha256(own) == was:
            write[path] = data
        elif was is None:
            taken.append(path)
        elif sha256(data) != was:
            merged = _merged(own, record.texts.get(path), data)
            if merged is not None:
                write[path] = merged
                lines.append(f"{path}: your changes and those of the new version were merged")
                continue
            if _content(folder / f"{path}{BESIDE}") not in (None, data):
                taken.append(f"{path}{BESIDE}")
            write[f"{path}{BESIDE}"] = data
            lines.append(
                f"{path}: you changed it, so it stays; merge {path}{BESIDE} into it, and remove"
                " that"
            )
    for path, was in record.files.items():
        own = _content(folder / path)
        if path in files or own is None:
            continue
        if sha256(own) == was:
            remove.append(path)
        else:
            lines.append(f"{path}: no longer a part of Ballast; you changed it, so it stays")
    if taken:
        raise UserError(
            f"{folder}: nothing was changed, since the new version would overwrite {some(taken)};"
            " move or remove it"
        )
    return Upgrade(write, remove, lines)


def _content(path: Path) -> bytes | None:
    """The bytes of a file; None if there is none."""
    return path.read_bytes() if path.is_file() else None


def _merged(own: bytes, was: str | None, new: bytes) -> bytes | None:
    """Merge two texts that began as a third; None if it is unknown, or if they conflict."""
    if was is None:
        return None
    with TemporaryDirectory() as folder:
        sides = {"own": own, "was": was.encode(), "new": new}
        for name, data in sides.items():
            Path(folder, name).write_bytes(data)
        return git(Path(folder), "merge-file", "-p", "--quiet", *sides)
