"""Logits of a linear head on features of length 1, in float64."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def linear_logits(features: Floats, weights: Floats, bias: Floats) -> Floats:
    """Logits, shape (n, k), of features of shape (n, d), with the weights and bias of a Head.

    If features are whole numbers and their sum times the largest weight is below 2**43, the product
    is exact, so the processor's order of summation does not matter.
    """
    return features @ weights / lengths(features) + bias


def lengths(features: Floats) -> Floats:
    """Euclidean length of each row, shape (n, 1); 1 for a row of zeros."""
    found = np.sqrt(np.square(features).sum(axis=1, keepdims=True))
    return np.where(found > 0, found, 1.0)
