"""Runs on other photographs, or with other params besides the strategy, are refused."""

from typing import Any

import pytest

from ballast.comparison.checks import check_comparable, different_params
from ballast.core.errors import UserError
from ballast.core.manifest import Row


def rows(*cells: tuple[str, str, str]) -> list[Row]:
    return [Row(f"{class_}/{name}", class_, "test", name, sha, 8, 8) for class_, name, sha in cells]


def test_other_test_photographs_are_refused() -> None:
    first = rows(("dog", "1.jpg", "a"), ("dog", "2.jpg", "b"), ("human", "1.jpg", "c"))
    params: dict[str, dict[str, Any]] = {"baseline": {}, "other": {}}
    check_comparable({"baseline": first, "other": first}, params)
    changed = rows(("dog", "1.jpg", "a"), ("dog", "2.jpg", "x"), ("human", "1.jpg", "c"))
    with pytest.raises(UserError, match=r"other: 1 test .* dog/2.jpg .*class or content differs"):
        check_comparable({"baseline": first, "other": changed}, params)
    with pytest.raises(UserError, match=r"other: 2 test .* example dog/1.jpg \(only baseline"):
        check_comparable({"baseline": first, "other": first[2:]}, params)
    with pytest.raises(UserError, match="only other has it"):
        check_comparable({"baseline": first[1:], "other": first}, params)
    trained = [*first, first[0]._replace(path="cat/1.jpg", class_="cat", split="train")]
    message = "other: its classes differ from those of baseline: only other has cat; compare"
    with pytest.raises(UserError, match=message):
        check_comparable({"baseline": first, "other": trained}, params)
    with pytest.raises(UserError, match=r"^other: .* of baseline: only baseline has cat; compare"):
        check_comparable({"baseline": trained, "other": first}, params)
    moved = [*first, first[0]._replace(path="dog/9.jpg", split="train")]
    check_comparable({"baseline": first, "other": moved}, params)


def test_params_may_differ_in_the_strategy_alone() -> None:
    first = rows(("dog", "1.jpg", "a"))
    manifests = {"a": first, "b": first}
    params = {
        "a": {"strategy": "x", "strategies.x.oversample": True, "train.epochs": 3},
        "b": {"strategy": "y", "strategies.x.oversample": False, "train.epochs": 3},
    }
    check_comparable(manifests, params)
    params["b"] |= {"train.epochs": 4, "augment.new": 1}
    assert different_params(params)["augment.new"] == {"a": None, "b": 1}
    with pytest.raises(UserError, match=r"than the strategy: augment.new, train.epochs;"):
        check_comparable(manifests, params)
    check_comparable(manifests, params, allow_different_params=True)
