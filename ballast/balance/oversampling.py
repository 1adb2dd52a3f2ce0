"""How many images each class gets, and how many variants of each photograph that takes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ballast.core.manifest import Row


def target_counts(counts: Mapping[str, int], factor: int, oversample: bool) -> dict[str, int]:
    """Images that each class will have.

    Args:
        counts: training images by class.
        factor: 1 or more.
        oversample: True for factor × the largest class, False for factor × the class's own.

    Returns:
        Target by class name.
    """
    largest = max(counts.values())
    return {name: factor * (largest if oversample else n) for name, n in counts.items()}


def plan_rounds(rows: Sequence[Row], targets: Mapping[str, int]) -> list[tuple[Row, int]]:
    """Share exactly its target of images out over the photographs of each class.

    A class of n needs max(1, ceil(target / n)) rounds; the last is cut to the target.
    Which photographs the last round leaves out depends on their content, not on their names.

    Args:
        rows: the photographs, no two of one class with the same content.
        targets: images wanted by class, at least as many as it has photographs, which are one
            or more.

    Returns:
        Each photograph with its number of rounds, round 0 (itself) included, by class in the
        order of `targets`, then by sha256; the rounds of a class sum to its target.
    """
    by_class: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.sha256):
        by_class[row.class_].append(row)
    plan = []
    for name, target in targets.items():
        full, extra = divmod(target, len(by_class[name]))
        plan += [(row, full + (place < extra)) for place, row in enumerate(by_class[name])]
    return plan
