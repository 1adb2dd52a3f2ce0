"""Finds pictures with two labels, and leaks in a given split; decides which to drop."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from ballast.core.params import Policy
from ballast.dataset.scan import HELD_OUT, Photo, Rejection


class Member(NamedTuple):
    """A photograph with its copies and its group."""

    photo: Photo
    copies: int  # the number of its set of copies
    bits: int  # difference from the closest copy; 256 without one
    group: int  # the number of its group; a group contains complete sets of copies


def sets_of(members: Sequence[Member], key: Callable[[Member], Hashable]) -> list[list[Member]]:
    """Sets of two or more members with the same key, in the order of their first members."""
    sets: dict[Hashable, list[Member]] = defaultdict(list)
    for member in members:
        sets[key(member)].append(member)
    return [found for found in sets.values() if len(found) > 1]


def label_conflicts(members: Sequence[Member]) -> list[list[Member]]:
    """Sets of copies that are in two or more classes."""
    sets = sets_of(members, lambda member: member.copies)
    return [found for found in sets if len({member.photo.class_ for member in found}) > 1]


def leaks(members: Sequence[Member]) -> list[list[Member]]:
    """Groups that are in two or more subsets of a given split."""
    sets = sets_of(members, lambda member: member.group)
    return [found for found in sets if len({member.photo.given for member in found}) > 1]


def to_drop(members: Sequence[Member], for_conflicts: Policy, for_leaks: Policy) -> list[Rejection]:
    """Choose the photographs to leave out under the policy drop.

    For a picture with two labels, drop all copies, since either label may be wrong. For a group in
    several subsets of a given split, keep the photographs in test, or else those in val.

    Args:
        members: all photographs.
        for_conflicts: the policy for label conflicts.
        for_leaks: the policy for leaks.
    """
    dropped: dict[str, str] = {}
    for found in label_conflicts(members) if for_conflicts == "drop" else []:
        first = found[0].photo
        second = next(member.photo for member in found if member.photo.class_ != first.class_)
        for photo, *_ in found:
            other = second if photo.class_ == first.class_ else first
            dropped[photo.path] = f"copy of {other.path} in another class"
    left = [member for member in members if member.photo.path not in dropped]
    for found in leaks(left) if for_leaks == "drop" else []:
        kept = min((member.photo for member in found), key=lambda p: HELD_OUT.index(p.given))
        for photo, *_ in found:
            if photo.given != kept.given:
                dropped[photo.path] = f"in the same group as {kept.path} in {kept.given}"
    return [Rejection(path, reason) for path, reason in dropped.items()]
