"""The model card: a trained model's classes, metrics, intended use and limits.

It follows Mitchell et al. 2019, Model Cards for Model Reporting (arXiv:1810.03993).
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial

from ballast.core.counts import used_subsets
from ballast.core.errors import one_line
from ballast.core.params import Params, as_dict
from ballast.report.rendering import Filters, render
from ballast.scores.intervals import interval_text
from ballast.scores.judged import judged_photographs
from ballast.scores.run import Run

# The params of `train` that apply to a head on frozen features; the others apply only to networks.
OF_A_HEAD = ("backbone", "backbone_alpha", "weights", "threads")
FEW = 30  # with fewer test photographs, the metrics of a class are very uncertain

# ASCII punctuation that can have a meaning in Markdown; CommonMark allows escaping all of it.
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+.!|~$&:-])")


def model_card(
    run: Run,
    verdicts: Sequence[str],
    settings: Mapping[str, object],
    fingerprints: Mapping[str, str],
) -> str:
    """Render the model card.

    Args:
        run: the run that trained the model.
        verdicts: sentences.
        settings: training settings by name.
        fingerprints: SHA-256 by name of what was hashed.

    Returns:
        Markdown.
    """
    classes, counts = run.judged.classes, run.counts
    values = {
        "classes": classes,
        "counts": counts,
        "subsets": used_subsets(counts),
        "backbone": run.training.backbone,
        "head": run.training.head,
        "metrics": run.metrics,
        "verdicts": verdicts,
        "judged": judged_photographs(run.judged),
        "trainings": len(run.judged.predicted),
        "cross_validated": run.cross_validated,
        "trained_on_all": not any(of["test"] for of in counts.values()),
        "settings": settings,
        "fingerprints": fingerprints,
        "few": [name for name, n in judged_photographs(run.judged).items() if n < FEW],
    }
    # The filter `plain` escapes Markdown in names.
    filters: Filters = {"plain": plain, "interval": partial(interval_text, digits=2)}
    return render("model_card.md", values, filters, html=False)


def training_settings(params: Params) -> dict[str, object]:
    """Settings that a model was trained with, by dotted key."""
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
    """Escape text so that Markdown shows it literally, on one line."""
    return MARKDOWN.sub(r"\\\1", one_line(str(text).replace("\N{NO-BREAK SPACE}", " ")))
