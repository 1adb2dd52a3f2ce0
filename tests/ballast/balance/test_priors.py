"""Priors: the share that each class has in the training loss, once what balances is in it."""

import numpy as np
import pytest

from ballast.balance.priors import class_priors

LABELS = np.array([0] * 6 + [1] * 3 + [2], dtype=np.int64)


def test_priors_are_the_shares_in_the_loss() -> None:
    ones = np.ones(3)
    assert class_priors(LABELS, ones, balanced=False) == pytest.approx([0.6, 0.3, 0.1])
    assert class_priors(LABELS, np.array([1, 1, 6.0]), balanced=False) == pytest.approx(
        [0.4, 0.2, 0.4]
    )


def test_balanced_batches_show_every_class_alike() -> None:
    assert class_priors(LABELS, np.ones(3), balanced=True) == pytest.approx([1 / 3] * 3)
    doubled = np.array([1, 1, 2.0])
    assert class_priors(LABELS, doubled, balanced=True) == pytest.approx([0.25, 0.25, 0.5])


def test_a_class_without_images_has_no_share() -> None:
    assert class_priors(LABELS, np.ones(4), balanced=True)[3] == 0
