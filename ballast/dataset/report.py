"""The data report: counts, copies, conflicts and leaks in a folder of photographs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ballast.core.errors import UserError, counted
from ballast.core.params import Policy
from ballast.core.paths import DATA_REPORT, REJECTED
from ballast.dataset.labels import label_warnings
from ballast.dataset.leakage import Member, label_conflicts, leaks, sets_of
from ballast.dataset.losses import Loss, by_reason
from ballast.dataset.scan import Photo, Rejection

# Fewer rejected files of a class are no warning.
LEAST_LOSS = 3
MOST_PAIRS = 20  # of classes with mirror images that are named
LEAST_USED = 1 / 8  # of the range, by half of the deep greys

Twins = Sequence[tuple[Photo, Photo]]


def data_report(
    members: Sequence[Member],
    twins: Twins,
    rejections: Sequence[Rejection],
    dropped: Sequence[Rejection],
    empty_folders: Sequence[str],
    losses: Mapping[str, Loss] | None = None,
) -> dict[str, Any]:
    """Make the data report.

    Args:
        members: all photographs except the twins, before any is dropped; sorted by path.
        twins: photographs left out as identical to another of their class, each with that one.
        rejections: files that are not photographs.
        dropped: photographs left out for a label conflict or leakage.
        empty_folders: class folders without photographs.
        losses: what classes lost because files could not be read or are no photographs.

    Returns:
        The counts files, photographs and rejected, and the latter by reason; what classes lost;
        lists of what was found; and by class name the number of photographs, of groups, and of
        photographs in the largest group.
    """
    same = [Rejection(photo.path, f"same bytes as {original.path}") for photo, original in twins]
    return {
        "files": len(members) + len(twins) + len(rejections),
        "photographs": len(members) - len(dropped),
        "rejected": len(rejections) + len(twins) + len(dropped),
        "rejected_by_reason": by_reason([*rejections, *same, *dropped]),
        "class_losses": {name: loss._asdict() for name, loss in (losses or {}).items()},
        "empty_folders": list(empty_folders),
        "same_bytes": [
            {"kept": original.path, "left_out": photo.path} for photo, original in twins
        ],
        "near_duplicates": [
            {member.photo.path: member.bits for member in found}
            for found in sets_of(members, lambda member: member.copies)
        ],
        "label_conflicts": [
            {member.photo.path: member.photo.class_ for member in found}
            for found in label_conflicts(members)
        ],
        "leakage": [
            {photo.path: photo.given for photo in found}
            for found in [
                *((photo, original) for photo, original in twins if photo.given != original.given),
                *([member.photo for member in found] for found in leaks(members)),
            ]
        ],
        "dropped": dict(dropped),
        "groups": _group_sizes(members, {path for path, _ in dropped}),
    }


def report_warnings(report: dict[str, Any], *, validation: bool) -> list[str]:
    """The warnings that a data report gives rise to.

    Args:
        report: result of data_report.
        validation: whether the split draws photographs for validation.
    """
    kinds = (
        ("label_conflicts", "picture is", "pictures are", "in more than one class"),
        (
            "leakage",
            "picture or group is",
            "pictures or groups are",
            "in more than one set of the given split",
        ),
    )
    lost = {name: Loss(**loss) for name, loss in report["class_losses"].items()}
    whole = {name for name, loss in lost.items() if loss.rejected == loss.files}
    warnings = [
        f"folder {name} contains no photographs and is not a class"
        for name in report["empty_folders"]
        if name not in whole
    ]
    warnings += [
        f"class {name}: {'all' if name in whole else loss.rejected} of its"
        f" {counted(loss.files, 'file')} were rejected, most often as: {loss.reason}"
        f" ({REJECTED}){'; it is not a class' if name in whole else ''}"
        for name, loss in lost.items()
        if name in whole or (loss.rejected >= LEAST_LOSS and 2 * loss.rejected >= loss.files)
    ]
    warnings += [
        f"{len(report[kind])} {one if len(report[kind]) == 1 else more} {where}; see split.{kind}"
        f" (outputs/data_report.json: {kind})"
        for kind, one, more, where in kinds
        if report[kind]
    ]
    warnings += [
        f"class {name}: all of its photographs were dropped, so it is no longer a class"
        for name, sizes in report["groups"].items()
        if not sizes["photographs"]
    ]
    for name, sizes in report["groups"].items():
        if sizes["groups"] < (3 if validation else 2) <= sizes["photographs"]:
            warnings.append(
                f"class {name}: its {sizes['photographs']} photographs form"
                f" {counted(sizes['groups'], 'group')} (near duplicates, or by split.group), but"
                " training and testing need at least 2 groups, with validation 3"
            )
    warnings += [
        f"data.exclude: {pattern} matches no file in data.raw"
        for pattern in report.get("unmatched_exclude", ())
    ]
    if "unused_table" in report:
        warnings.append(
            f"{report['unused_table']} has other classes than the folders; if they are right, set"
            f" data.labels: {report['unused_table']}"
        )
    return [*warnings, *label_warnings(report.get("labels", {}))]


def mirror_warnings(report: dict[str, Any]) -> list[str]:
    """The warnings that augmentation makes photographs of one class from those of another.

    Args:
        report: result of split_folder.
    """
    if "mirrored_classes" not in report:
        return []
    flip, pairs = report["mirrored_classes"]["flip"], report["mirrored_classes"]["pairs"]
    more = len(pairs) - MOST_PAIRS
    rest = [
        f"{counted(more, 'other pair')} of classes {'has' if more == 1 else 'have'} mirror images,"
        f" too ({DATA_REPORT}: mirrored_classes)"
    ]
    warnings = [
        f"{'1 picture' if number == 1 else f'{number} pictures'} of class {one}"
        f" {'is a mirror image' if number == 1 else 'are mirror images'} of pictures of class"
        f" {other}, and augment.flip: {flip} makes the one from the other; set augment.flip to null"
        for one, other, number in pairs[:MOST_PAIRS]
    ]
    return warnings + rest * (more > 0)


def range_warnings(report: dict[str, Any]) -> list[str]:
    """The warning that photographs with deep greys are nearly black, or nearly white.

    Args:
        report: result of split_folder.
    """
    if report["range_used"] is None or report["range_used"] >= LEAST_USED:
        return []
    low, high = report["range_set"]
    return [
        f"half of the deep greys use less than an eighth of the range {low:g} to {high:g}, and get"
        " few of 256 greys; see data.range (outputs/data_report.json: range)"
    ]


def refuse_fatal(report: dict[str, Any], for_conflicts: Policy, for_leaks: Policy) -> None:
    """Refuse photographs with a problem whose policy is fatal.

    Raises:
        UserError: naming the first case.
    """
    cases = (
        ("label_conflicts", for_conflicts, "same picture in two classes"),
        ("leakage", for_leaks, "same picture or group in two sets of the given split"),
    )
    for key, policy, what in cases:
        if policy == "fatal" and report[key]:
            first, second, *_ = report[key][0]
            raise UserError(
                f"{what}: {first} and {second} (outputs/data_report.json has all"
                f" {len(report[key])} cases); remove one of them, or set split.{key} in params.yaml"
                " to keep or drop"
            )


def _group_sizes(members: Sequence[Member], dropped: set[str]) -> dict[str, dict[str, int]]:
    groups: dict[str, Counter[int]] = {}
    for photo, _, _, group in members:
        of_class = groups.setdefault(photo.class_, Counter())
        if photo.path not in dropped:
            of_class[group] += 1
    return {
        name: {
            "photographs": sizes.total(),
            "groups": len(sizes),
            "largest": max(sizes.values(), default=0),
        }
        for name, sizes in sorted(groups.items())
    }
