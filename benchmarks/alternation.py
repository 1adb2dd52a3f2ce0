"""Times several ways to do the same thing, in turn."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

Way = TypeVar("Way")


def turns(ways: Iterable[Way], rounds: int) -> Iterator[Way]:
    """Each of several ways once a round, in the reverse order in every other one.

    Drift, such as that of a processor that grows warm, then affects all alike.
    """
    listed = [*ways]
    for number in range(rounds):
        yield from listed if number % 2 else reversed(listed)


def alternated_seconds(
    ways: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, list[float]]:
    """Time each way once per round, after a round that does not count.

    Args:
        ways: functions to time, by name.
        repeats: number of rounds that count.

    Returns:
        Wall-clock seconds of each round, by name.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number, name in enumerate(turns(ways, repeats + 1)):
        started = time.perf_counter()
        ways[name]()
        if number >= len(ways):  # the first round is a warm-up
            times[name].append(time.perf_counter() - started)
    return times
