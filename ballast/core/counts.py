"""How many photographs each class has in each subset."""

from collections.abc import Sequence

from ballast.core.manifest import Row, class_names

Counts = dict[str, dict[str, int]]


def count_classes(rows: Sequence[Row]) -> Counts:
    """Count photographs.

    Returns:
        By class name, sorted, the counts of train, val and test: {"dog": {"train": 2, …}, …}.
    """
    counts = {name: {"train": 0, "val": 0, "test": 0} for name in class_names(rows)}
    for row in rows:
        counts[row.class_][row.split] += 1
    return counts


def train_counts(counts: Counts) -> dict[str, int]:
    """Training photographs by class name."""
    return {name: subsets["train"] for name, subsets in counts.items()}


def used_subsets(counts: Counts) -> list[str]:
    """Those of train, val and test, in this order, that have a photograph of any class."""
    subsets = next(iter(counts.values()), {})
    return [subset for subset in subsets if any(by[subset] for by in counts.values())]


def thin_classes(counts: Counts) -> list[str]:
    """Name every class that is too small for a subset, in words.

    Returns:
        One warning a class and lack; empty where every class is in every subset that has any
        photographs, and has two or more to train on.
    """
    used = [subset for subset in reversed(used_subsets(counts)) if subset != "train"]
    warnings = []
    for name, subsets in counts.items():
        if subsets["train"] == 1:
            warnings.append(f"class {name} has a single photograph to train on")
        warnings += [
            f"class {name} has no photograph in {subset}: it has too few, or this fold has none"
            for subset in used
            if not subsets[subset]
        ]
    return warnings
