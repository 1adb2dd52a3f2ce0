"""The documentation: complete tables, working links, and commands that exist."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ballast.__main__ import COMMANDS

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
HISTORY = "CHANGELOG.md"  # also names what is gone


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def literal_parts(node: ast.expr) -> list[str]:
    """The parts of a string or f-string that are written out."""
    values = node.values if isinstance(node, ast.JoinedStr) else [node]
    return [v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)]


def messages() -> Iterator[str]:
    for path in [*(ROOT / "ballast").rglob("*.py"), *(ROOT / "stages").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = (
                node.func.id
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                else ""
            )
            if isinstance(node, ast.Call) and name in ("UserError", "ImageError", "Rejection"):
                parts = [part for value in node.args for part in literal_parts(value)]
                if parts:
                    yield max(parts, key=len)


@pytest.mark.parametrize("part", sorted(set(messages())))
def test_every_message_is_in_the_table(part: str) -> None:
    words = re.sub(r"\s+", " ", part).strip(" :;,('")
    assert words in re.sub(r"\s+", " ", TABLE)


def test_there_are_messages() -> None:
    assert len({*messages()}) > 30


def test_the_readme_is_a_front_door() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """Where a page's links and pictures lead, within this repository."""
    text = re.sub(r"`[^`]*`", "", prose(page))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_pages_have_links() -> None:
    assert sum(len(links(page)) for page in PAGES) > 60


def test_the_index_links_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {link.partition("#")[0] for link in links(index)}
    assert {page.name for page in DOCS} - {index.name} <= linked


def test_no_table_stands_twice() -> None:
    tables = [
        re.sub(r"[ -]+", " ", table)
        for page in PAGES
        for table in re.findall(r"(?:^\|.*\n)+", prose(page), re.MULTILINE)
    ]
    assert len(tables) > 20
    assert [table for table, times in Counter(tables).items() if times > 1] == []


def test_one_version_everywhere() -> None:
    def first(pattern: str, page: str) -> str:
        found = re.search(pattern, (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert found, page
        return found[1]

    project = first(r'^\[project\]$[^\[]*?^version = "(.*)"$', "pyproject.toml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == project
    assert first(r"^## \[(\d[^\]]*)\]", HISTORY) == project


def code(page: Path) -> str:
    """A page's code, in blocks and within sentences."""
    text = page.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```.*?^```$|`[^`\n]+`", text, re.MULTILINE | re.DOTALL))


def commands(page: Path, program: str) -> set[str]:
    """The words that follow the name of a program where a command begins."""
    begin = r"(?:^|`|&& |\$ |uv run |-m )"
    return set(re.findall(rf"{begin}{program} ([a-z][\w-]*)", code(page), re.MULTILINE))


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != HISTORY], ids=name_of)
def test_every_command_on_a_page_exists(page: Path) -> None:
    makefiles = [ROOT / "Makefile", ROOT / "developers.mk"]
    makefile = "\n".join(path.read_text(encoding="utf-8") for path in makefiles)
    targets = set(re.findall(r"^([a-z][\w-]*)(?=:(?!=))", makefile, re.MULTILINE))
    targets |= {
        f"bench-{path.stem.replace('_', '-')}" for path in (ROOT / "benchmarks").glob("*.py")
    }
    assert commands(page, "ballast") <= COMMANDS.keys()
    assert commands(page, "make") <= targets


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != HISTORY], ids=name_of)
def test_every_file_of_code_on_a_page_exists(page: Path) -> None:
    written = code(page)  # names in capitals stand for others
    named = re.findall(r"(?<![\w./-])((?:ballast|benchmarks|stages|tests)/[a-z_/]+\.py)\b", written)
    modules = re.findall(r"-m ((?:benchmarks|stages|verification)[a-z_.]*)", written)
    for path in named + [f"{module.replace('.', '/')}.py" for module in modules]:
        assert (ROOT / path).exists() or (ROOT / path).with_suffix("").is_dir(), path


def test_the_pages_show_every_command() -> None:
    assert {name for page in PAGES for name in commands(page, "ballast")} == COMMANDS.keys()
