"""How far a long loop is, shown where somebody looks."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def with_progress(items: Iterable[Item], total: int, name: str) -> Iterator[Item]:
    """Show a progress bar on stderr where that is a terminal.

    Args:
        items: what is looped over.
        total: how many there are.
        name: what they are.

    Yields:
        The items.
    """
    if not (sys.stderr and sys.stderr.isatty()):
        return iter(items)
    from tqdm import tqdm  # with its first bar it takes 45 ms, a tenth of a run that makes little

    return iter(tqdm(items, name, total))
