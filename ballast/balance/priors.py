"""The share of each class in training."""

import numpy as np
from numpy.typing import NDArray


def class_priors(
    labels: NDArray[np.int64], weights: NDArray[np.float64], *, balanced: bool
) -> NDArray[np.float64]:
    """Compute the share of each class in the training loss.

    It is not the share of the photographs: what oversampling, balanced batches or class weights
    have already corrected must not be corrected twice. If they give every class the same share,
    nothing is left to adjust.

    Args:
        labels: class index of each training image, oversampled ones included, shape (n,).
        weights: class weights in the loss, shape (k,).
        balanced: whether batches contain all classes equally often, whatever their size.

    Returns:
        Shares, shape (k,), which sum to 1.
    """
    counts = np.bincount(labels, minlength=len(weights))
    shares = (counts > 0 if balanced else counts) * weights
    return np.asarray(shares / shares.sum())
