"""Runs on other photographs, or with other params besides the strategy, are refused."""

from typing import Any

import pytest

from ballast.comparison.checks import check_comparable, different_params
from ballast.core.errors import UserError
from ballast.core.manifest import Row

BOTH = ["dog", "human"]


def rows(*cells: tuple[str, str, str]) -> list[Row]:
    return [Row(f"{class_}/{name}", class_, "test", name, sha, 8, 8) for class_, name, sha in cells]


JUDGED = rows(("dog", "1.jpg", "a"), ("dog", "2.jpg", "b"), ("human", "1.jpg", "c"))


def check(
    first: list[Row],
    second: list[Row],
    classes: tuple[list[str], list[str]] = (BOTH, BOTH),
) -> None:
    names = ("baseline", "other")
    params: dict[str, dict[str, Any]] = {name: {} for name in names}
    check_comparable(
        dict(zip(names, (first, second), strict=True)),
        dict(zip(names, classes, strict=True)),
        params,
    )


def test_other_judged_photographs_are_refused() -> None:
    check(JUDGED, JUDGED)
    changed = [JUDGED[0], JUDGED[1]._replace(sha256="x"), JUDGED[2]]
    with pytest.raises(UserError, match=r"other: 1 judged .* dog/2.jpg .*class or content differs"):
        check(JUDGED, changed)
    with pytest.raises(UserError, match=r"other: 2 judged .* example dog/1.jpg \(only baseline"):
        check(JUDGED, JUDGED[2:])
    with pytest.raises(UserError, match="only other has it"):
        check(JUDGED[1:], JUDGED)


def test_classes_that_one_run_lacks_are_refused_even_if_none_of_them_was_judged() -> None:
    more = [*BOTH, "cat"]
    message = "^other: its classes differ from those of baseline: only other has cat; compare"
    with pytest.raises(UserError, match=message):
        check(JUDGED, JUDGED, (BOTH, more))
    with pytest.raises(UserError, match=r"^other: .* of baseline: only baseline has cat; compare"):
        check(JUDGED, JUDGED, (more, BOTH))


def test_judged_photographs_may_be_of_another_subset() -> None:
    check(JUDGED, [row._replace(split="train") for row in JUDGED])


def test_params_may_differ_in_the_strategy_alone() -> None:
    manifests, classes = {"a": JUDGED, "b": JUDGED}, {"a": BOTH, "b": BOTH}
    params = {
        "a": {"strategy": "x", "strategies.x.oversample": True, "train.epochs": 3},
        "b": {"strategy": "y", "strategies.x.oversample": False, "train.epochs": 3},
    }
    check_comparable(manifests, classes, params)
    params["b"] |= {"train.epochs": 4, "augment.new": 1}
    assert different_params(params)["augment.new"] == {"a": None, "b": 1}
    with pytest.raises(UserError, match=r"than the strategy: augment.new, train.epochs;"):
        check_comparable(manifests, classes, params)
    check_comparable(manifests, classes, params, allow_different_params=True)
