"""The checks before DVC reads params.yaml."""

from pathlib import Path

import pytest

from ballast.commands.check import check_reading
from ballast.core.errors import UserError
from ballast.core.params import parse_params

TEXT = (Path(__file__).parents[3] / "params.yaml").read_text(encoding="utf-8")


def test_the_shipped_params_are_read_alike() -> None:
    check_reading(parse_params(TEXT), TEXT)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            TEXT.replace("seed: 42", "seed: 010"),
            "params.yaml: seed: Ballast (YAML 1.1) reads this number as 8, DVC (YAML 1.2) as 10;"
            " write it without leading zeros",
        ),
        (
            TEXT.replace("raw: data/sample", "raw: 1e3"),
            "params.yaml: data.raw: Ballast (YAML 1.1) reads this number as 1e3, DVC (YAML 1.2) as"
            " 1000.0; write it in quotes",
        ),
        (
            f"{TEXT}\nseed: 7",
            'params.yaml line 99, column 1: found duplicate key "seed" with value "7"',
        ),
    ],
)
def test_what_dvc_reads_otherwise_or_not_at_all_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        check_reading(parse_params(text), text)
    assert str(caught.value).startswith(problem)
