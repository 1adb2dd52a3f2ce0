"""The model card: what a trained model is, how well it does, and what it should not be used for.

After Mitchell et al. 2019, Model Cards for Model Reporting (arXiv:1810.03993).
"""

import re
from collections.abc import Mapping
from functools import partial

from ballast.core.counts import used_subsets
from ballast.core.errors import one_line
from ballast.core.params import Params, as_dict
from ballast.report.rendering import Filters, render
from ballast.scores.intervals import interval_text
from ballast.scores.run import Run

# Params of train that shape a head on frozen features; the others are of networks alone.
OF_A_HEAD = ("backbone", "backbone_alpha", "weights", "threads")
FEW = 30  # test photographs of a class, below which its figures are hardly known

# ASCII punctuation that Markdown may read as more than itself; CommonMark lets all be escaped.
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+.!|~$&:-])")


def model_card(
    run: Run, verdict: str, settings: Mapping[str, object], fingerprints: Mapping[str, str]
) -> str:
    """Write the card.

    Args:
        run: that trained the model.
        verdict: one sentence.
        settings: of the training, by name.
        fingerprints: SHA-256 by what they are of.

    Returns:
        Markdown.
    """
    classes, counts = run.predictions.classes, run.counts
    values = {
        "classes": classes,
        "counts": counts,
        "subsets": used_subsets(counts),
        "backbone": run.training.backbone,
        "head": run.training.head,
        "metrics": run.metrics,
        "verdict": verdict,
        "settings": settings,
        "fingerprints": fingerprints,
        "few": [name for name in classes if counts[name]["test"] < FEW],
    }
    # The filter plain keeps names from being read as Markdown.
    filters: Filters = {"plain": plain, "interval": partial(interval_text, digits=2)}
    return render("model_card.md", values, filters, html=False)


def training_settings(params: Params) -> dict[str, object]:
    """What a model was trained with, by dotted key."""
    train = as_dict(params.train)
    if params.train.has_linear_head:
        train = {key: train[key] for key in OF_A_HEAD}
    return {
        "seed": params.seed,
        "strategy": params.strategy,
        **{f"strategy.{key}": value for key, value in as_dict(params.active_strategy).items()},
        "data.image_size": params.data.image_size,
        **{f"train.{key}": value for key, value in train.items()},
    }


def plain(text: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    return MARKDOWN.sub(r"\\\1", one_line(str(text).replace("\N{NO-BREAK SPACE}", " ")))
