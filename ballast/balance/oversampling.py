"""The number of images of each class, and of variants of each photograph."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ballast.core.manifest import Row


def target_counts(counts: Mapping[str, int], factor: int, oversample: bool) -> dict[str, int]:
    """The number of training images to make for each class.

    Args:
        counts: training images by class.
        factor: 1 or more.
        oversample: True for factor × the largest class's size, False for factor × its own size.

    Returns:
        Targets by class name.
    """
    largest = max(counts.values())
    return {name: factor * (largest if oversample else n) for name, n in counts.items()}


def plan_rounds(rows: Sequence[Row], targets: Mapping[str, int]) -> list[tuple[Row, int]]:
    """Distribute the target of each class evenly over its photographs.

    A class of n photographs needs max(1, ceil(target / n)) rounds; the last is cut to the target.
    Which photographs the last round omits depends on their content, not on their names.

    Args:
        rows: the photographs; no two photographs of a class have the same content.
        targets: number of images by class. Each class has at least one photograph, and its target
            is at least their number.

    Returns:
        Each photograph with its number of rounds, including round 0 (the photograph itself). They
        are sorted by class in the order of `targets`, then by sha256. The rounds of a class sum to
        its target.
    """
    by_class: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.sha256):
        by_class[row.class_].append(row)
    plan = []
    for name, target in targets.items():
        full, extra = divmod(target, len(by_class[name]))
        plan += [(row, full + (place < extra)) for place, row in enumerate(by_class[name])]
    return plan
