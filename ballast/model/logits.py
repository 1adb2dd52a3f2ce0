"""Logits and probabilities of a linear head on features of length 1, in float64."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ballast.core.mapped import release

Floats = NDArray[np.float64]

BLOCK = 4096  # photographs that are converted to float64 at a time
RELEASED = 2**26  # bytes of a mapped file after which its pages are given back


def float_blocks(features: NDArray[Any], size: int = BLOCK) -> Iterator[tuple[slice, Floats]]:
    """Convert features of shape (n, d) to float64, some rows at a time; they may be mapped.

    Yields:
        The rows of a block, and their features.
    """
    passed = 0  # bytes of the file, of which every so many rows may be read
    for start in range(0, len(features), size):
        rows = slice(start, min(start + size, len(features)))
        yield rows, features[rows].astype(np.float64, copy=False)
        passed += size * features.strides[0]
        if passed >= RELEASED or rows.stop == len(features):
            release(features)
            passed = 0


def linear_logits(features: NDArray[Any], weights: Floats, bias: Floats) -> Floats:
    """Logits, shape (n, k), of features of shape (n, d), with the weights and bias of a Head.

    If features are whole numbers and their sum times the largest weight is below 2**43, the product
    is exact, so the processor's order of summation does not matter.
    """
    found = np.empty((len(features), len(bias)))
    for rows, block in float_blocks(features):
        found[rows] = block @ weights / lengths(block) + bias
    return found


def linear_probabilities(features: NDArray[Any], weights: Floats, bias: Floats) -> Floats:
    """Softmax of the logits, shape (n, k), of features of shape (n, d).

    The last of its 53 bits can depend on the processor's instructions, so probabilities are written
    with fewer digits. Prediction does without scipy, which it needs for nothing else.
    """
    logits = linear_logits(features, weights, bias)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def lengths(features: Floats) -> Floats:
    """Euclidean length of each row, shape (n, 1); 1 for a row of zeros."""
    found = np.sqrt(np.square(features).sum(axis=1, keepdims=True))
    return np.where(found > 0, found, 1.0)
