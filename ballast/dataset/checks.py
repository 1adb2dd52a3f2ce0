"""Refuses photographs that no classifier can be trained on, and says what became of the others."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from ballast.core.errors import UserError, counted
from ballast.core.images import NAMES
from ballast.dataset.exclusion import HIDDEN
from ballast.dataset.layout import Layout
from ballast.dataset.losses import CONFLICT, LEAK, common, given_by_path, kind, lost_by_class
from ballast.dataset.scan import Photo, Rejection

LAYOUTS = "<class>/… or train/<class>/… and test/<class>/…"


def check_classes(
    raw: Path,
    photos: Sequence[Photo],
    rejections: Sequence[Rejection],
    layout: Layout | None = None,
    hint: str = "",
) -> None:
    """Refuse photographs that no classifier can be trained on.

    Args:
        raw: the folder, for errors.
        photos: all that are left.
        rejections: all other files, with copies and with what a policy drops.
        layout: of the folder, which tells the classes of rejected files.
        hint: what else may help where there are too few classes.

    Raises:
        UserError: if there are no photographs, fewer than two classes, two classes whose names
            differ only in case or accents' encoding, or a class without training photographs.
    """
    if not photos:
        _refuse_nothing(raw, rejections, hint)
    lost = lost_by_class(layout, rejections) if layout else {}
    classes = sorted({photo.class_ for photo in photos})
    if len(classes) < 2:
        others = "; ".join(
            f"class {name} lost all of its {counted(len(found), 'file')}, for example"
            f" {_example(found)}"
            for name, found in lost.items()
            if name not in classes
        )
        if others:
            raise UserError(
                f"{raw}: only class {classes[0]} has photographs left: {others}; two or more"
                f" classes are needed{hint}"
            )
        raise UserError(
            f"{raw}: only one class, {classes[0]}; two or more are needed, in {LAYOUTS}{hint}"
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
    missing = [name for name in classes if name not in trained]
    given = given_by_path(layout) if layout and missing else {}
    for name in missing:
        in_train = [found for found in lost.get(name, []) if given.get(found.path) == "train"]
        if in_train:
            leaked = any(kind(found.reason).startswith(LEAK) for found in in_train)
            cure = "set split.leakage to keep" if leaked else "remove the class"
            raise UserError(
                f"{raw}: class {name} has no images left in train/: its"
                f" {counted(len(in_train), 'file')} there were left out, for example"
                f" {_example(in_train)}; add other photographs to train/, or {cure}"
            )
        raise UserError(
            f"{raw}: class {name} has no images in train/; add some or remove the class"
        )


def _refuse_nothing(raw: Path, rejections: Sequence[Rejection], hint: str) -> None:
    conflicts = [found for found in rejections if kind(found.reason) == CONFLICT]
    if conflicts:
        raise UserError(
            f"{raw}: split.label_conflicts: drop leaves no photographs: each is a copy of one in"
            f" another class, for example {_example(conflicts)}; remove the copies, or set it to"
            " keep"
        )
    found = "no images"
    if rejections:
        seen = [found for found in rejections if found.reason != HIDDEN] or rejections
        files = counted(len(rejections), "file")
        found = f"no usable images among {files}, for example {_example(seen)}"
    raise UserError(f"{raw}: {found}; put {NAMES} files in {LAYOUTS}{hint}")


def _example(rejections: Sequence[Rejection]) -> str:
    """A file that was left out for the most common reason."""
    path, reason = common(rejections)
    return f"{path} ({reason})"
