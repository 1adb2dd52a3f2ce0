"""Copies among the same pictures are not searched for again, and nothing else is believed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ballast.dataset import copies_cache
from ballast.dataset.copies_cache import cached_copies
from ballast.dataset.duplicates import Copies
from ballast.workers.versions import code_versions

COPIES = Copies(np.array([0, 1, 0, 2]), np.array([3, 256, 3, 256]), np.array([[1, 3, 2]]))
PICTURES = [("aa", 0), ("bb", 1), ("cc", 0), ("dd", 1)]
SETTINGS = {"max_bits": 31, "ways": (1, 2)}
CHANGES: dict[str, dict[str, Any]] = {
    "content": {"pictures": [("ab", 0), *PICTURES[1:]]},
    "label": {"pictures": [("aa", 1), *PICTURES[1:]]},
    "order": {"pictures": PICTURES[::-1]},
    "one less": {"pictures": PICTURES[:-1]},
    "max_bits": {"settings": SETTINGS | {"max_bits": 30}},
    "ways": {"settings": SETTINGS | {"ways": (1,)}},
}


class Searches:
    """Counts the searches for copies."""

    count = 0

    def __call__(self) -> Copies:
        """Find some."""
        self.count += 1
        return COPIES


@pytest.fixture
def find() -> Searches:
    """A search for copies."""
    return Searches()


def same(one: Copies, other: Copies) -> bool:
    return all(map(np.array_equal, one, other))


def cached(
    path: Path,
    find: Callable[[], Copies],
    pictures: Sequence[tuple[str, int]] = PICTURES,
    settings: Mapping[str, object] = SETTINGS,
) -> Copies:
    return cached_copies(path, iter(pictures), settings, find)


def test_the_same_are_searched_once(find: Searches, tmp_path: Path) -> None:
    first, again = (cached(tmp_path / "new/copies.bin", find) for _ in range(2))
    assert same(first, COPIES)
    assert same(again, COPIES)
    assert find.count == 1


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_anything_is_a_new_search(find: Searches, tmp_path: Path, name: str) -> None:
    cached(tmp_path / "copies.bin", find)
    cached(tmp_path / "copies.bin", find, **CHANGES[name])
    assert find.count == 2


def test_other_versions_are_a_new_search(
    find: Searches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = code_versions()
    cached(tmp_path / "copies.bin", find)
    monkeypatch.setattr(copies_cache, "code_versions", lambda: versions | {"pillow": "1.0"})
    cached(tmp_path / "copies.bin", find)
    assert find.count == 2


def test_a_damaged_file_is_no_result(find: Searches, tmp_path: Path) -> None:
    path = tmp_path / "copies.bin"
    cached(path, find)
    whole = path.read_bytes()
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place])
        assert same(cached(path, find), COPIES)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert same(cached(path, find), COPIES)
    assert find.count > 100


def test_where_nothing_can_be_written_it_is_found_all_the_same(
    find: Searches, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert same(cached(tmp_path / "file/copies.bin", find), COPIES)
