"""What stays together: copies, and what a pattern or a table puts into one group."""

import numpy as np
import pytest

from ballast.errors import UserError
from ballast.groups import copy_sets, join_keys, keys_by_pattern, keys_by_table
from ballast.inventory import Photo


def photo(path: str, sha256: str) -> Photo:
    return Photo(path, path.split("/")[0], None, sha256, 8, 8)


def test_without_hashes_the_same_bytes_are_copies() -> None:
    photos = [photo("cat/1", "b"), photo("cat/2", "a"), photo("dog/1", "b")]
    sets, bits = copy_sets(photos, None)
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
    with pytest.raises(
        UserError, match=r"split\.group: 'patient' is found in no photograph's path"
    ):
        keys_by_pattern("patient", PATHS)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_table_gives_a_group_a_path(line_end: str) -> None:
    lines = ["\ufeffpath,group", '"cat/tom-1.jpg",tom', "dog/rex-1.jpg,rex", "gone.jpg,rex", ""]
    keys = keys_by_table("groups.csv", line_end.join(lines), PATHS)
    assert keys == ["tom", None, "rex", None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line must be path,group"),
        ("file,subject\na,b\n", "first line must be path,group"),
        ("path,group\ncat/tom-1.jpg\n", "line 2: must be a path and a group"),
        ("path,group\na,1\na,2\n", "line 3: a has two groups"),
        ("path,group\nphotos/cat/tom-1.jpg,tom\n", "names no photograph; paths are relative"),
    ],
)
def test_what_is_no_such_table_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        keys_by_table("groups.csv", text, PATHS)
