"""Counts of photographs by class and subset."""

from collections.abc import Sequence

from ballast.core.manifest import Row, class_names

Counts = dict[str, dict[str, int]]


def count_classes(rows: Sequence[Row]) -> Counts:
    """Count the photographs of each class in each subset.

    Returns:
        The counts by class name, sorted, then by subset: {"dog": {"train": 2, …}, …}.
    """
    counts = {name: {"train": 0, "val": 0, "test": 0} for name in class_names(rows)}
    for row in rows:
        counts[row.class_][row.split] += 1
    return counts


def train_counts(counts: Counts) -> dict[str, int]:
    """The number of training photographs by class name."""
    return {name: subsets["train"] for name, subsets in counts.items()}


def used_subsets(counts: Counts) -> list[str]:
    """Those of train, val and test, in this order, that have a photograph of any class."""
    subsets = next(iter(counts.values()), {})
    return [subset for subset in subsets if any(by[subset] for by in counts.values())]


def thin_classes(counts: Counts) -> list[str]:
    """Warn of every class that is too small for a subset.

    Returns:
        One warning per class and problem. The list is empty if every class has two or more training
        photographs and at least one in each of val and test that is not empty.
    """
    used = [subset for subset in reversed(used_subsets(counts)) if subset != "train"]
    warnings = []
    for name, subsets in counts.items():
        if subsets["train"] == 1:
            warnings.append(f"class {name} has only one training photograph")
        warnings += [
            f"class {name} has no photographs in {subset}: it is too small, or this fold contains"
            " none"
            for subset in used
            if not subsets[subset]
        ]
    return warnings
