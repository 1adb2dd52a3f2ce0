"""The share that each class has in training."""

import numpy as np
from numpy.typing import NDArray


def class_priors(
    labels: NDArray[np.int64], weights: NDArray[np.float64], *, balanced: bool
) -> NDArray[np.float64]:
    """The share that each class has in the training loss.

    Not the share that it has of the photographs: what oversampling, balanced batches or class
    weights have corrected already must not be corrected again. Where they give every class the
    same share, nothing is left to adjust.

    Args:
        labels: class index of each training image, oversampled ones included, shape (n,).
        weights: class weights in the loss, shape (k,).
        balanced: whether batches show all classes alike, whatever their images.

    Returns:
        Shape (k,); they sum to 1.
    """
    counts = np.bincount(labels, minlength=len(weights))
    shares = (counts > 0 if balanced else counts) * weights
    return np.asarray(shares / shares.sum())
