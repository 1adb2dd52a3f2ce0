"""The model card: what a trained model is, how well it does, and what it should not be used for.

After Mitchell et al. 2019, Model Cards for Model Reporting (arXiv:1810.03993).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ballast.core.errors import one_line

# ASCII punctuation that Markdown may read as more than itself; CommonMark lets all be escaped.
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+.!|~$&:-])")


def model_card(
    classes: list[str],
    counts: Mapping[str, Mapping[str, int]],
    intervals: Mapping[str, Any],
    verdict: str,
    settings: Mapping[str, object],
    fingerprints: Mapping[str, str],
) -> str:
    """Write the card.

    Args:
        classes: class names in the order of the network's outputs.
        counts: photographs by class and subset, as in outputs/class_counts.json.
        intervals: as_json of metric_intervals.
        verdict: one sentence.
        settings: of the training, by name.
        fingerprints: SHA-256 by what they are of.

    Returns:
        Markdown.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # it is for HTML; names go through the filter `plain`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "interval": interval}
    template = environment.get_template("model_card.md")
    return template.render(
        classes=classes,
        counts=counts,
        intervals=intervals,
        verdict=verdict,
        settings=settings,
        fingerprints=fingerprints,
        few=[name for name in classes if counts[name]["test"] < 30],
    )


def plain(text: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    return MARKDOWN.sub(r"\\\1", one_line(str(text).replace("\N{NO-BREAK SPACE}", " ")))


def interval(figure: Mapping[str, float | None]) -> str:
    """A figure with its bounds, as 0.75 (0.60 to 0.86)."""
    if figure["value"] is None:
        return "-"
    if figure["low"] is None:
        return f"{figure['value']:.2f}"
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
