"""Groups: copies, and photographs grouped by a pattern or a table, stay together."""

import numpy as np
import pytest

from ballast.core.errors import UserError
from ballast.dataset.duplicates import HashTable
from ballast.dataset.groups import copy_sets, join_keys, keys_by_pattern, keys_by_table, with_twins
from ballast.dataset.scan import Photo


def photo(path: str, sha256: str) -> Photo:
    return Photo(path, path.split("/")[0], None, sha256, 8, 8)


def test_without_hashes_the_same_bytes_are_copies() -> None:
    photos = [photo("cat/1", "b"), photo("cat/2", "a"), photo("dog/1", "b")]
    sets, bits, _ = copy_sets(photos, HashTable(), None)
    assert sets[0] == sets[2] != sets[1]
    assert bits.tolist() == [0, 256, 0]


def test_keys_join_whole_sets() -> None:
    sets = np.array([0, 0, 1, 2, 3])
    joined = join_keys(sets, ["a", None, "a", None, "b"])
    assert joined[0] == joined[1] == joined[2]
    assert len(set(joined)) == 3


PATHS = ["cat/tom-1.jpg", "cat/tom-2.jpg", "dog/rex-1.jpg", "dog/stray.jpg"]


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        (r"/(\w+)-\d", ["tom", "tom", "rex", None]),
        (r"^\w+", ["cat", "cat", "dog", "dog"]),
        (r"(\w+)/(\w)\w+-", ["cat\nt", "cat\nt", "dog\nr", None]),
        (r"/(tom)?", ["tom", "tom", "", ""]),
    ],
)
def test_a_pattern_gives_its_groups_or_all_that_it_finds(
    pattern: str, keys: list[str | None]
) -> None:
    assert keys_by_pattern(pattern, PATHS) == keys


def test_a_pattern_that_finds_nothing_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"split\.group: 'patient' matches no photograph's path"):
        keys_by_pattern("patient", PATHS)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_table_gives_a_group_a_path(line_end: str) -> None:
    lines = [
        "\ufeffpath,group",
        '"cat/tom-1.jpg",tom',
        "dog/rex-1.jpg,rex",
        "broken.jpg,rex",
        "",
        "",
    ]
    lines.insert(2, "dog/stray.jpg,")  # no group
    keys = keys_by_table("groups.csv", line_end.join(lines), PATHS, [*PATHS, "broken.jpg"])
    assert keys == ["tom", None, "rex", None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line must be path,group"),
        ("file,subject\na,b\n", "first line must be path,group"),
        ("path,group\ncat/tom-1.jpg\n", "line 2: has 1 cell, must have 2: path,group"),
        ("path,group\ncat/tom-1.jpg,1\ncat/tom-1.jpg,2\n", "line 3: cat/tom-1.jpg has two groups"),
        (
            "path,group\nphotos/cat/tom-1.jpg,tom\n",
            "line 2: photos/cat/tom-1.jpg does not exist; paths",
        ),
        (f'path,group\n"{"a" * 200_000}', "invalid CSV: field larger than"),
    ],
)
def test_what_is_no_such_table_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        keys_by_table("groups.csv", text, PATHS, PATHS)


def test_a_photograph_belongs_to_the_groups_of_those_left_out_for_its_bytes() -> None:
    photos = [photo("cat/1", "a"), photo("cat/2", "b"), photo("cat/3", "c")]
    twins = [(photo("cat/copy", "a"), photos[0])]
    sets = with_twins(np.array([0, 1, 2]), photos, twins)
    assert sets[3] == sets[0]
    joined = join_keys(sets, [None, "rex", None, "rex"])
    assert joined[0] == joined[1] != joined[2]
