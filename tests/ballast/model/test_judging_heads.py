"""Heads are written and read without loss, and nothing else passes for them."""

from pathlib import Path

import numpy as np
import pytest
from damage import FLIPS, damages

from ballast.core.errors import UserError
from ballast.model.head_fitting import fit_head
from ballast.model.judging_heads import heads_bytes, read_heads


def test_heads_are_the_same_after_reading(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    features, labels = random.integers(0, 99, (12, 5)).astype(np.float64), np.arange(12) % 3
    heads = [
        fit_head(features, labels, np.arange(12), weights, np.zeros(3), balanced=True)
        for weights in random.uniform(1, 2, (2, 12))
    ]
    path = tmp_path / "heads.npz"
    path.write_bytes(heads_bytes(heads))
    for head, found in zip(heads, read_heads(path), strict=True):
        assert np.array_equal(found.weights, head.weights)
        assert np.array_equal(found.bias, head.bias)


def test_there_may_be_none(tmp_path: Path) -> None:
    (tmp_path / "heads.npz").write_bytes(heads_bytes([]))
    assert read_heads(tmp_path / "heads.npz") == []


@pytest.mark.parametrize("data", [b"", b"path,true\n", heads_bytes([])[:60]])
def test_a_damaged_file_is_an_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "heads.npz").write_bytes(data)
    with pytest.raises(UserError, match=r"heads\.npz: edited or damaged"):
        read_heads(tmp_path / "heads.npz")


@pytest.mark.parametrize("flipped", FLIPS)
def test_no_damaged_byte_yields_other_heads(tmp_path: Path, flipped: int) -> None:
    path, whole = tmp_path / "heads.npz", heads_bytes([])
    refused = 0
    for damaged in damages(whole, flipped):
        path.write_bytes(damaged)
        try:
            assert read_heads(path) == []  # such as a byte of a time
        except UserError:
            refused += 1
    assert refused > len(whole) / 2
