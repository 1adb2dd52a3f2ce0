"""The HTML page that compares several runs."""

from collections.abc import Sequence

from ballast.comparison.runs import Comparison
from ballast.report.pages import page
from ballast.report.pictures import RunPictures
from ballast.scores.run import Run


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
        "recommendations": [found.text for found in comparison.recommendations],
        "differences": comparison.differences,
    }
    return page("comparison.html", runs, pictures, values)
