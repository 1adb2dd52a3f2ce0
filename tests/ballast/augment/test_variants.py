"""Variants have the same bytes from a store or made anew; source and number name each."""

import io
import math
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image

from ballast.augment.variants import (
    _most_rounds,
    augmented_images,
    augmented_path,
    drawn_rounds,
    oversampled_images,
    resized_pixels,
)
from ballast.balance.oversampling import plan_rounds, target_counts
from ballast.core.errors import UserError
from ballast.core.images import image_array
from ballast.core.manifest import Row
from ballast.core.params import Params
from ballast.core.store import ContentStore


def test_round_0_is_the_photograph_and_the_others_are_variants(
    digits: dict[str, list[bytes]], shipped: Params
) -> None:
    data = digits["two"][0]
    pixels = resized_pixels(data, 32)
    drawn = drawn_rounds(sha256(data).hexdigest(), range(5), 42, shipped.augment)
    images = [*augmented_images(pixels, 32, drawn, shipped.augment.quality).values()]
    assert Counter(Image.open(io.BytesIO(image)).format for image in images) == {"JPEG": 5}
    original = image_array(data, 32).astype(int)
    differences = [np.abs(image_array(i, 32).astype(int) - original).mean() for i in images]
    assert differences[0] < 3
    assert min(differences[1:]) > 3
    assert len(set(images)) == 5


def test_an_image_is_the_same_whatever_others_are_made_with_it(
    digits: dict[str, list[bytes]], shipped: Params
) -> None:
    pixels = resized_pixels(digits["two"][0], 16)

    def make(rounds: Sequence[int]) -> dict[int, bytes]:
        drawn = drawn_rounds("ab" * 32, rounds, 42, shipped.augment)
        return augmented_images(pixels, 16, drawn, shipped.augment.quality)

    every = make(range(6))
    assert [*every] == [0, 1, 2, 3, 4, 5]
    for some in (range(3), [5, 0, 2]):
        assert make(some) == {round_: every[round_] for round_ in some}


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


class Oversampling(NamedTuple):
    """A folder of photographs with a store beside it."""

    raw: Path
    rows: list[Row]
    params: Params

    def run(
        self,
        factor: int = 2,
        *,
        photographs: int = 5,
        store: ContentStore | None = None,
        workers: int = 1,
        seed: int = 42,
        size: int = 16,
        **bounds: object,
    ) -> tuple[list[tuple[str, int, bytes, str]], list[int]]:
        """The images, and which rounds were made anew."""
        store = store or ContentStore(self.raw.parent / "store", 64)
        chosen = [row for row in self.rows if int(Path(row.path).stem) < photographs]
        counts = Counter(row.class_ for row in chosen)
        plan = plan_rounds(chosen, target_counts(counts, factor, oversample=True))
        augment = replace(self.params.augment, **bounds)
        runtime = replace(self.params.runtime, workers=workers)
        made: list[int] = []
        with patch("ballast.augment.variants.augmented_images", wraps=augmented_images) as make:
            images = [
                (row.path, round_, image.data, image.sha256)
                for row, round_, image in oversampled_images(
                    plan, self.raw, seed, size, augment, store, runtime
                )
            ]
            made += [round_ for call in make.call_args_list for round_ in call.args[2]]
        return images, made

    def cold(self, *arguments: object, **changes: Any) -> list[tuple[str, int, bytes, str]]:  # noqa: ANN401
        """The images of a run without a store."""
        none = ContentStore(self.raw.parent / "none", 0)
        return self.run(*arguments, store=none, **changes)[0]  # type: ignore[arg-type]


@pytest.fixture
def oversampling(
    write_digits: Callable[..., None], shipped: Params, tmp_path: Path
) -> Oversampling:
    """Six zeros and two ones, the last of which has the bytes of a zero."""
    raw = tmp_path / "raw"
    write_digits(raw, zero=6, one=2)
    (raw / "one/001.png").write_bytes((raw / "zero/003.png").read_bytes())
    found = []
    for path in sorted(raw.glob("*/*")):
        digest = sha256(path.read_bytes()).hexdigest()
        name = path.relative_to(raw).as_posix()
        found.append(Row(name, path.parent.name, "train", "", digest, 16, 16))
    return Oversampling(raw, found, shipped)


def test_a_second_run_makes_nothing_and_gives_the_same(oversampling: Oversampling) -> None:
    first, made = oversampling.run()
    assert len(made) == len(first) == 20
    again, made = oversampling.run()
    assert made == []
    assert again == first == oversampling.cold()
    assert [sha for *_, sha in again] == [sha256(image).hexdigest() for _, _, image, _ in again]


def test_a_higher_factor_makes_the_missing_rounds_alone(oversampling: Oversampling) -> None:
    oversampling.run(3)
    more, made = oversampling.run(4)
    # 3 for each zero became 4, and 7 or 8 for each one 10. One zero is a one, too.
    assert len(made) == 4 + 5
    assert more == oversampling.cold(4)
    fewer, made = oversampling.run(2)
    assert made == []
    assert fewer == oversampling.cold(2)


def test_one_more_photograph_makes_what_it_takes(oversampling: Oversampling) -> None:
    oversampling.run()
    more, made = oversampling.run(photographs=6)
    assert len(made) == 4  # two of its own, and one of each of the two ones
    assert more == oversampling.cold(photographs=6)


def test_a_photograph_may_have_another_name(oversampling: Oversampling) -> None:
    before, _ = oversampling.run()
    (oversampling.raw / "zero/000.png").rename(oversampling.raw / "zero/4.png")
    renamed = [
        row._replace(path="zero/4.png") if row.path == "zero/000.png" else row
        for row in oversampling.rows
    ]
    after, made = oversampling._replace(rows=renamed).run()
    assert made == []
    assert [image for _, _, image, _ in after] == [image for _, _, image, _ in before]


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"size": 17}, {"quality": 50}, {"rotate": 20.0}, {"flip": None}]
)
def test_what_shapes_an_image_makes_it_anew_and_back_again_costs_nothing(
    oversampling: Oversampling, change: dict[str, Any]
) -> None:
    before, _ = oversampling.run()
    other, made = oversampling.run(**change)
    assert len(made) == 20
    assert other == oversampling.cold(**change) != before
    back, made = oversampling.run()
    assert made == []
    assert back == before


@given(data=st.data())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_anywhere_in_the_store_changes_no_byte(
    oversampling: Oversampling, data: st.DataObject
) -> None:
    shutil.rmtree(oversampling.raw.parent / "store", ignore_errors=True)
    first, _ = oversampling.run()
    files = sorted((oversampling.raw.parent / "store").glob("*/*"))
    file = data.draw(st.sampled_from(files))
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert oversampling.run(3)[0] == oversampling.cold(3)
    assert oversampling.run()[0] == first
    assert oversampling.run()[1] == []


def test_a_store_that_is_too_small_changes_no_byte(oversampling: Oversampling) -> None:
    for _ in range(2):
        small = ContentStore(oversampling.raw.parent / "store", 1)
        small.room = 6000
        assert oversampling.run(store=small)[0] == oversampling.cold()
        files = (oversampling.raw.parent / "store").glob("*/*")
        assert sum(file.stat().st_size for file in files) <= 6000


def test_several_processes_make_the_same(oversampling: Oversampling) -> None:
    with patch("ballast.augment.variants._is_little", return_value=False):
        images, _ = oversampling.run(40, workers=2)
    assert images == oversampling.cold(40)
    assert oversampling.run(40)[1] == []


@given(images=st.integers(1, 100_000), workers=st.integers(1, 64))
def test_chunks_are_enough_for_every_process(images: int, workers: int) -> None:
    most = _most_rounds(images, workers)
    assert 8 <= most <= 128
    assert most == 8 or images / most > 3 * workers or most == math.ceil(images / (4 * workers))


def test_three_photographs_of_50_rounds_are_work_for_eight_processes() -> None:
    assert 3 * math.ceil(50 / _most_rounds(150, 8)) >= 2 * 8


def test_a_photograph_that_is_gone_is_told_in_its_turn(oversampling: Oversampling) -> None:
    (oversampling.raw / "zero/002.png").unlink()
    with pytest.raises(UserError, match=r"zero/002\.png: No such file"):
        oversampling.run()
