"""What was found in the same hashes is not searched for again, and nothing else is believed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ballast.dataset import copies_cache
from ballast.dataset.copies_cache import cached_copies
from ballast.dataset.duplicates import HASHES, Copies, find_copies

LABELS = [0, 1, 0, 1]
ORDER = np.array([2, 0, 3, 1])
# Each argument, changed.
CHANGES: dict[str, Any] = {
    "hashes": lambda of: of[::-1],
    "max_bits": lambda _: 30,
    "labels": lambda _: [0, 0, 0, 1],
    "ways": lambda _: [1],
    "order": lambda _: np.array([0, 2, 3, 1]),
}


@pytest.fixture
def arguments() -> dict[str, Any]:
    """Two pairs of pictures that differ in one bit."""
    hashes = np.random.default_rng(1).integers(0, 256, (4, HASHES * 32), np.uint8)
    hashes[1], hashes[3] = hashes[0], hashes[2]
    hashes[1:4:2, ::32] ^= 1
    return {"hashes": hashes, "max_bits": 31, "labels": LABELS, "ways": [], "order": ORDER}


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of pictures of each search."""
    counts = []

    def search(hashes: NDArray[np.uint8], *rest: Any) -> Copies:  # noqa: ANN401
        counts.append(len(hashes))
        return find_copies(hashes, *rest)

    monkeypatch.setattr(copies_cache, "find_copies", search)
    return counts


def same(one: Copies, other: Copies) -> bool:
    return all(map(np.array_equal, one, other))


def test_the_same_are_searched_once(
    arguments: dict[str, Any], searches: list[int], tmp_path: Path
) -> None:
    first, again = (cached_copies(tmp_path / "new/copies.npz", **arguments) for _ in range(2))
    assert searches == [4]
    assert same(first, again)
    assert same(first, find_copies(**arguments))
    assert len({*first.sets.tolist()}) == 2


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_anything_is_a_new_search(
    arguments: dict[str, Any], searches: list[int], tmp_path: Path, name: str
) -> None:
    cached_copies(tmp_path / "copies.npz", **arguments)
    changed = arguments | {name: CHANGES[name](arguments[name])}
    assert same(cached_copies(tmp_path / "copies.npz", **changed), find_copies(**changed))
    assert len(searches) == 2


def test_a_damaged_file_is_no_result(
    arguments: dict[str, Any], searches: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "copies.npz"
    expected = cached_copies(path, **arguments)
    whole = path.read_bytes()
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place])
        assert same(cached_copies(path, **arguments), expected)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert same(cached_copies(path, **arguments), expected)
    assert len(searches) > 100


def test_where_nothing_can_be_written_it_is_found_all_the_same(
    arguments: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    found = cached_copies(tmp_path / "file/copies.npz", **arguments)
    assert same(found, find_copies(**arguments))
