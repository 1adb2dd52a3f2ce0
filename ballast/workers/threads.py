"""Work in threads: for reading files and Pillow's decoders, which let go of Python's lock."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, most: int
) -> Generator[Result, None, None]:
    """Call a function on items, a bounded number of them ahead; results in order.

    joblib's and concurrent.futures' own ways go on however slowly the results are taken.

    Args:
        function: one that threads may call at once.
        items: none or more, or endless; taken when there is room for them.
        workers: threads.
        most: items ahead of the result that is taken.
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
