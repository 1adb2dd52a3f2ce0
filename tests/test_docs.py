"""docs/errors.md has every error and every reason that the code can give."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


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
