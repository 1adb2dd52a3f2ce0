"""The weights of the classes in the loss."""

from collections.abc import Mapping
from typing import Literal


def class_weights(
    counts: Mapping[str, int],
    method: Literal["balanced", "effective"] | None,
    power: float = 1.0,
    beta: float = 0.99,
) -> dict[str, float]:
    """Give rare classes larger weights.

    "balanced" is scikit-learn's n / (k · n_c) for a class with n_c of the n images of k classes.
    "effective" is the inverse of the effective number of images, (1 - beta^n_c) / (1 - beta): among
    similar images, each further one adds less (Cui et al. 2019, arXiv:1901.05555, proposition 1).
    It is scaled so that the weights of the n images sum to n, as they do for "balanced" (in the
    paper, the k weights sum to k). So one learning rate suits both; beta 0 gives every class 1, and
    a beta near 1 gives the balanced weights.

    Args:
        counts: training images by class, before any oversampling; each 1 or more.
        method: None gives every class 1.
        power: exponent on the weights, 0 to 1; 0 gives every class 1, and 1 the full weights.
        beta: used by "effective" alone; at least 0 and below 1.

    Returns:
        Weights by class name, in the order of `counts`.

    Examples:
        >>> counts = {"human": 15, "dog": 3, "snake": 21}
        >>> weights = class_weights(counts, "balanced")
        >>> {name: round(weight, 3) for name, weight in weights.items()}
        {'human': 0.867, 'dog': 4.333, 'snake': 0.619}
        >>> weights = class_weights(counts, "effective", beta=0.9)
        >>> {name: round(weight, 3) for name, weight in weights.items()}
        {'human': 0.917, 'dog': 2.688, 'snake': 0.818}
    """
    if method is None:
        return dict.fromkeys(counts, 1.0)
    total = sum(counts.values())
    if method == "balanced":
        return {name: (total / (len(counts) * n)) ** power for name, n in counts.items()}
    inverse = {name: (1 - beta) / (1 - beta**n) for name, n in counts.items()}
    scale = total / sum(n * inverse[name] for name, n in counts.items())
    return {name: (scale * weight) ** power for name, weight in inverse.items()}
