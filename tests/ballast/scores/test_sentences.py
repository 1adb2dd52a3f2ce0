"""Figures in sentences are readable, and never separated from their sign."""

import pytest

from ballast.scores.intervals import Interval
from ballast.scores.sentences import photographs, range_text, typeset


@pytest.mark.parametrize("sentence", ["60 to 86% of 7", "60 to 86 % of 7"])
def test_a_percent_sign_stays_with_its_number(sentence: str) -> None:
    assert typeset(sentence) == "60 to 86\N{NO-BREAK SPACE}% of 7"


def test_a_sentence_without_a_percent_sign_stays_as_it_is() -> None:
    assert typeset("dog has 1 photograph.") == "dog has 1 photograph."


def test_a_range_is_of_whole_percents() -> None:
    assert range_text(Interval(0.75, 0.5981, 0.8581)) == "60 to 86%"
    assert range_text(Interval(0.0, 0.0, 1.0)) == "0 to 100%"


def test_one_photograph_is_no_plural() -> None:
    assert [photographs(n) for n in (0, 1, 2)] == ["0 photographs", "1 photograph", "2 photographs"]
