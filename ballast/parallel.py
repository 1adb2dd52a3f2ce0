"""Work in several processes, so that a crash in a decoder ends one of them and is told."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import ProcessPoolExecutor, TimeoutError
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError
from joblib.parallel import get_active_backend

from ballast.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

SEARCH_SECONDS = 10.0
# In flight, at most, for each worker. joblib makes batches of 0.2 s or more, and hands each worker
# a second one while it does the first: 50 MB/s of JPEG need 40 MB, 1 ms an item needs 400 items.
ITEMS = 512
BYTES = 64 * 2**20


class Engine(NamedTuple):
    """What does the work."""

    workers: int  # processes; with 1 all is done in this one
    backend: str = "local"  # or another that joblib knows
    scheduler: str = ""  # its address


def each(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    engine: Engine,
    name: Callable[[Item], str],
) -> Iterator[Result]:
    """Call a function on every item.

    Items are taken when there is room for them: a bounded number of them is in flight, and of
    bytes, whether they wait, are being worked on, or are results that nobody has taken yet.

    Args:
        function: one that can be pickled.
        items: none or more that can be pickled: bytes, or tuples with bytes in them, or others.
        engine: what does the work.
        name: what an error calls an item.

    Yields:
        The results, in the order of `items`.

    Raises:
        UserError: where a process dies; it names the item.
    """
    window = _Window(items, ITEMS * engine.workers, BYTES * engine.workers)
    try:
        with _parallel(engine) as parallel:
            # A call ends early where results are taken more slowly than they are made.
            while not window.exhausted:
                for result in parallel(delayed(function)(item) for item in window):
                    window.finish()
                    yield result
    except TerminatedWorkerError:
        raise UserError(_told(function, window.items, name)) from None


def _parallel(engine: Engine) -> Parallel:
    backend = "loky" if engine.backend == "local" else engine.backend
    with parallel_config(backend=backend, n_jobs=engine.workers):
        active, _ = get_active_backend()
        # Where a backend cannot hand results on one by one, it does so by whole windows.
        return Parallel(return_as="generator" if active.supports_return_generator else "list")


class _Window(Generic[Item]):
    """Items as they are asked for, until there is no room for more of them in flight."""

    def __init__(self, items: Iterable[Item], most_items: int, most_bytes: int) -> None:
        self.exhausted = False
        self.items: deque[Item] = deque()  # in flight
        self._source = iter(items)
        self._room = (most_items, most_bytes)
        self._bytes = 0

    def __iter__(self) -> Iterator[Item]:
        # joblib asks from several threads, one at a time.
        most_items, most_bytes = self._room
        while not self.items or (len(self.items) < most_items and self._bytes < most_bytes):
            try:
                item = next(self._source)
            except StopIteration:
                self.exhausted = True
                return
            self._bytes += _size(item)
            self.items.append(item)
            yield item

    def finish(self) -> None:
        """The result of the first item in flight was taken."""
        self._bytes -= _size(self.items.popleft())


def _size(item: object) -> int:
    """Bytes in an item, its small parts aside."""
    if isinstance(item, tuple):
        return sum(map(_size, item))
    return len(item) if isinstance(item, bytes) else 0


def _told(
    function: Callable[[Item], Result], items: Iterable[Item], name: Callable[[Item], str]
) -> str:
    """What to say of a process that died on one of the items: the first that kills again."""
    deadline = time.monotonic() + SEARCH_SECONDS
    first, *_ = items = [*items]
    with ProcessPoolExecutor(max_workers=1) as executor:
        for item in items:
            try:
                executor.submit(function, item).result(deadline - time.monotonic())
            except BrokenProcessPool:
                return f"{name(item)}: ended the process that read it; remove this file"
            except TimeoutError:
                executor.shutdown(kill_workers=True)
                break
            except Exception:  # an error is no crash
                continue
    return (
        f"{name(first)}, or one soon after it: the process that read it was killed, for want of"
        " memory perhaps; lower runtime.workers in params.yaml"
    )
