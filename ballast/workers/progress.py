"""Progress bars for long loops."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def with_progress(items: Iterable[Item], total: int, name: str) -> Iterator[Item]:
    """Show a progress bar on stderr if that is a terminal and there is something to do.

    Args:
        items: to loop over.
        total: number of items.
        name: label of the bar.

    Yields:
        The items.
    """
    if not (total and sys.stderr and sys.stderr.isatty()):
        return iter(items)
    from tqdm import tqdm  # import and first bar take 45 ms, a tenth of a short run

    return iter(tqdm(items, name, total))
