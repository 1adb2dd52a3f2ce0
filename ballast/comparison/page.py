"""The HTML pages of one run, and of several that are compared."""

from collections.abc import Sequence

from ballast.comparison.runs import Answer, Comparison, verdicts_of
from ballast.report.overlays import LEGEND
from ballast.report.pages import page
from ballast.report.pictures import LABEL_ISSUES, Explained, RunPictures
from ballast.scores.explanations import Explanations
from ballast.scores.run import Arm, Run
from ballast.scores.sentences import conflicts_text


def comparison_page(
    comparison: Comparison, runs: Sequence[Run], pictures: Sequence[RunPictures]
) -> str:
    """Render the comparison page.

    Args:
        comparison: result of comparing `runs`.
        runs: in the order of the comparison's revisions, the reference first.
        pictures: pictures of each run.

    Returns:
        HTML.
    """
    values = {
        "verdicts": [found.verdict for found in comparison.differences.values()],
        "recommendations": comparison.recommendations,
        "differences": comparison.differences,
        "best_is_too_high_by": comparison.best_is_too_high_by,
    }
    return page("comparison.html", runs, pictures, values)


def run_page(
    run: Run,
    reference: Arm | None,
    found: Answer,
    pictures: RunPictures,
    explained: Explained | None = None,
) -> str:
    """Render the page of one run.

    Args:
        run: the run.
        reference: the strategy without balancing, if it judged the same photographs.
        found: their comparison.
        pictures: pictures of the run.
        explained: what lies behind its figures.

    Returns:
        HTML.
    """
    values = {
        "verdicts": verdicts_of(found)[::-1],
        "recommendations": found.recommendations,
        "left_out": found.left_out,
        "conflicts": conflicts_text(found.label_conflicts),
        "reference": reference,
        "saved_model": found.saved_model,
        "difference": found.difference,
        "explained": explained or Explained(Explanations(), {}, {}),
        "legend": LEGEND,
        "issues_shown": LABEL_ISSUES,
    }
    return page("report.html", [run], [pictures], values, found.reference)
