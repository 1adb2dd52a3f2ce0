"""The pages that people follow step by step: every command runs, and prints what the page says."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from projects import UV, environment

ROOT = Path(__file__).parent.parent
REPOSITORY = "<this repository>"
PROGRAMS = {"git", "make", "uv"}


class Step(NamedTuple):
    """A command on a page, and what the page says that it prints last."""

    command: str
    printed: str


def blocks(page: Path, language: str = "") -> list[str]:
    """The blocks of code of a page in a language; by default, those without."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def steps(page: Path) -> Iterator[Step]:
    """The commands of a page: lines that begin with $; the lines below are what they print.

    The next block without a command is printed by the last $, too. In a block that has nothing but
    commands, none begins with $.
    """
    step, follows = Step("", ""), False
    for block in blocks(page):
        lines = block.splitlines()
        if {line.split(" ")[0] for line in lines} <= PROGRAMS:
            lines, follows = [f"$ {line}" for line in lines], False
        elif "$ " in [line[:2] for line in lines]:
            follows = True
        elif not follows:
            continue
        for line in lines:
            if line.startswith("$ "):
                if step.command:
                    yield step
                step = Step(line.removeprefix("$ "), "")
            else:
                step = Step(step.command, f"{step.printed}{line}\n")
    yield step


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of the files as they are here, committed or not."""
    folder = tmp_path_factory.mktemp("origin")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for arguments in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "all")):
        subprocess.run(["git", *arguments], cwd=folder, env=environment(), check=True)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to begin in, with a stand-in for uv next to it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").write_text(UV)
    (tmp_path / "bin/uv").chmod(0o755)
    (tmp_path / "begin").mkdir()
    return tmp_path / "begin"


def follow(listed: Iterable[Step], folder: Path, repository: Path) -> Path:
    """Run commands, compare what they print, and return the folder in which they end."""
    variables = environment()
    variables["PATH"] = f"{folder.parent / 'bin'}:{variables['PATH']}"
    where = folder.parent / "where"
    for step in listed:
        command = step.command.replace(REPOSITORY, str(repository))
        done = subprocess.run(
            ["bash", "-ec", f"{command}\npwd > '{where}'"],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{step.command}\n{done.stdout}"
        said = done.stdout.replace("\N{NO-BREAK SPACE}", " ")
        assert step.printed in said, f"{step.command} printed\n{said}\nnot\n{step.printed}"
        folder = Path(where.read_text().strip())
    return folder


@pytest.mark.long
def test_the_tutorial_is_what_happens(folder: Path, repository: Path) -> None:
    listed = [*steps(ROOT / "docs/tutorial.md")]
    assert len(listed) == 14
    follow(listed, folder, repository)


@pytest.mark.long
def test_the_readme_is_what_happens(folder: Path, repository: Path) -> None:
    listed = [*steps(ROOT / "README.md")]
    clone = next(place for place, step in enumerate(listed) if REPOSITORY in step.command)
    assert [step.command.split("  ")[0] for step in listed[:clone]] == ["make", "make compare"]
    assert len(listed) == clone + 10
    follow(listed[clone:], folder, repository)


# What the page leaves to the reader.
GIVEN = """
import io, keras, onnxruntime
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageCms, ImageOps
images = np.zeros((2, 160, 160, 3), np.uint8)
"""


@pytest.mark.long
def test_what_the_page_of_use_shows_runs(folder: Path, repository: Path) -> None:
    """Those of pip are in test_package.py, those of serving.md in test_serving.py."""
    page = ROOT / "docs/using.md"
    exported = [step for step in steps(page) if step.command.startswith("make")]
    assert [step.command.split("  ")[0] for step in exported] == ["make export"]
    made = [Step(f"git clone {REPOSITORY} ballast && cd ballast", ""), Step("make", "")]
    clone = follow([*made, *exported], folder, repository)
    for name in ("rex.jpg", "tom.jpg"):
        shutil.copy(clone / "data/sample/test/dog/30.jpg", clone / name)
    snippets = blocks(page, "python")
    assert len(snippets) == 3
    for snippet in snippets:
        (clone / "snippet.py").write_text(GIVEN + snippet)
        follow([Step("python snippet.py", "")], clone, repository)
