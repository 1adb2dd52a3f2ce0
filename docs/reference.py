"""Write docs/params.md and docs/commands.md from the code; `make docs` runs it.

python -m docs.reference
"""

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

import msgspec
import yaml
from msgspec import inspect
from msgspec.structs import FieldInfo, fields

from ballast.__main__ import COMMANDS, command_line
from ballast.core.params import Params, Section, Strategy, as_dict, in_words, parse_params

ROOT = Path(__file__).parent.parent
PARAMS_INTRODUCTION = """\
# Params

<!-- make docs writes this page from ballast/core/params.py and params.yaml: edit those. -->

All settings are in `params.yaml`. Misspelled keys and invalid values stop the run with a one-line
error. The defaults below are the values that ship. Optional keys may be left out, which sets them
to their default. `uv run dvc exp run -S augment.factor=4` changes one and runs; for a key
that is left out, `-S '++KEY=VALUE'`.

If colour distinguishes your classes (such as ripe and unripe), set `augment.hue` and
`augment.saturation` to 0.
"""
COMMANDS_INTRODUCTION = """\
# The command `ballast`

<!-- make docs writes this page from ballast/__main__.py and ballast/commands/: edit those. -->

Run it in the project's environment, as `uv run ballast` or `python -m ballast`. For the help of a
command, run `ballast COMMAND --help`.

The exit code is 0 after success, 1 after an error (one line on stderr; [errors.md](errors.md) lists
them), 2 for an invalid command line, and 130 after Ctrl-C. Some commands have further exit codes,
named below.
"""


def main() -> None:
    """Write both pages."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    pages = {"params.md": params_page(text), "commands.md": commands_page()}
    for name, page in pages.items():
        (ROOT / "docs" / name).write_text(page, encoding="utf-8", newline="\n")


def params_page(text: str) -> str:
    """List all params in Markdown, with their types, ranges, defaults and descriptions.

    Args:
        text: of the params.yaml that ships.
    """
    shipped = yaml.safe_load(text)
    parts = [PARAMS_INTRODUCTION, "## Keys at the top", params_table("", Params, shipped)]
    for field in fields(Params):
        if is_section(field):
            keys = params_table(f"{field.name}.", field.type, shipped[field.name])
            parts += [f"## {field.name}", linked(field.type.__doc__), keys]
        elif field.name == "strategies":
            parts += [
                "## strategies",
                linked(Strategy.__doc__ or ""),
                params_table("strategies.NAME.", Strategy, {}),
                "The strategies that ship:",
                strategies_table(parse_params(text).strategies),
            ]
    return joined(parts)


def is_section(field: FieldInfo) -> bool:
    """Whether a key is a section, which gets its own table."""
    return isinstance(field.type, type) and issubclass(field.type, Section)


def params_table(above: str, section: type[Section], shipped: Mapping[str, Any]) -> str:
    """A table with a row for each key of a section; leaves out subsections.

    Args:
        above: prefix of the dotted keys.
        section: of the schema.
        shipped: the section of params.yaml; empty for strategies, which differ.
    """
    rows = [
        [
            f"`{above}{field.name}`",
            in_words(inspect.type_info(field.type)),
            default(field, shipped),
            linked(description(field)),
        ]
        for field in fields(section)
        if not is_section(field)
    ]
    return table(["key", "value", "default", "what it does"], rows)


def default(field: FieldInfo, shipped: Mapping[str, Any]) -> str:
    """The value that ships, and the default of an optional key."""
    is_made = field.default_factory is not msgspec.NODEFAULT
    left_out = field.default_factory() if is_made else field.default
    value = shipped.get(field.name, left_out)
    if isinstance(value, dict):
        return f"[{len(value)} strategies](#{field.name})"
    if field.required:
        return code(value) if field.name in shipped else "required"
    differs = "" if value == left_out else f" ({code(left_out)} if left out)"
    return f"{code(value)}, optional{differs}"


def description(field: FieldInfo) -> str:
    """The schema's description of a key, or an empty string."""
    found = [meta.description for meta in get_args(field.type) if isinstance(meta, msgspec.Meta)]
    return next((text for text in found if text), "")


def strategies_table(strategies: Mapping[str, Strategy]) -> str:
    """A table of the strategies, with the defaults for keys that they leave out."""
    rows = [
        [f"`{name}`", *(code(value) for value in as_dict(strategy).values())]
        for name, strategy in strategies.items()
    ]
    return table(["strategy", *(field.name for field in fields(Strategy))], rows)


def commands_page() -> str:
    """Describe all subcommands in Markdown, with examples, arguments and options."""
    parser = command_line(COMMANDS)
    index = [[f"[`{name}`](#ballast-{name})", text] for name, text in COMMANDS.items()]
    own = [a for a in parser._actions if not isinstance(a, argparse._SubParsersAction)]
    parts = [
        COMMANDS_INTRODUCTION,
        table(["command", "what it does"], index),
        arguments_table(own),
    ]
    for name, subcommand in subcommands(parser).items():
        parts += [f"## ballast {name}", *command_parts(subcommand)]
    return joined(parts)


def subcommands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each subcommand, by name."""
    (found,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return found.choices


def command_parts(parser: argparse.ArgumentParser) -> list[str]:
    """The usage, description, examples, arguments and options of a subcommand."""
    text, title, examples = re.split(r"^(Examples?:)\n", parser.description or "", flags=re.M)
    own = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    names = [spelt(action) for action in own if not action.option_strings]
    options = ["[OPTION]..."] if len(own) > len(names) else []
    usage = " ".join([parser.prog, *options, *names])
    parts = [fenced(usage), linked(text), title, fenced(dedent(examples))]
    return [*parts, arguments_table(own)] if own else parts


def arguments_table(actions: Iterable[argparse.Action]) -> str:
    """A table with a row for each argument and option."""
    rows = [[f"`{spelt(a)}`", linked((a.help or "") % vars(a))] for a in actions]
    return table(["argument", "meaning"], rows)


def spelt(action: argparse.Action) -> str:
    """An argument as on the command line, such as "-j, --jobs N"."""
    value = action.metavar or ("{" + ",".join(action.choices) + "}" if action.choices else "")
    more = "..." if action.nargs in ("+", "*") else ""
    return f"{', '.join(action.option_strings)} {value}{more}".strip()


def code(value: object) -> str:
    """A value as in params.yaml."""
    if isinstance(value, str):
        return f"`{value or repr(value)}`"
    return (
        f"`{value:g}`" if isinstance(value, float) else f"`{msgspec.json.encode(value).decode()}`"
    )


def fenced(text: str) -> str:
    """Text as a Markdown code block."""
    return f"```\n{text.strip()}\n```"


def linked(text: str) -> str:
    """Text as Markdown, with links to the pages of docs/ that it names."""
    text = re.sub(r"([*<|])", r"\\\1", text.strip())
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](\1)", text)


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def joined(parts: list[str]) -> str:
    """Join parts into a page."""
    return "\n\n".join(part.strip() for part in parts) + "\n"


if __name__ == "__main__":
    main()
