"""Work in several processes, so that a crash in a decoder ends one of them and is told."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import chain, islice
from multiprocessing import TimeoutError as JoblibTimeoutError
from typing import Generic, NamedTuple, TypeVar

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import ProcessPoolExecutor, TimeoutError
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError
from joblib.parallel import BACKENDS, ParallelBackendBase, get_active_backend

from ballast.core.errors import UserError
from ballast.workers.versions import code_versions, different_version

Item = TypeVar("Item")
Result = TypeVar("Result")

# What makes an engine known to joblib, as module:function. Another is one more line.
REGISTRATIONS = {
    "ray": "ray.util.joblib:register_ray",
    "spark": "joblibspark:register_spark",
}
SEARCH_SECONDS = 10.0
# Of silence, until an engine of other machines is given up.
SILENCE_SECONDS = 300.0
# In flight, at most, for each worker. joblib makes batches of 0.2 s or more, and hands each worker
# a second one while it does the first: 50 MB/s of JPEG need 40 MB, 1 ms an item needs 400 items.
ITEMS = 512
BYTES = 64 * 2**20

# For processes that are started here. glibc gives each large block back to the system at once, and
# the next one then costs a page fault every 4 KiB. That was a quarter of making images of 224
# pixels in one process, and a twentieth of a whole run of oversample in two.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": f"{2**25}", "MALLOC_TRIM_THRESHOLD_": f"{2**27}"}


class Engine(NamedTuple):
    """What does the work."""

    workers: int  # processes; where local and 1, all is done in this one
    name: str = "local"  # or dask, or another that joblib knows or REGISTRATIONS names
    scheduler: str | None = None  # address of a running Dask cluster; None starts one here


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
        UserError: where a process dies, naming the item; and where the engine is unknown, is not
            there, falls silent, or has another Ballast or other libraries than this process.
    """
    work = function
    if engine.name != "local":
        work = partial(_with_same_code, code_versions(), function)
    source = iter(items)
    first = list(islice(source, 1))
    if not first:
        return
    with _backend(engine) as backend:
        workers = backend.effective_n_jobs(engine.workers)
        window = _Window(chain(first, source), ITEMS * workers, BYTES * workers)
        with parallel_config(backend=backend, n_jobs=engine.workers):
            # Where a backend cannot hand results on one by one, it does so by whole windows.
            parallel = Parallel(
                return_as="generator" if backend.supports_return_generator else "list",
                timeout=None if engine.name == "local" else SILENCE_SECONDS,
            )
        try:
            with parallel:
                # A call ends early where results are taken more slowly than they are made.
                while not window.exhausted:
                    for result in parallel(delayed(work)(item) for item in window):
                        window.finish()
                        yield result
        except UserError:
            raise
        except Exception as error:
            if _is_death(error, engine):
                raise UserError(_told(function, window.items, name)) from None
            problem = None if engine.name == "local" else _problem(error, engine)
            if problem:
                raise UserError(problem) from None
            raise


@contextmanager
def _backend(engine: Engine) -> Iterator[ParallelBackendBase]:
    """What joblib sends an engine's work to."""
    if engine.name == "dask":
        from ballast.workers.dask import connected  # an optional dependency

        with connected(engine.scheduler, engine.workers) as backend:
            yield backend
        return
    if engine.name in REGISTRATIONS:
        module, function = REGISTRATIONS[engine.name].split(":")
        try:
            getattr(import_module(module), function)()
        except ImportError as error:
            raise UserError(
                f"params.yaml: runtime.engine: {engine.name} is not installed: {error}"
            ) from None
    if engine.name == "local":
        for variable, value in MEMORY.items():
            os.environ.setdefault(variable, value)
    backend_name = "loky" if engine.name == "local" else engine.name
    if backend_name not in BACKENDS:
        known = ", ".join(["local", "dask", *REGISTRATIONS])
        raise UserError(
            f"params.yaml: runtime.engine: {engine.name} is not an engine that joblib knows;"
            f" known engines: {known}"
        )
    with parallel_config(backend=backend_name):
        backend, _ = get_active_backend()
    yield backend


def _with_same_code(
    expected: dict[str, str], function: Callable[[Item], Result], item: Item
) -> Result:
    """On a worker: call a function, if it would make the same bytes as where it came from."""
    other = different_version(expected)
    if other:
        raise UserError(f"a worker has {other}: its images could differ; update it")
    return function(item)


def _is_death(error: Exception, engine: Engine) -> bool:
    """Whether an item may have killed the process that worked on it."""
    if engine.name == "dask":
        from ballast.workers.dask import is_death

        return is_death(error)
    return isinstance(error, TerminatedWorkerError)


def _problem(error: Exception, engine: Engine) -> str | None:
    """What a user can mend where workers are not this machine's own; None for other errors."""
    if isinstance(error, JoblibTimeoutError):
        return (
            f"runtime.engine: {engine.name}: no result for {SILENCE_SECONDS:.0f} s;"
            " check the cluster"
        )
    if isinstance(error, CancelledError | OSError):
        return f"runtime.engine: {engine.name}: lost the cluster; check that it is running"
    if isinstance(error, ImportError):
        return (
            f"runtime.engine: {engine.name}: {error}; install Ballast's environment on its workers"
        )
    return None


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
                return f"{name(item)}: crashed the process that read it; remove this file"
            except TimeoutError:
                executor.shutdown(kill_workers=True)
                break
            except Exception:  # an error is no crash
                continue
    return (
        f"{name(first)}, or a file soon after it: the process that read it was killed, perhaps for"
        " lack of memory; lower runtime.workers in params.yaml"
    )
