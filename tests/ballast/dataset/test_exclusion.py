"""Files that are left out by their path: hidden, ignored by DVC, or excluded by data.exclude."""

from pathlib import Path

import pytest

from ballast.core.errors import UserError
from ballast.dataset.exclusion import excluded, unmatched

PATHS = ["dog/1.jpg", "dog/1_mask.png", "dog/thumbs/1.jpg", "cat/1.gif", "cat/keep.gif"]


def left_out(patterns: list[str]) -> list[str]:
    return sorted(excluded(Path("/nowhere"), PATHS, patterns))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], []),
        (["*_mask.png"], ["dog/1_mask.png"]),
        (["thumbs/"], ["dog/thumbs/1.jpg"]),
        (["/thumbs/"], []),
        (["dog/*"], ["dog/1.jpg", "dog/1_mask.png", "dog/thumbs/1.jpg"]),
        (["**/1.*"], ["cat/1.gif", "dog/1.jpg", "dog/thumbs/1.jpg"]),
        (["*.gif", "!keep.gif"], ["cat/1.gif"]),
        (["1.jpg"], ["dog/1.jpg", "dog/thumbs/1.jpg"]),
    ],
)
def test_patterns_are_those_of_gitignore(patterns: list[str], expected: list[str]) -> None:
    assert left_out(patterns) == expected
    assert set(excluded(Path("/nowhere"), PATHS, patterns).values()) <= {"excluded by data.exclude"}


def test_patterns_that_match_nothing_are_found_with_and_without_an_exclamation_mark() -> None:
    patterns = ["*_mask.png", "masks/", "*.gif", "!keep.gif", "!kept.gif", "#x"]
    assert unmatched(PATHS, patterns) == ["masks/", "!kept.gif", "#x"]
    assert unmatched(PATHS, []) == []


@pytest.mark.parametrize("pattern", ["!", "a\\"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UserError, match=r"^params.yaml: data.exclude: .*; write patterns as in"):
        left_out([pattern])


def test_what_dvc_ignores_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in PATHS:
        (tmp_path / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / path).touch()
    Path(".dvcignore").write_text("# none\n*.gif\n/photos/dog/thumbs/\n!keep.gif\n")
    expected = dict.fromkeys(["cat/1.gif", "dog/thumbs/1.jpg"], "ignored by .dvcignore")
    assert excluded(Path("photos"), PATHS, []) == expected
    assert excluded(tmp_path / "photos", PATHS, []) == expected
    assert excluded(tmp_path.parent, PATHS, []) == {}

    both = excluded(Path("photos"), [*PATHS, "cat/.x.gif"], ["*.gif", "*.jpg"])
    assert both["cat/.x.gif"] == "hidden file"
    assert both["cat/1.gif"] == "ignored by .dvcignore"
    assert both["cat/keep.gif"] == both["dog/1.jpg"] == "excluded by data.exclude"


def test_a_dvcignore_that_is_not_utf_8_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".dvcignore").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"^\.dvcignore: cannot be read: "):
        excluded(Path(), PATHS, [])
