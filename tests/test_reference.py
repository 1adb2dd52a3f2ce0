"""docs/params.md and docs/commands.md match the code and are complete."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from msgspec.structs import FieldInfo, fields

from ballast.__main__ import COMMANDS, command_line
from ballast.core.params import Params, Section, Strategy, dotted
from docs.reference import (
    commands_page,
    default,
    description,
    is_section,
    linked,
    params_page,
    subcommands,
)

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
PARSERS = subcommands(command_line(COMMANDS))


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def keys(section: type[Section]) -> Iterator[FieldInfo]:
    """The keys of a section and of those below it."""
    for field in fields(section):
        if is_section(field):
            yield from keys(field.type)
        else:
            yield field


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]


def test_the_pages_are_what_make_docs_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert page("params.md") == params_page(TEXT)
        assert page("commands.md") == commands_page()


def test_every_key_of_params_yaml_has_a_row() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", page("params.md"), flags=re.M)
    for key in dotted(yaml.safe_load(TEXT)):
        assert re.sub(r"^strategies\.\w+\.", "strategies.NAME.", key) in rows


def test_every_key_has_a_description() -> None:
    found = [*keys(Params), *keys(Strategy)]
    assert len(found) > 45
    assert [field.name for field in found if not description(field)] == []


def test_a_default_says_what_a_key_that_is_left_out_is_set_to() -> None:
    (folds,) = (field for field in keys(Params) if field.name == "folds")
    (beta,) = (field for field in keys(Strategy) if field.name == "beta")
    assert default(folds, {"folds": 5}) == "`5`"
    assert default(folds, {}) == "required"
    assert default(beta, {}) == "`0.99`, optional"
    assert default(beta, {"beta": 0.9}) == "`0.9`, optional (`0.99` if left out)"


@pytest.mark.parametrize("name", ["params.md", "commands.md"])
def test_every_page_that_is_linked_exists(name: str) -> None:
    links = re.findall(r"\]\(([\w-]+\.md)\)", page(name))
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)


def test_text_is_shown_as_it_is() -> None:
    assert linked("a|b, *.jpg, <class>; see docs/leaks.md") == (
        r"a\|b, \*.jpg, \<class>; see [leaks.md](leaks.md)"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_that_the_parser_takes(name: str) -> None:
    text = PARSERS[name].format_help()
    examples = re.findall(rf"^    .*\bballast {name}([^|&\n]*)", text, flags=re.M)
    assert examples
    for example in examples:
        PARSERS[name].parse_args(example.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_has_help_and_names_its_default(name: str) -> None:
    for action in arguments(PARSERS[name]):
        assert action.help
        if action.option_strings and action.nargs != 0 and action.default is not None:
            values = action.default if isinstance(action.default, list) else [action.default]
            help_ = action.help % vars(action)
            assert help_.endswith(f"default: {' '.join(map(str, values))}")
            assert action.metavar or action.choices
