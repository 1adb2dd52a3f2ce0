"""Where in a photograph a linear head finds its evidence: class activation maps.

Features are sums over the cells of the last feature map (see model/efficientnet_lite0.py), and
logits are linear in them, so each logit is the sum of what the cells contribute, plus the bias: for
such a network the maps of Zhou et al. (2016, arXiv:1512.04150, eq. 1-2) are exact.

Adding one number to the logits of all classes changes no probability, so the contribution of a cell
to one logit means nothing by itself. Evidence for a class is therefore counted from the mean of all
classes. Then the maps of all classes sum to 0 in each cell; the difference of two classes' maps
sums, with the difference of their biases, to the logarithm of the odds between the two; and for
two classes, evidence for the one is evidence against the other.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ballast.model.logits import Floats, lengths


def evidence_maps(maps: NDArray[np.uint8], weights: Floats) -> Floats:
    """Compute how much each cell of n photographs speaks for each of k classes.

    The sum over a photograph's cells, plus centred(bias), is centred(logits). Products of whole
    numbers and weights on the grid of a Head are exact, and so are their sums; what follows rounds
    each value by itself. So all bits are the same on every processor.

    Args:
        maps: last feature maps, shape (n, side, side, d), whole numbers.
        weights: of the head, shape (d, k).

    Returns:
        Shape (n, side, side, k), in units of logits; negative values speak against a class.
    """
    features = maps.sum(axis=(1, 2), dtype=np.float64)
    contributions = maps.astype(np.float64) @ weights
    return np.asarray(centred(contributions) / lengths(features)[:, :, None, None])


def centred(logits: Floats) -> Floats:
    """Subtract the mean over the last axis, that of the classes; probabilities stay the same."""
    return np.asarray(logits - logits.sum(axis=-1, keepdims=True) / logits.shape[-1])


def evidence_scale(shown: Sequence[Floats]) -> float:
    """A scale that makes the maps of a page comparable: the median of their largest cells.

    Largest cells differ by a factor of 3 to 14 within the photographs of a data set, so the largest
    of all would leave most maps dark.

    Args:
        shown: evidence for one class each, shape (side, side).

    Returns:
        The lower median for an even number, 0 for none.
    """
    largest = sorted(float(one.max()) for one in shown)
    return largest[(len(largest) - 1) // 2] if largest else 0.0


def strengths(shown: Floats, scale: float) -> NDArray[np.uint8]:
    """Evidence for a class in whole numbers: 0 for none or less, 255 for `scale` or more."""
    if scale <= 0:
        return np.zeros(shown.shape, dtype=np.uint8)
    return np.rint(np.clip(shown / scale, 0, 1) * 255).astype(np.uint8)
