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


def thin_classes(counts: Counts) -> list[str]:
    """Warn of every class that is too small for a subset.

    Returns:
        One warning per class and problem. The list is empty if every class has two or more training
        photographs and at least one in each of val and test that is not empty.
    """
    used = [s for s in ("test", "val") if any(subsets[s] for subsets in counts.values())]
    warnings = []
    for name, subsets in counts.items():
        if subsets["train"] == 1:
            warnings.append(f"class {name} has only one training photograph")
        warnings += [
            f"class {name} has no photographs in {subset}: it is too small, or this fold has none"
            " of it"
            for subset in used
            if not subsets[subset]
        ]
    return warnings
