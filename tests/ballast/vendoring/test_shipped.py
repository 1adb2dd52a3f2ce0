"""What a copy of Ballast consists of, and what it leaves to Ballast's own developers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ballast.core.errors import UserError
from ballast.vendoring.shipped import (
    DVC_PROJECT,
    SHIPPED,
    dvc_project_files,
    news,
    outputs,
    shipped_files,
)

ROOT = Path(__file__).parents[3]
DEVELOPERS = {
    ".ci", ".github", ".pre-commit-config.yaml", "CITATION.cff", "CONTRIBUTING.md", "README.md",
    "benchmarks", "developers.mk", "docs", "tests", "verification",
    ".gitattributes",  # a copy has another
    "CHANGELOG.md",  # an upgrade shows it
    "data",  # the sample
    "dvc.lock", "outputs",  # what the pipeline wrote
}  # fmt: skip


def tracked() -> Iterator[str]:
    listing = ["git", "ls-files", "-z"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
    yield from listed.stdout.decode().rstrip("\0").split("\0")


def test_every_file_in_git_serves_the_pipeline_or_developers() -> None:
    places = {*SHIPPED, *DVC_PROJECT}
    for path in tracked():
        above = {Path(path).as_posix(), *(parent.as_posix() for parent in Path(path).parents)}
        assert places & above or path.split("/")[0] in DEVELOPERS, path
    assert not {*SHIPPED} & DEVELOPERS


def test_a_copy_has_a_licence_but_neither_readme_nor_sample() -> None:
    files = shipped_files()
    assert files["ballast/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b'license-files = ["ballast/LICENSE"]' in files["pyproject.toml"]
    assert b"readme" not in files["pyproject.toml"]
    assert not [path for path in files if path.startswith(("data/", "tests/", "docs/"))]
    assert {*dvc_project_files()} == {*DVC_PROJECT}


def test_line_ends_are_fixed_for_the_copys_own_files_alone() -> None:
    lines = shipped_files()[".gitattributes"].decode().splitlines()
    assert {"/ballast/** -text", "/dvc.yaml -text"} <= {*lines}
    assert all(line.startswith(("#", "/")) for line in lines)


def test_the_outputs_are_those_of_every_stage() -> None:
    found = outputs(shipped_files())
    assert {"data/augmented", "models", "outputs/metrics.json", "outputs/report.html"} <= {*found}


def test_the_news_are_what_came_after_a_version(tmp_path: Path) -> None:
    text = "# Changelog\n\nWords.\n\n## [0.3.0] - b\n\n- new\n\n## [0.2.0] - a\n\n- old\n"
    (tmp_path / "CHANGELOG.md").write_text(text)
    assert news("0.2.0", tmp_path) == "## [0.3.0] - b\n\n- new"
    assert news("0.3.0", tmp_path) == ""


def test_a_file_that_the_clone_lacks_is_named(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "Makefile").touch()
    subprocess.run(["git", "add", "Makefile"], cwd=tmp_path, check=True)
    (tmp_path / "Makefile").unlink()
    with pytest.raises(UserError, match="Makefile: missing from this clone of Ballast"):
        shipped_files(tmp_path)
