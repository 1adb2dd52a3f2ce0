"""The user's values, in the text of another version."""

from pathlib import Path

import pytest

from ballast.core.errors import UserError
from ballast.core.params import parse_params
from ballast.vendoring.params import updated

SHIPPED = (Path(__file__).parents[3] / "params.yaml").read_text(encoding="utf-8")


def changed(old: str, new: str) -> str:
    assert old in SHIPPED
    return SHIPPED.replace(old, new)


def test_the_same_version_changes_nothing() -> None:
    assert updated(SHIPPED, SHIPPED) == (SHIPPED, [], [], [])


def test_every_kind_of_value_is_kept() -> None:
    own = (
        changed("labels: # null;", "labels: {table: my.csv, class: kind} # null;")
        .replace("exclude: []", 'exclude: ["*_mask.png", "/a b/"]')
        .replace("range: # of greys", "range: [-200, 300] # of greys")
        .replace("group: # null;", "group: '1e3' # null;")
        .replace("fold: 0 #", "fold: #")
    )
    found = updated(SHIPPED, own)
    assert parse_params(found.text) == parse_params(own)
    assert sorted(found.kept) == [
        "data.exclude", "data.labels", "data.range", "split.fold", "split.group",
    ]  # fmt: skip


def test_a_missing_key_gets_its_default_and_one_that_is_gone_is_named() -> None:
    own = changed("  val: 0.15 #", "  value: 0.15 #").replace(
        "seed: 42\n", "seed: 42\nold: {a: 1}\n"
    )
    found = updated(SHIPPED, own)
    assert found.text == SHIPPED
    assert (found.added, found.gone, found.kept) == (["split.val"], ["old", "split.value"], [])


def test_strategies_stay_whole_and_removed_ones_come_back() -> None:
    row = "    class_weights:\n    balanced_batches: false\n"
    mine = f"  mine: # measured\n    oversample: true\n{row}"
    (line,) = [line for line in SHIPPED.splitlines(True) if "balanced_val: false" in line]
    own = (
        changed(line, "")
        .replace("  balanced: #", f"{mine}    sharpness: 3\n  balanced: #")
        .replace("  weights:\n    oversample: false\n    class_weights: balanced\n"
                 "    balanced_batches: false\n", "")
    )  # fmt: skip
    found = updated(SHIPPED, own)
    assert mine in found.text
    assert found.added == ["strategies.weights"]
    assert found.gone == ["strategies.mine.sharpness"]
    strategies = parse_params(found.text).strategies
    assert strategies["baseline"].balanced_val, "the key was removed, so its default holds"
    assert {*strategies} == {*parse_params(SHIPPED).strategies, "mine"}


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("seed: [", "params.yaml line 1, column 8: "),
        ("- 1\n", "params.yaml: must be a mapping of keys to values"),
        (changed("seed: 42", "seed: many"), "params.yaml: seed: must be an integer"),
        (changed("data:\n", "data: 1\nolder:\n"), "params.yaml: data: must be a mapping"),
    ],
)
def test_what_cannot_be_kept_is_refused(own: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        updated(SHIPPED, own)
    assert str(caught.value).startswith(message)
