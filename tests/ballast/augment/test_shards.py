"""Shards are tar files whose members hardly change when the images do."""

import hashlib
import re
import subprocess
import tarfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.augment.shards import append_image, close_shard, shard_names, training_image_reader
from ballast.core.errors import UserError
from ballast.core.manifest import AugmentedRow, Row

SIZE = 100
MOST = 5  # images a shard

Plan = dict[str, int]  # rounds by sha256

sha256s = st.integers(0, 2**32).map(lambda n: hashlib.sha256(b"%d" % n).hexdigest())
plans = st.dictionaries(sha256s, st.integers(1, 12), min_size=1, max_size=40)


def rows(plan: Plan) -> list[tuple[Row, int]]:
    return [(Row("", "", "train", "", sha256, 1, 1), rounds) for sha256, rounds in plan.items()]


def shards_of(plan: Plan) -> dict[str, set[tuple[str, int]]]:
    shards = defaultdict(set)
    for image, name in shard_names(rows(plan), SIZE, MOST * SIZE**2).items():
        shards[name].add(image)
    return dict(shards)


def changed(before: Plan, after: Plan) -> list[str]:
    """Shards of `before` that `after` does not have as they were."""
    kept = shards_of(after)
    return [name for name, images in shards_of(before).items() if images != kept.get(name)]


@given(plan=plans)
def test_every_image_is_in_one_shard_and_no_shard_is_too_full(plan: Plan) -> None:
    shards = shards_of(plan)
    images = [(sha256, round_) for sha256, rounds in plan.items() for round_ in range(rounds)]
    assert sorted(image for shard in shards.values() for image in shard) == sorted(images)
    assert max(map(len, shards.values())) <= MOST


@given(plan=plans, new=sha256s)
def test_one_image_more_changes_one_shard(plan: Plan, new: str) -> None:
    longest = min(plan, key=lambda sha256: (plan[sha256], sha256))
    assert len(changed(plan, {**plan, longest: plan[longest] + 1})) <= 1
    assert len(changed(plan, {new: 1} | plan)) <= 1


@given(plan=plans, new=sha256s, rounds=st.integers(1, 12))
def test_one_photograph_more_changes_a_shard_a_round_at_most(
    plan: Plan, new: str, rounds: int
) -> None:
    assert len(changed(plan, {new: rounds} | plan)) <= rounds


@given(photographs=st.sets(sha256s, min_size=1, max_size=40), rounds=st.integers(1, 9))
def test_one_round_more_for_all_changes_one_shard_at_most(
    photographs: set[str], rounds: int
) -> None:
    before = dict.fromkeys(sorted(photographs), rounds)
    assert len(changed(before, dict.fromkeys(before, rounds + 1))) <= 1


@given(plan=plans)
def test_shards_depend_on_the_images_and_not_on_their_order(plan: Plan) -> None:
    assert shards_of(dict(reversed(plan.items()))) == shards_of(plan)


def test_shards_grow_in_number_and_not_in_size() -> None:
    plan = {hashlib.sha256(b"%d" % n).hexdigest(): 3 for n in range(2000)}
    sizes = [len(images) for images in shards_of(plan).values()]
    assert 6000 / MOST <= len(sizes) <= 3 * 6000 / MOST
    assert all(re.fullmatch(r"shard-r00[012]-[01]{7,16}\.tar", name) for name in shards_of(plan))


def test_few_images_are_one_shard() -> None:
    assert list(shards_of({"ab" * 32: 3})) == ["shard-r000.tar"]


def test_one_picture_in_two_classes_is_no_endless_search() -> None:
    twins = rows({"ab" * 32: 3}) * 4
    assert len(shard_names(twins, SIZE, SIZE**2)) == 3


PATHS = ("dog/a-r000.jpg", "hündchen/ä b.c-r001.jpg", f"dog/{'ü' * 50}{'x' * 60}-r002.jpg")


@pytest.fixture
def packed(tmp_path: Path) -> tuple[Path, list[AugmentedRow]]:
    """A folder with one shard of three files, and their list."""
    listed = []
    for number, path in enumerate(PATHS):
        data = bytes([number]) * (510 + number)
        append_image(tmp_path / "shard-r000.tar", path, data)
        listed.append(AugmentedRow(path, "", "", 0, hashlib.sha256(data).hexdigest()))
    close_shard(tmp_path / "shard-r000.tar")
    return tmp_path, listed


def test_tar_reads_a_shard(packed: tuple[Path, list[AugmentedRow]]) -> None:
    folder, _ = packed
    done = subprocess.run(
        ["tar", "--extract", "--file", "shard-r000.tar"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    for number, path in enumerate(PATHS):
        assert (folder / path).read_bytes() == bytes([number]) * (510 + number)


def test_a_shard_holds_names_and_bytes_and_nothing_of_when_where_or_who(
    packed: tuple[Path, list[AugmentedRow]],
) -> None:
    folder, _ = packed
    with tarfile.open(folder / "shard-r000.tar") as archive:
        for file in archive:
            assert (file.mtime, file.uid, file.gid, file.uname, file.gname) == (0, 0, 0, "", "")
            assert file.mode == 0o644
    # The same on every Python: written once by 3.11.
    assert (
        hashlib.sha256((folder / "shard-r000.tar").read_bytes()).hexdigest()[:16]
        == "7a5774314c35c8ae"
    )


def test_an_image_is_read_from_its_shard(packed: tuple[Path, list[AugmentedRow]]) -> None:
    folder, listed = packed
    read = training_image_reader(folder)
    for number, row in enumerate(listed):
        assert read(row) == bytes([number]) * (510 + number)


def test_a_folder_of_single_files_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    row = AugmentedRow("a.jpg", "", "", 0, hashlib.sha256(b"abc").hexdigest())
    assert training_image_reader(tmp_path)(row) == b"abc"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data.replace(b"\1" * 511, b"\2" * 511), r"ä b\.c.* changed since it was"),
        (lambda data: data[:1024], r"ä b\.c.*: not in any shard of data/augmented; run dvc repro"),
        (lambda data: data[:-2500], r"shard-r000\.tar: edited or damaged"),
        (lambda _: b"no tar file", r"shard-r000\.tar: edited or damaged"),
        (lambda _: b"", "edited or damaged"),
        (lambda data: b"\xff" * 512 + data[512:], "edited or damaged"),
    ],
)
def test_a_damaged_shard_is_told(
    packed: tuple[Path, list[AugmentedRow]], spoil: object, words: str
) -> None:
    folder, listed = packed
    shard = folder / "shard-r000.tar"
    assert callable(spoil)
    shard.write_bytes(spoil(shard.read_bytes()))
    with pytest.raises(UserError, match=words):
        [*map(training_image_reader(folder), listed)]


def test_a_shard_that_went_is_told(packed: tuple[Path, list[AugmentedRow]]) -> None:
    folder, listed = packed
    read = training_image_reader(folder)
    (folder / "shard-r000.tar").unlink()
    with pytest.raises(UserError, match=r"shard-r000\.tar: No such file or directory"):
        read(listed[0])
