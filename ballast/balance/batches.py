"""The order of the training images in an epoch."""

import numpy as np
from numpy.typing import NDArray


def shuffled_epoch(labels: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Shuffle the images; each comes once.

    Args:
        labels: class index of each image, shape (n,).
        seed: params' seed.
        epoch: 0 or more; each has its own order.

    Returns:
        Image indices, shape (n,).
    """
    return _generator(seed, epoch).permutation(len(labels))


def balanced_epoch(labels: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Take the classes in turn: in any part of the order, their counts differ by one at most.

    Each image of the largest class comes once. Images of the other classes are repeated, and every
    image of a class comes once before any of them comes again.

    Args:
        labels: class index of each image, shape (n,).
        seed: params' seed.
        epoch: 0 or more; each has its own order.

    Returns:
        Image indices, shape (classes x size of the largest class,).
    """
    generator = _generator(seed, epoch)
    classes, counts = np.unique(labels, return_counts=True)
    largest = int(counts.max())
    columns = []
    for class_ in classes:
        members = np.flatnonzero(labels == class_)
        passes = -(-largest // len(members))
        column = np.concatenate([generator.permutation(members) for _ in range(passes)])
        columns.append(column[:largest])
    return np.stack(columns, axis=1).ravel()


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, epoch]))
