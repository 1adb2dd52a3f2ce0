"""Runs work in threads, for file access and Pillow's decoders, which release the GIL."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, most: int
) -> Generator[Result, None, None]:
    """Call a function on items in threads, a bounded number of them ahead.

    Unlike joblib and concurrent.futures, it waits if results are taken slowly.

    Args:
        function: thread-safe.
        items: any number, even infinite; taken when there is room.
        workers: number of threads.
        most: maximum number of items ahead of the result that is taken.

    Yields:
        The results, in the order of `items`.
    """
    pool, waiting = ThreadPoolExecutor(workers), deque[Future[Result]]()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
