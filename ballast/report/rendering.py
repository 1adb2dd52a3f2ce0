"""Rendering of the templates of the pages and of the model card."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Filters = Mapping[str, Callable[[Any], str]]


def render(
    template: str,
    values: Mapping[str, Any],
    filters: Filters,
    *,
    html: bool,
) -> str:
    """Render a template; equal values give equal text.

    Args:
        template: name of a file in templates/.
        values: values by name; an undefined name in the template is an error.
        filters: filters by name.
        html: whether to escape HTML in values.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not html,
    )
    environment.filters |= filters
    return environment.get_template(template).render(values)
