"""Label conflicts and leakage: what is found, and what is dropped."""

from ballast.core.manifest import Subset
from ballast.dataset.leakage import Member, label_conflicts, leaks, to_drop
from ballast.dataset.scan import Photo


def member(path: str, copies: int, group: int, given: Subset | None = None) -> Member:
    class_ = path.split("/")[0]
    return Member(Photo(path, class_, given, path, 8, 8), copies, 0, group)


def paths(found: list[list[Member]]) -> list[list[str]]:
    return [[member.photo.path for member in each] for each in found]


CONFLICT = [
    member("cat/1", 0, 0), member("cat/2", 1, 0), member("dog/1", 0, 0), member("dog/2", 2, 2),
]  # fmt: skip
LEAK = [
    member("cat/1", 0, 0, "train"),
    member("cat/2", 0, 0, "train"),
    member("cat/3", 1, 1, "train"),
    member("cat/4", 1, 1, "val"),
    member("cat/5", 2, 0, "test"),
    member("cat/6", 3, 3, "test"),
]


def test_one_picture_in_two_classes_is_a_label_conflict_and_a_shared_group_is_none() -> None:
    assert paths(label_conflicts(CONFLICT)) == [["cat/1", "dog/1"]]


def test_a_group_on_two_sides_is_a_leak() -> None:
    assert paths(leaks(LEAK)) == [["cat/1", "cat/2", "cat/5"], ["cat/3", "cat/4"]]
    assert leaks(CONFLICT) == [], "no split is given"


def test_what_is_kept_is_kept() -> None:
    assert to_drop([*CONFLICT, *LEAK], "keep", "keep") == []


def test_of_a_label_conflict_every_copy_is_dropped() -> None:
    assert to_drop(CONFLICT, "drop", "keep") == [
        ("cat/1", "copy of dog/1 in another class"),
        ("dog/1", "copy of cat/1 in another class"),
    ]


def test_of_a_leak_what_is_held_out_furthest_stays() -> None:
    assert to_drop(LEAK, "keep", "drop") == [
        ("cat/1", "in the same group as cat/5 in test"),
        ("cat/2", "in the same group as cat/5 in test"),
        ("cat/3", "in the same group as cat/4 in val"),
    ]


def test_what_a_label_conflict_drops_leaks_no_more() -> None:
    both = [member("cat/1", 0, 0, "train"), member("dog/1", 0, 0, "test")]
    assert [path for path, _ in to_drop(both, "drop", "drop")] == ["cat/1", "dog/1"]
