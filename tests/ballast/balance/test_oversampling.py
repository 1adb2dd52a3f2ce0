"""Oversampling reaches exact counts, whatever photographs are called."""

from collections import Counter
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from ballast.balance.oversampling import plan_rounds, target_counts
from ballast.core.manifest import Row


def rows(count: int, class_: str = "dog") -> list[Row]:
    return [
        Row(f"{class_}/{i}.png", class_, "train", "", sha256(str(i).encode()).hexdigest(), 16, 16)
        for i in range(count)
    ]


def test_factor_3_and_62_photographs_give_105_in_every_class() -> None:
    counts = {"human": 24, "dog": 3, "snake": 35}
    targets = target_counts(counts, 3, oversample=True)
    assert targets == {"human": 105, "dog": 105, "snake": 105}
    photos = [row for name, count in counts.items() for row in rows(count, name)]
    planned: Counter[str] = Counter()
    for row, rounds in plan_rounds(photos, targets):
        planned[row.class_] += rounds
    assert planned == targets


def test_without_oversampling_a_class_gets_a_multiple_of_its_own() -> None:
    assert target_counts({"dog": 3, "snake": 35}, 3, oversample=False) == {"dog": 9, "snake": 105}


@given(count=st.integers(1, 60), extra=st.integers(0, 300))
def test_rounds_sum_to_the_target_and_differ_by_one_at_most(count: int, extra: int) -> None:
    target = count + extra
    plan = plan_rounds(rows(count), {"dog": target})
    rounds = [rounds for _, rounds in plan]
    assert sum(rounds) == target
    assert max(rounds) == max(1, -(-target // count))
    assert max(rounds) - min(rounds) <= 1
    assert len({row for row, _ in plan}) == count


def test_the_plan_depends_on_content_not_on_names_or_order() -> None:
    photos = rows(7)
    renamed = [row._replace(path=f"dog/z{i}.png") for i, row in enumerate(reversed(photos))]
    by_content = {row.sha256: rounds for row, rounds in plan_rounds(photos, {"dog": 17})}
    assert {row.sha256: rounds for row, rounds in plan_rounds(renamed, {"dog": 17})} == by_content
