"""The data report holds all findings; conflicts, leaks and small classes are also warnings."""

from typing import Any

import pytest

from ballast.core.errors import UserError
from ballast.core.manifest import Subset
from ballast.dataset.leakage import Member
from ballast.dataset.losses import Loss
from ballast.dataset.report import (
    MOST_PAIRS,
    data_report,
    mirror_warnings,
    refuse_fatal,
    report_warnings,
)
from ballast.dataset.scan import Photo, Rejection


def photo(path: str, given: Subset | None = None) -> Photo:
    return Photo(path, path.split("/")[-2], given, path, 8, 8)


def test_a_report_accounts_for_every_file() -> None:
    members = [
        Member(photo("test/cat/1", "test"), 0, 4, 0),
        Member(photo("train/cat/2", "train"), 0, 4, 0),
        Member(photo("train/cat/3", "train"), 1, 256, 1),
        Member(photo("train/dog/1", "train"), 2, 0, 2),
        Member(photo("train/cat/4", "train"), 2, 0, 2),
    ]
    twins = [(photo("train/cat/5", "train"), photo("test/cat/1", "test"))]
    rejections = [Rejection("train/cat/6", "empty file")]
    dropped = [Rejection("train/cat/2", "in the same group as test/cat/1 in test")]
    assert data_report(members, twins, rejections, dropped, ["bird"]) == {
        "files": 7,
        "photographs": 4,
        "rejected": 3,
        "rejected_by_reason": {
            "empty file": 1,
            "in the same group as photographs in test": 1,
            "same bytes as another file of its class": 1,
        },
        "class_losses": {},
        "empty_folders": ["bird"],
        "same_bytes": [{"kept": "test/cat/1", "left_out": "train/cat/5"}],
        "near_duplicates": [
            {"test/cat/1": 4, "train/cat/2": 4},
            {"train/dog/1": 0, "train/cat/4": 0},
        ],
        "label_conflicts": [{"train/dog/1": "dog", "train/cat/4": "cat"}],
        "leakage": [
            {"train/cat/5": "train", "test/cat/1": "test"},
            {"test/cat/1": "test", "train/cat/2": "train"},
        ],
        "dropped": {"train/cat/2": "in the same group as test/cat/1 in test"},
        "groups": {
            "cat": {"photographs": 3, "groups": 3, "largest": 1},
            "dog": {"photographs": 1, "groups": 1, "largest": 1},
        },
    }


def test_what_augmentation_would_mirror_into_another_class_is_told() -> None:
    assert mirror_warnings({}) == []
    pairs = [("left", "right", 3), ("left", "up", 1)]
    assert mirror_warnings({"mirrored_classes": {"flip": "both", "pairs": pairs}}) == [
        "3 pictures of class left are mirror images of pictures of class right, and augment.flip:"
        " both makes the one from the other; set augment.flip to null",
        "1 picture of class left is a mirror image of pictures of class up, and augment.flip:"
        " both makes the one from the other; set augment.flip to null",
    ]


def test_of_many_classes_that_are_mirrored_the_first_are_named() -> None:
    pairs = [("left", f"right {number}", 2) for number in range(MOST_PAIRS + 1)]
    warnings = mirror_warnings({"mirrored_classes": {"flip": "both", "pairs": pairs}})
    assert len(warnings) == MOST_PAIRS + 1
    assert warnings[-1] == (
        "1 other pair of classes has mirror images, too (outputs/data_report.json:"
        " mirrored_classes)"
    )
    pairs.append(("up", "down", 1))
    more = mirror_warnings({"mirrored_classes": {"flip": "both", "pairs": pairs}})[-1]
    assert more.startswith("2 other pairs of classes have mirror images, too ")
    assert len(mirror_warnings({"mirrored_classes": {"flip": "both", "pairs": pairs[:-2]}})) == (
        MOST_PAIRS
    )


def test_conflicts_leaks_and_classes_of_few_groups_are_told_at_once() -> None:
    quiet: dict[str, Any] = {
        "class_losses": {},
        "empty_folders": [],
        "label_conflicts": [],
        "leakage": [],
        "groups": {},
    }

    def told(found: dict[str, Any], *, validation: bool = True) -> list[str]:
        return report_warnings(quiet | found, validation=validation)

    assert told({}) == []
    assert told({"leakage": [{}]})[0].startswith("1 picture or group is in more than one set")
    assert told({"leakage": [{}, {}]})[0].startswith("2 pictures or groups are in")
    assert told({"label_conflicts": [{}]}) == [
        "1 picture is in more than one class; see split.label_conflicts"
        " (outputs/data_report.json: label_conflicts)"
    ]

    (warning,) = told({"empty_folders": ["bird"]})
    assert warning == "folder bird contains no photographs and is not a class"

    def class_of(photographs: int, groups: int) -> dict[str, Any]:
        return {"groups": {"cat": {"photographs": photographs, "groups": groups}}}

    assert told(class_of(2, 2)) == []
    assert told(class_of(9, 3)) == []
    assert "its 9 photographs form 2 groups" in told(class_of(9, 2))[0]
    assert told(class_of(9, 2), validation=False) == []
    assert "its 9 photographs form 1 group (" in told(class_of(9, 1), validation=False)[0]


def test_what_is_fatal_is_refused_with_its_first_case() -> None:
    report = {
        "label_conflicts": [{"cat/1": "cat", "dog/1": "dog"}],
        "leakage": [{"train/cat/1": "train", "test/cat/1": "test"}, {}],
    }
    refuse_fatal(report, "keep", "drop")
    refuse_fatal({"label_conflicts": [], "leakage": []}, "fatal", "fatal")
    with pytest.raises(UserError, match=r"^same picture in two classes: cat/1 and dog/1 \(.* 1 "):
        refuse_fatal(report, "fatal", "keep")
    with pytest.raises(UserError, match=r"two sets .*: train/cat/1 and test/cat/1 .* all 2 cases"):
        refuse_fatal(report, "keep", "fatal")


@pytest.mark.parametrize(
    ("files", "rejected", "told"),
    [
        (9, 3, None),
        (4, 2, None),
        (6, 3, "3 of its 6 files were rejected, most often as: empty file (outputs/rejected.csv)"),
        (2, 2, "all of its 2 files were rejected, most often as: empty file (outputs/rejected.csv);"
               " it is not a class"),
    ],
)  # fmt: skip
def test_a_class_that_loses_much_is_told_with_the_reason(
    files: int, rejected: int, told: str | None
) -> None:
    losses = {"cat": Loss(files, rejected, "empty file")}
    report = data_report([], [], [], [], ["cat"], losses)
    warnings = report_warnings(report, validation=True)
    empty = "folder cat contains no photographs and is not a class"
    expected = [f"class cat: {told}"] if told else []
    assert warnings == ([] if rejected == files else [empty]) + expected
