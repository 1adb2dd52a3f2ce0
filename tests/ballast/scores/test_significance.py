"""McNemar's test and its correction match hand calculation and statsmodels."""

import pytest
from confusion import CLASSES, predictions
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from ballast.scores.predictions import Predictions
from ballast.scores.significance import Outcome, discordant, holm, mcnemar, mcnemar_tests


def test_the_order_of_photographs_does_not_matter() -> None:
    first = predictions([[5, 2, 0], [0, 4, 3], [1, 0, 6]])
    second = predictions([[3, 0, 4], [2, 5, 0], [0, 2, 5]])
    back = Predictions(CLASSES, second.paths[::-1], second.true[::-1], second.probabilities[::-1])
    assert discordant(first, back, None) == discordant(first, second, None)


def test_photographs_of_one_class_are_counted_by_themselves() -> None:
    first = predictions([[2, 1, 0], [1, 1, 1], [0, 0, 2]])
    second = predictions([[0, 3, 0], [0, 3, 0], [0, 1, 1]])
    found = {name: discordant(first, second, name) for name in CLASSES}
    assert found == {"dog": (2, 0), "human": (0, 2), "snake": (1, 0)}
    assert discordant(first, second, None) == (3, 2)


def test_p_values_done_by_hand() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(0, 5) == pytest.approx(2 * 0.5**5)
    assert mcnemar(1, 5) == pytest.approx(2 * 7 * 0.5**6)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(st.integers(0, 40), st.integers(0, 40))
def test_p_values_are_statsmodels(only_reference: int, only_this: int) -> None:
    exact = statsmodels_mcnemar([[7, only_reference], [only_this, 9]], exact=True)
    assert mcnemar(only_reference, only_this) == pytest.approx(min(exact.pvalue, 1), abs=1e-9)


@settings(max_examples=25)  # multipletests takes 0.1 s for each
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_corrected_p_values_are_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-9)


def test_several_tests_keep_their_keys_and_are_corrected_together() -> None:
    found = mcnemar_tests({("b", "dog"): (0, 6), ("b", "human"): (3, 3), ("c", "dog"): (1, 5)})
    assert [*found] == [("b", "dog"), ("b", "human"), ("c", "dog")]
    least = 2 * 0.5**6
    assert found["b", "dog"] == pytest.approx((0, 6, least, 3 * least))
    assert found["b", "human"] == Outcome(3, 3, 1.0, 1.0)
    assert found["c", "dog"].p_value_holm == pytest.approx(2 * found["c", "dog"].p_value)
