"""How much an image of each class counts in the loss."""

from collections.abc import Mapping
from typing import Literal


def class_weights(
    counts: Mapping[str, int], method: Literal["none", "balanced"], power: float = 1.0
) -> dict[str, float]:
    """Weigh rare classes up: n / (k · n_c), scikit-learn's "balanced", to the power `power`.

    Args:
        counts: training images by class, before any oversampling; each 1 or more.
        method: "none" gives every class 1.
        power: 0 to 1; 0 gives every class 1, 1 the full weight.

    Returns:
        Weight by class name, in the order of `counts`.

    Examples:
        >>> weights = class_weights({"human": 15, "dog": 3, "snake": 21}, "balanced")
        >>> {name: round(weight, 3) for name, weight in weights.items()}
        {'human': 0.867, 'dog': 4.333, 'snake': 0.619}
    """
    if method == "none":
        return dict.fromkeys(counts, 1.0)
    total = sum(counts.values())
    return {name: (total / (len(counts) * n)) ** power for name, n in counts.items()}
