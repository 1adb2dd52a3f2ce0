"""DVC ignores files that would make it fail, and no others."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from ballast.dvc_tools.ignore import BEGIN, with_ignored

OWN = "# of the user\n*.tmp\n"
NAMES = [
    "plain.jpg",
    "a b .jpg",
    "trailing ",
    " leading",
    "#comment",
    "!negated",
    "star*.jpg",
    "[1].jpg",
    "back\\slash",
    "new\nline",
    "tab\there",
    "ä.jpg",
    "\udcff.jpg",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_kind_is_ignored_and_its_neighbour_is_not(tmp_path: Path, name: str) -> None:
    (tmp_path / ".dvcignore").write_text(with_ignored(OWN, [f"raw/dog/{name}"]), encoding="utf-8")
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        patterns = repo.dvcignore
        assert patterns.is_ignored_file(str(tmp_path / "raw" / "dog" / name))
        assert not patterns.is_ignored_file(str(tmp_path / "raw" / "dog" / "neighbour.jpg"))
        assert not patterns.is_ignored_file(str(tmp_path / "raw" / "cat" / name))


@pytest.mark.parametrize(
    ("name", "neighbour"),
    [("a b.jpg", "axb.jpg"), ("a\nb.jpg", "axb.jpg"), ("\udcff.jpg", "x.jpg")],
)
def test_what_a_line_cannot_hold_stands_for_no_plain_letter(
    tmp_path: Path, name: str, neighbour: str
) -> None:
    (tmp_path / ".dvcignore").write_text(with_ignored("", [f"raw/{name}"]), encoding="utf-8")
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        assert repo.dvcignore.is_ignored_file(str(tmp_path / "raw" / name))
        assert not repo.dvcignore.is_ignored_file(str(tmp_path / "raw" / neighbour))


def test_what_the_user_wrote_stays() -> None:
    once = with_ignored(OWN, ["raw/b", "raw/a"])
    assert once.startswith(f"{OWN}\n{BEGIN}\n/raw/a\n/raw/b\n")
    assert with_ignored(once, ["raw/a", "raw/b"]) == once
    assert with_ignored(once, []) == OWN
    assert with_ignored(once, ["raw/c"]).count(BEGIN) == 1


def test_without_any_the_text_is_untouched() -> None:
    for text in ("", OWN, "no newline at the end"):
        assert with_ignored(text, []) == text
