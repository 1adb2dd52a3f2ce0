"""Class weights: scikit-learn's "balanced" or "effective" ones, raised to a power."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from ballast.balance.class_weights import class_weights

COUNTS = {"human": 15, "dog": 3, "snake": 21}


def test_the_case_that_the_project_was_born_from() -> None:
    weights = class_weights(COUNTS, "balanced")
    assert {name: round(w, 3) for name, w in weights.items()} == {
        "human": 0.867,
        "dog": 4.333,
        "snake": 0.619,
    }


@given(st.lists(st.integers(1, 500), min_size=2, max_size=20))
def test_they_are_scikit_learns(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    weights = class_weights({str(i): n for i, n in enumerate(counts)}, "balanced")
    assert list(weights.values()) == pytest.approx(expected.tolist(), rel=1e-12)


def test_a_power_tempers_them() -> None:
    full, root = class_weights(COUNTS, "balanced"), class_weights(COUNTS, "balanced", 0.5)
    assert {name: w**2 for name, w in root.items()} == pytest.approx(full)
    assert set(class_weights(COUNTS, "balanced", 0.0).values()) == {1.0}


def test_no_weights_give_every_class_1() -> None:
    assert class_weights(COUNTS, None) == {"human": 1.0, "dog": 1.0, "snake": 1.0}


@given(st.lists(st.integers(1, 500), min_size=2, max_size=20), st.floats(0, 0.9999))
def test_effective_weights_are_inverse_to_the_effective_number(
    counts: list[int], beta: float
) -> None:
    named = {str(i): n for i, n in enumerate(counts)}
    weights = class_weights(named, "effective", beta=beta)
    # The effective number of n images, as Cui et al. define it: each adds beta of what is new.
    numbers = {name: sum(beta**i for i in range(n)) for name, n in named.items()}
    products = [weights[name] * numbers[name] for name in named]
    assert products == pytest.approx([products[0]] * len(products), rel=1e-6)
    assert sum(n * weights[name] for name, n in named.items()) == pytest.approx(sum(counts))


def test_effective_weights_lie_between_none_and_balanced() -> None:
    assert class_weights(COUNTS, "effective", beta=0.0) == pytest.approx(dict.fromkeys(COUNTS, 1.0))
    near = class_weights(COUNTS, "effective", beta=1 - 1e-7)
    assert near == pytest.approx(class_weights(COUNTS, "balanced"), rel=1e-5)
