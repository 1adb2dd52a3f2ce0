"""Oversampling: exact to the image, each image named by its source and its round."""

import io
from collections import Counter
from functools import partial
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ballast.images import image_array
from ballast.manifest import Row
from ballast.oversampling import (
    augmented_images,
    augmented_path,
    fine_samples,
    plan_rounds,
    target_counts,
)
from ballast.params import Params


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


def test_round_0_is_the_photograph_and_the_others_are_variants(
    digits: dict[str, list[bytes]], shipped: Params
) -> None:
    data = digits["two"][0]
    samples = fine_samples(data, 32)
    images = augmented_images(samples, sha256(data).hexdigest(), range(5), 42, 32, shipped.augment)
    assert Counter(Image.open(io.BytesIO(image)).format for image in images) == {"JPEG": 5}
    original = image_array(data, 32).astype(int)
    differences = [np.abs(image_array(i, 32).astype(int) - original).mean() for i in images]
    assert differences[0] < 3
    assert min(differences[1:]) > 3
    assert len(set(images)) == 5


def test_an_image_is_the_same_whatever_others_are_made_with_it(
    digits: dict[str, list[bytes]], shipped: Params
) -> None:
    samples = fine_samples(digits["two"][0], 16)
    make = partial(augmented_images, samples, "ab" * 32, seed=42, size=16, augment=shipped.augment)
    every = make(rounds=range(6))
    assert make(rounds=range(3)) == every[:3]
    assert make(rounds=[5, 0, 2]) == [every[5], every[0], every[2]]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dog/rex.jpg", "dog/rex-0123456789ab-r007.jpg"),
        ("train/dog/a.b.png", "dog/a.b-0123456789ab-r007.jpg"),
        ("dog/noext", "dog/noext-0123456789ab-r007.jpg"),
    ],
)
def test_a_name_tells_source_and_round(path: str, expected: str) -> None:
    row = Row(path, "dog", "train", "", "0123456789abcdef", 16, 16)
    assert augmented_path(row, 7) == expected


def test_a_long_name_still_fits_a_file_system() -> None:
    row = Row(f"dog/{'ü' * 120}.jpg", "dog", "train", "", "0123456789abcdef", 16, 16)
    assert len(augmented_path(row, 7).encode()) < 150
