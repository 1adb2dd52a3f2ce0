"""One picture with two labels, or on two sides of a given split: found, and what is done."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from ballast.core.params import Policy
from ballast.dataset.scan import HELD_OUT, Photo, Rejection


class Member(NamedTuple):
    """A photograph, and what it belongs to."""

    photo: Photo
    copies: int  # the number of its set of copies
    bits: int  # of 256, to the nearest copy; 256 without one
    group: int  # the number of its group, which holds whole sets of copies


def sets_of(members: Sequence[Member], key: Callable[[Member], Hashable]) -> list[list[Member]]:
    """The sets of two members or more with the same key, in the order of their first members."""
    sets: dict[Hashable, list[Member]] = defaultdict(list)
    for member in members:
        sets[key(member)].append(member)
    return [found for found in sets.values() if len(found) > 1]


def label_conflicts(members: Sequence[Member]) -> list[list[Member]]:
    """Sets of copies of one picture that lie in two or more classes."""
    sets = sets_of(members, lambda member: member.copies)
    return [found for found in sets if len({member.photo.class_ for member in found}) > 1]


def leaks(members: Sequence[Member]) -> list[list[Member]]:
    """Groups that stand on two or more sides of a given split."""
    sets = sets_of(members, lambda member: member.group)
    return [found for found in sets if len({member.photo.given for member in found}) > 1]


def to_drop(members: Sequence[Member], for_conflicts: Policy, for_leaks: Policy) -> list[Rejection]:
    """What is left out where a policy is to drop.

    Of a picture with two labels all copies, since none can be known to be right. Of a group on
    several sides of a given split all but what is held out furthest: test stays whole.

    Args:
        members: all photographs.
        for_conflicts: what to do with label conflicts.
        for_leaks: what to do with leaks.
    """
    dropped: dict[str, str] = {}
    for found in label_conflicts(members) if for_conflicts == "drop" else []:
        for photo, *_ in found:
            other = next(member.photo for member in found if member.photo.class_ != photo.class_)
            dropped[photo.path] = f"copy of {other.path} in another class"
    left = [member for member in members if member.photo.path not in dropped]
    for found in leaks(left) if for_leaks == "drop" else []:
        kept = min((member.photo for member in found), key=lambda p: HELD_OUT.index(p.given))
        for photo, *_ in found:
            if photo.given != kept.given:
                dropped[photo.path] = f"in the same group as {kept.path} in {kept.given}"
    return [Rejection(path, reason) for path, reason in dropped.items()]
