"""A model keeps the features of its training photographs: rare classes whole, no names."""

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.core.errors import UserError
from ballast.core.manifest import Row
from ballast.model.training_photographs import (
    ENTRY,
    TrainingPhotographs,
    kept_rows,
    needed_training_photographs,
    read_training_photographs,
    to_bytes,
)

KNOWN = TrainingPhotographs(
    np.array([[1, 65535], [0, 3]], np.uint16),
    np.array([0, 1]),
    np.array([7, 9]),
    np.array([[0.12341, 0.87659], [np.nan, np.nan]]),
)


def row(class_: str, number: int) -> Row:
    return Row(f"{class_}/{number}.jpg", class_, "train", str(number), f"{number:064}", 9, 9)


def saved(path: Path, data: bytes | None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        if data is not None:
            archive.writestr(ENTRY, data)
    return path


def test_what_a_model_keeps_can_be_read(tmp_path: Path) -> None:
    found = read_training_photographs(saved(tmp_path / "model.keras", to_bytes(KNOWN)))
    assert found is not None
    assert found.features.dtype == np.uint16
    assert np.array_equal(found.features, KNOWN.features)
    assert np.array_equal(found.labels, KNOWN.labels)
    assert np.array_equal(found.groups, KNOWN.groups)
    rounded = [[0.1234, 0.8766], [np.nan, np.nan]]
    assert np.array_equal(found.held_out, rounded, equal_nan=True)


def test_equal_photographs_yield_equal_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = to_bytes(KNOWN)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert to_bytes(KNOWN) == first
    nearly = KNOWN._replace(held_out=KNOWN.held_out + 1e-12)  # as another processor computes
    assert to_bytes(nearly) == first


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.savez(file, **KNOWN._replace(labels=np.array([{}], object))._asdict())
    with pytest.raises(UserError, match="damaged"):
        read_training_photographs(saved(tmp_path / "model.keras", file.getvalue()))


def test_a_model_that_keeps_none_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    none = saved(tmp_path / "none.keras", None)
    assert read_training_photographs(none) is None
    with pytest.raises(UserError, match=r"none\.keras: keeps no training photographs"):
        needed_training_photographs(none)
    with pytest.raises(UserError, match=r"missing\.keras: no such file"):
        read_training_photographs(tmp_path / "missing.keras")
    with pytest.raises(UserError, match=r"half\.keras: incomplete or damaged"):
        read_training_photographs(saved(tmp_path / "half.keras", to_bytes(KNOWN)[:200]))


@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 12), min_size=1), st.integers(0, 40))
def test_classes_share_the_room_alike_and_rare_ones_are_whole(
    sizes: dict[str, int], most: int
) -> None:
    rows = [row(name, number) for name, size in sizes.items() for number in range(size)]
    kept = kept_rows(rows, most)
    assert len(kept) == min(most, len(rows))
    assert kept == sorted(kept, key=lambda found: (found.class_, found.sha256))
    counts = Counter(found.class_ for found in kept)
    largest = max((counts[name] for name in sizes), default=0)
    assert all(counts[name] >= min(size, largest - 1) for name, size in sizes.items())


def test_names_and_order_of_files_do_not_change_what_is_kept() -> None:
    rows = [row("a", number) for number in range(9)]
    named = [found._replace(path=f"a/other{found.sha256}.jpg") for found in rows[::-1]]
    assert {found.sha256 for found in kept_rows(named, 4)} == {
        found.sha256 for found in kept_rows(rows, 4)
    }
