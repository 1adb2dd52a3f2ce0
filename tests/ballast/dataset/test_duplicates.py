"""Near duplicates: copies are found, other pictures are not, in n log n."""

from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ballast.dataset import duplicates
from ballast.dataset.duplicates import (
    HASHES,
    HORIZONTAL,
    VERTICAL,
    HashTable,
    find_copies,
    merge,
    perceptual_hashes,
)
from benchmarks.near_duplicates import COPIES

MAX_BITS = 31


def picture(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """Soft coloured blobs, as different from one another as photographs are."""
    values = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)


def hashed(*images: Image.Image) -> NDArray[np.uint8]:
    """The hashes of pictures, a row each."""
    table = HashTable()
    assert [table.append(perceptual_hashes(image)) for image in images] == [*range(len(images))]
    return table.rows()


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_found_and_nothing_else(how: str) -> None:
    originals = [picture(seed) for seed in range(20)]
    copies = [COPIES[how](image) for image in originals]
    hashes = hashed(*originals, *copies)
    sets, bits, _ = find_copies(hashes, MAX_BITS)
    assert np.array_equal(sets[:20], sets[20:])
    assert len(set(sets)) == 20
    assert bits.max() <= MAX_BITS


def test_the_first_hash_is_imagehash_s_own() -> None:
    image = picture(1, (128, 128))
    small = image.convert("L").resize((64, 64), Image.Resampling.BILINEAR)
    expected = np.packbits(imagehash.phash(small, 16).hash).tobytes()
    assert perceptual_hashes(image)[:32] == expected


def test_copies_of_copies_are_one_set() -> None:
    hash_a = np.zeros((HASHES, 256), dtype=np.uint8)
    hash_b, hash_c = hash_a.copy(), hash_a.copy()
    hash_b[:, :20] = 1
    hash_c[:, :40] = 1
    hashes = np.packbits([hash_a, hash_b, hash_c], axis=2).reshape(3, -1)
    sets, bits, _ = find_copies(hashes, 20)
    assert len(set(sets)) == 1
    assert bits.tolist() == [20, 20, 20]
    sets, bits, _ = find_copies(hashes, 19)
    assert len(set(sets)) == 3
    assert bits.tolist() == [256, 256, 256]


@settings(max_examples=20)
@given(
    flips=st.lists(st.integers(0, 24), min_size=1, max_size=30),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_copy_is_found_among_many_others(flips: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    others = generator.integers(0, 2, (300, HASHES, 256), dtype=np.uint8)
    copies = generator.integers(0, 2, (len(flips), HASHES, 256), dtype=np.uint8)
    for index, count in enumerate(flips):
        first = others[index, 0].copy()
        first[generator.permutation(256)[:count]] ^= 1
        copies[index, 0] = first
    codes = np.packbits(np.concatenate([others, copies]), axis=2)
    sets, *_ = find_copies(codes.reshape(len(codes), -1), MAX_BITS)
    found = sum(sets[index] == sets[300 + index] for index in range(len(flips)))
    assert found >= len(flips) - 1  # 1 in 400 of those that differ in 24 bits is missed
    assert len(set(sets)) == 300 + len(flips) - found


def test_many_that_are_all_alike_are_one_set() -> None:
    generator = np.random.default_rng(0)
    bits = generator.random((3000, HASHES, 256)) < 0.03
    hashes = np.packbits(bits, axis=2).reshape(3000, -1)
    sets, *_ = find_copies(hashes, MAX_BITS)
    assert len(set(sets)) == 1


def test_many_hashes_are_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pictures = [*map(picture, range(5))]
    few = hashed(*pictures)
    monkeypatch.setattr(duplicates, "IN_MEMORY", 2 * few.shape[1])
    many = hashed(*pictures)
    assert isinstance(many, np.memmap)
    assert not isinstance(few, np.memmap)
    assert np.array_equal(few, many)
    table = HashTable(tmp_path)
    table.append(few[0].tobytes())
    assert np.array_equal(table.rows(), few[:1])
    for row in few[1:]:
        table.append(row.tobytes())
    assert np.array_equal(table.rows(), few)
    assert np.array_equal(table.rows(), few)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_the_sizes_of_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    bits = np.repeat(generator.random((40, HASHES, 256)) < 0.5, 2, axis=0)
    bits ^= generator.random(bits.shape) < np.linspace(0.01, 0.2, 80)[:, None, None]
    hashes = np.packbits(bits, axis=2).reshape(80, -1)
    labels = [*generator.integers(0, 2, 80)]
    expected = find_copies(hashes, MAX_BITS, labels)
    assert 40 < len({*expected.sets}) < 80
    monkeypatch.setattr(duplicates, "BLOCK", block)
    monkeypatch.setattr(duplicates, "PAIRS", block)
    monkeypatch.setattr(duplicates, "SORTED", block)
    found = find_copies(hashes, MAX_BITS, labels)
    assert all(map(np.array_equal, found, expected))


@pytest.mark.parametrize("most", [10**6, 1])
def test_rows_are_given_in_another_order(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "IN_MEMORY", most)
    table, rows = HashTable(), hashed(*map(picture, range(4)))
    for row in rows[:3]:
        table.append(row.tobytes())
    assert np.array_equal(table.sorted_rows([2, 0]), rows[[2, 0]])
    table.append(rows[3].tobytes())  # after the last one, not after the one that was read
    assert np.array_equal(table.sorted_rows([3, 1, 2, 0]), rows[[3, 1, 2, 0]])
    assert table.sorted_rows([]).shape == (0, rows.shape[1])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_pictures(count: int) -> None:
    sets, bits, _ = find_copies(hashed(*map(picture, range(count))), MAX_BITS)
    assert len(set(sets)) == count
    assert bits.tolist() == [256] * count


def test_pictures_of_one_colour_are_hashed() -> None:
    flat = hashed(Image.new("RGB", (9, 5), "red"), Image.new("RGB", (9, 5), "red"))
    assert len(set(find_copies(flat, MAX_BITS)[0])) == 1


def mirrored(*ways: Image.Transpose) -> NDArray[np.uint8]:
    """Hashes of a picture, and of it mirrored."""
    image = picture(1)
    pictures = [image, *(image.transpose(way) for way in ways)]
    return hashed(*pictures)


@pytest.mark.parametrize(
    ("transpose", "way"),
    [
        (Image.Transpose.FLIP_LEFT_RIGHT, HORIZONTAL),
        (Image.Transpose.FLIP_TOP_BOTTOM, VERTICAL),
        (Image.Transpose.ROTATE_180, HORIZONTAL | VERTICAL),
    ],
)
def test_mirror_images_with_two_labels_are_copies_only_if_that_way_makes_them(
    transpose: Image.Transpose, way: int
) -> None:
    hashes = mirrored(transpose)
    alike = find_copies(hashes, MAX_BITS, [7, 7])
    assert alike.sets[0] == alike.sets[1]
    assert not len(alike.mirrors)
    apart = find_copies(hashes, MAX_BITS, [7, 8])
    assert apart.sets[0] != apart.sets[1]
    assert apart.bits.tolist() == [256, 256]
    assert apart.mirrors.tolist() == [[0, 1, way]]
    made = find_copies(hashes, MAX_BITS, [7, 8], [way])
    assert made.sets[0] == made.sets[1]
    assert made.bits.max() <= MAX_BITS
    assert made.mirrors.tolist() == [[0, 1, way]]


def test_pictures_that_are_alike_as_they_are_need_no_mirror() -> None:
    half = np.asarray(picture(1))
    image = Image.fromarray(np.concatenate([half, half[:, ::-1]], axis=1))
    pictures = [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    found = find_copies(hashed(*pictures), MAX_BITS, [7, 8])
    assert found.sets[0] == found.sets[1]
    assert not len(found.mirrors)


def test_merging_joins_whole_sets() -> None:
    sets = np.array([0, 0, 1, 2, 2, 3])
    merged = merge(sets, np.array([1]), np.array([3]))
    assert merged[0] == merged[1] == merged[3] == merged[4]
    assert len({merged[0], merged[2], merged[5]}) == 3
