"""Times several ways to do the same thing, in turn."""

import time
from collections.abc import Callable, Mapping


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
    for repeat in range(repeats + 1):
        # Reverse the order in every other round, so that drift affects all alike.
        for name in list(ways) if repeat % 2 else reversed(list(ways)):
            started = time.perf_counter()
            ways[name]()
            if repeat:  # the first is a warm-up
                times[name].append(time.perf_counter() - started)
    return times
