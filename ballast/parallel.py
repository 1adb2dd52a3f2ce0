"""Work in several processes, so that a crash in a decoder ends one of them and is told."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky import ProcessPoolExecutor, TimeoutError
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

from ballast.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

SEARCH_SECONDS = 10.0


def each(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    name: Callable[[Item], str],
) -> Iterator[Result]:
    """Call a function on every item.

    Args:
        function: one that can be pickled.
        items: none or more.
        workers: processes; with 1 all is done in this one.
        name: what an error calls an item.

    Yields:
        The results, in the order of `items`.

    Raises:
        UserError: where a process dies; it names the item.
    """
    parallel = Parallel(n_jobs=workers, backend="loky", return_as="generator")
    done = 0
    try:
        for result in parallel(delayed(function)(item) for item in items):
            done += 1
            yield result
    except TerminatedWorkerError:
        raise UserError(_told(function, items[done:], name)) from None


def _told(
    function: Callable[[Item], Result], items: Sequence[Item], name: Callable[[Item], str]
) -> str:
    """What to say of a process that died on one of the items: the first that kills again."""
    deadline = time.monotonic() + SEARCH_SECONDS
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
        f"{name(items[0])}, or one soon after it: the process that read it was killed, for want of"
        " memory perhaps; lower runtime.workers in params.yaml"
    )
