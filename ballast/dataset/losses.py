"""Counts what is left out of a folder, by reason and by class."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from ballast.core.manifest import Subset
from ballast.dataset.layout import Layout, Place
from ballast.dataset.listing import printable
from ballast.dataset.scan import Rejection

CONFLICT = "copy of a photograph in another class"
LEAK = "in the same group as photographs in "
# Reasons that name a file or number; the rest are kinds as they are.
KINDS = (
    (r"same bytes as .*", "same bytes as another file of its class"),
    (r"copy of .* in another class", CONFLICT),
    (r"in the same group as .* in (train|val|test)", rf"{LEAK}\1"),
    (r"(two labels in .*?): .*", r"\1"),
    (r"one row means it or .*", "one row means it or another file (data.labels)"),
    (r"(broken image): .*", r"\1"),
    (r"\S+ megapixels, more than (.*)", r"more megapixels than \1"),
    (r"(.* )?\d+ (scans|pixels)\b.*", r"\1too many \2"),
)
# Of a class folder, listed as a file because nothing in it is read. A link in a class folder has a
# class of its own.
NO_FOLDER = ("link to a folder", "folder that cannot be read")


class Loss(NamedTuple):
    """The files of a class that were rejected by their content, or could not be read."""

    files: int  # of the class
    rejected: int
    reason: str  # the most common kind


def kind(reason: str) -> str:
    """A reason without the names and numbers in it, so that equal reasons can be counted."""
    for pattern, general in KINDS:
        if match := re.fullmatch(pattern, reason, re.DOTALL):
            return match.expand(general)
    return reason


def by_reason(rejections: Iterable[Rejection]) -> dict[str, int]:
    """The number of rejections of each kind, the most common first."""
    counts = Counter(kind(rejection.reason) for rejection in rejections)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def common(rejections: Iterable[Rejection]) -> Rejection:
    """The first file that was rejected for the most common reason."""
    found = [*rejections]
    most = next(iter(by_reason(found)))
    return min(rejection for rejection in found if kind(rejection.reason) == most)


def given_by_path(layout: Layout) -> dict[str, Subset | None]:
    """The subset that the layout gives each file, by the path that a rejection has."""
    places = layout.places.items()
    return {printable(path): place.given for path, place in places if isinstance(place, Place)}


def lost_by_class(layout: Layout, rejections: Iterable[Rejection]) -> dict[str, list[Rejection]]:
    """The rejected files of each class, by class name; a folder that cannot be read is a class."""
    found = [*rejections]
    classes = _classes(layout) if found else {}
    lost: dict[str, list[Rejection]] = defaultdict(list)
    for rejection in found:
        parent, _, name = rejection.path.rpartition("/")
        if rejection.path in classes:
            lost[classes[rejection.path]].append(rejection)
        elif rejection.reason in NO_FOLDER and parent in layout.parents:
            lost[name].append(rejection)
    return dict(sorted(lost.items()))


def class_losses(layout: Layout, rejections: Iterable[Rejection]) -> dict[str, Loss]:
    """Count what each class has lost.

    Args:
        layout: of the folder.
        rejections: files that are not photographs.

    Returns:
        Losses by class name, sorted; without classes that have lost nothing.
    """
    lost = lost_by_class(layout, rejections)
    if not lost:
        return {}
    unread = (name for name, found in lost.items() for one in found if one.reason in NO_FOLDER)
    files = Counter([*_classes(layout).values(), *unread])
    return {
        name: Loss(files[name], len(found), next(iter(by_reason(found))))
        for name, found in lost.items()
    }


def _classes(layout: Layout) -> dict[str, str]:
    """The class of each file, by the path that a rejection has."""
    places = layout.places.items()
    return {printable(path): place.class_ for path, place in places if isinstance(place, Place)}
