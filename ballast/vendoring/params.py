"""Bring a params.yaml up to date: the user's values, in the new version's text."""

from collections.abc import MutableMapping
from typing import Any, NamedTuple

from dvc.utils.serialize import YAMLFileCorruptedError, dumps_yaml, parse_yaml_for_update
from msgspec.structs import fields

from ballast.core.errors import UserError
from ballast.core.files import refuse_conflict
from ballast.core.params import Params, Section, Strategy, no_yaml, parse_params
from ballast.core.paths import PARAMS


class Updated(NamedTuple):
    """A params.yaml after an upgrade."""

    text: str
    added: list[str]  # dotted keys with the new version's defaults
    gone: list[str]  # dotted keys that the new version does not have
    kept: list[str]  # dotted keys whose values are not the new version's defaults


def updated(new: str, theirs: str) -> Updated:
    """Put the user's values into the new version's text, with its comments and new keys.

    A strategy stays as the user has it, whole: in one that ships, a key that was removed means
    that key's default.

    Args:
        new: text of the params.yaml that ships.
        theirs: text of the user's.

    Raises:
        UserError: if the user's is not YAML, or has a value that the new version refuses.
    """
    refuse_conflict(PARAMS, theirs)
    try:
        values, own = (parse_yaml_for_update(text, "params.yaml") for text in (new, theirs))
    except YAMLFileCorruptedError as error:
        raise no_yaml(error.__cause__) from None
    if not isinstance(own, dict):
        raise UserError("params.yaml: must be a mapping of keys to values")
    found = Updated("", [], [], [])
    _keep(values, own, Params, "", found)
    text = dumps_yaml(values)
    parse_params(text)
    return found._replace(text=text)


def _keep(
    values: MutableMapping[str, Any],
    own: MutableMapping[str, Any],
    section: type[Section],
    above: str,
    found: Updated,
) -> None:
    """Put the user's values of a section into the new one; note the keys in `found`."""
    types = {field.encode_name: field.type for field in fields(section)}
    found.gone.extend(f"{above}{key}" for key in own if key not in types)
    found.added.extend(f"{above}{key}" for key in values if key not in own)
    for key in [key for key in own if key in types]:
        value, name = own[key], f"{above}{key}"
        if not isinstance(value, dict) or not isinstance(values.get(key), dict):
            if values.get(key) != value:
                found.kept.append(name)
            values[key] = value
        elif name == "strategies":
            _keep_strategies(values[key], value, found)
        else:
            _keep(values[key], value, types[key], f"{name}.", found)


def _keep_strategies(
    values: MutableMapping[str, Any], own: MutableMapping[str, Any], found: Updated
) -> None:
    """Put the user's strategies among the new ones; leave out keys that no longer exist."""
    known = {field.encode_name for field in fields(Strategy)}
    found.added.extend(f"strategies.{name}" for name in values if name not in own)
    for name, row in own.items():
        for key in [key for key in row if key not in known] if isinstance(row, dict) else []:
            found.gone.append(f"strategies.{name}.{key}")
            del row[key]
        if values.get(name) != row:
            found.kept.append(f"strategies.{name}")
        values[name] = row
