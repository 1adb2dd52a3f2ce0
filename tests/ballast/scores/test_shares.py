"""Shares are rounded alike, whether they are written as 0.975 or as 97.5 %."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.scores.intervals import Interval, interval_text
from ballast.scores.shares import percent, rounded


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0"),
        (1e-12, "0"),
        (0.001, "0.1"),
        (0.0001, "0.1"),
        (0.004, "0.4"),
        (0.126, "13"),
        (0.915, "92"),
        (0.975, "98"),
        (0.996, "99.6"),
        (0.9999, "99.9"),
        (1 - 1e-12, "100"),
        (1.0, "100"),
        (None, "\N{EN DASH}"),
    ],
)
def test_a_percentage_never_says_none_or_all_of_some(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@given(st.integers(1, 400), st.data())
def test_a_table_and_a_sentence_round_a_share_alike(n: int, data: st.DataObject) -> None:
    """Whatever the order of a mean's sum, and as one does it by hand: half a percent goes up."""
    k = data.draw(st.integers(0, n))
    by_hand = (Fraction(200 * k, n) + 1) // 2
    for share in (k / n, sum([1 / n] * k), 1 - (n - k) / n):
        assert rounded(share, 2) * 100 == by_hand
        table = interval_text(Interval(share, share, share), digits=2).split()[0]
        assert table == f"{by_hand // 100}.{by_hand % 100:02d}"
        assert percent(share) == str(by_hand) or by_hand in (0, 100)


def test_halves_of_a_difference_go_away_from_zero() -> None:
    assert [str(rounded(points, 0)) for points in (2.5, -2.5, -0.4)] == ["3", "-3", "-0"]
    assert [percent(0.9225, 1), percent(0.9996, 1)] == ["92.3", "99.9"]
