"""The page of several runs side by side."""

from collections.abc import Sequence

from ballast.comparison.runs import Comparison
from ballast.report.pages import page
from ballast.report.pictures import RunPictures
from ballast.scores.run import Run


def comparison_page(
    comparison: Comparison, runs: Sequence[Run], pictures: Sequence[RunPictures]
) -> str:
    """Make the page.

    Args:
        comparison: of the runs.
        runs: in its order of revisions, the reference first.
        pictures: of each run.

    Returns:
        HTML.
    """
    values = {
        "verdicts": [found.verdict for found in comparison.differences.values()],
        "recommendations": [found.text for found in comparison.recommendations],
        "differences": comparison.differences,
    }
    return page("comparison.html", runs, pictures, values)
