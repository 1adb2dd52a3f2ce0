"""Which photographs to label next: those that would teach a linear head most.

Uncertainty sampling by margin (Scheffer, Decomain & Wrobel 2001; Settles 2009, section 3.1),
weighted towards rare classes. Measured against random choice and other methods by
benchmarks/suggestion.py: docs/which-to-label-next.md.
"""

import numpy as np
from numpy.typing import NDArray

from ballast.model.logits import Floats

DECIMALS = 6  # of a worth: its last bits depend on the processor


def worth(probabilities: Floats, groups: NDArray[np.int64]) -> Floats:
    """Estimate how much the label of each photograph would teach.

    The worth is (1 - margin) · sum over the classes of probability · rarity. The margin is the
    difference between the two highest probabilities; the rarity of a class is how often its groups
    go into those of the largest class. So a photograph is worth most if the model cannot decide,
    and if one of the candidates is rare.

    Args:
        probabilities: of n photographs, shape (n, k), k 2 or more.
        groups: of training photographs of each class, shape (k,), all 1 or more.

    Returns:
        Shape (n,), rounded; from 0 to the largest rarity.
    """
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    rarity = (probabilities * (groups.max() / groups)).sum(axis=1)
    return np.asarray(((1 - (first - second)) * rarity).round(DECIMALS))


def suggested(probabilities: Floats, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order photographs by worth, the highest first; those of the same worth stay in their order.

    Args:
        probabilities: as in worth, like the other argument; shape (n, k).
        groups: shape (k,).

    Returns:
        Places of the photographs, shape (n,).
    """
    return np.argsort(-worth(probabilities, groups), kind="stable")
