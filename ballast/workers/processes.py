"""Runs work in several processes: a crash in a decoder ends only one, and is reported."""

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
from platform import node
from threading import Thread
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.externals.loky import ProcessPoolExecutor, TimeoutError
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError
from joblib.parallel import BACKENDS, ParallelBackendBase, get_active_backend

from ballast.core.errors import UserError
from ballast.core.params import Runtime
from ballast.workers.versions import ROOMS, code_versions, different_version

Item = TypeVar("Item")
Result = TypeVar("Result")

# Functions that register an engine with joblib, as module:function. Add others here.
REGISTRATIONS = {
    "ray": "ray.util.joblib:register_ray",
    "spark": "joblibspark:register_spark",
}
SEARCH_SECONDS = 10.0
# How long to wait for a result of an engine other than local.
SILENCE_SECONDS = 300.0
# How often a process started here looks whether its parent was killed. By itself it would wait for
# work for joblib's 300 s.
PARENT_SECONDS = 0.5
# Maximum in flight per worker. joblib makes batches of 0.2 s or more, and sends each worker a
# second one while it runs the first: 50 MB/s of JPEG need 40 MB, and items of 1 ms need 400 items.
ITEMS = 512
BYTES = 64 * 2**20

# For the processes started here. By default, glibc returns each large block to the system at once,
# and the next block costs a page fault every 4 KiB. That took a quarter of the time to make images
# of 224 pixels in one process, and a twentieth of a whole run of oversample in two.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": f"{2**25}", "MALLOC_TRIM_THRESHOLD_": f"{2**27}"}


class Engine(NamedTuple):
    """What runs the work."""

    workers: int  # processes; local with 1 runs everything in this process
    name: str = "local"  # or dask, a joblib backend or a name in REGISTRATIONS
    scheduler: str | None = None  # address of a running Dask scheduler; None starts one here


def engine_of(runtime: Runtime) -> Engine:
    """The engine that params ask for."""
    return Engine(runtime.workers or cpu_count(), runtime.engine, runtime.scheduler)


def each(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    engine: Engine,
    name: Callable[[Item], str],
    rooms: tuple[str, ...] = ROOMS,
) -> Iterator[Result]:
    """Call a function on every item.

    The number of items in flight is bounded, and so are their bytes. In flight are items that wait,
    items that are being processed, and results that have not been taken yet.

    Args:
        function: can be pickled.
        items: any number; each can be pickled. Bytes and arrays, also in tuples, count towards the
            bound.
        engine: what runs the work.
        name: returns the name of an item for error messages.
        rooms: whose code the results depend on.

    Yields:
        The results, in the order of `items`.

    Raises:
        UserError: if a process dies, naming the item; or if the engine is unknown or not installed,
            stops answering, or has another version of Ballast or of its libraries.
    """
    work = function
    if engine.name != "local":
        work = partial(_with_same_code, rooms, code_versions(rooms), function)
    source = iter(items)
    first = list(islice(source, 1))
    if not first:
        return
    with _backend(engine) as backend:
        workers = backend.effective_n_jobs(engine.workers)
        window = _Window(chain(first, source), ITEMS * workers, BYTES * workers)
        with parallel_config(backend=backend, n_jobs=engine.workers):
            # A backend that cannot return results one by one returns a whole window at a time.
            parallel = Parallel(
                return_as="generator" if backend.supports_return_generator else "list",
                timeout=None if engine.name == "local" else SILENCE_SECONDS,
            )
        try:
            with parallel:
                # A call ends early if results are taken more slowly than they are made.
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
    """The joblib backend of an engine."""
    if engine.name == "dask":
        from ballast.workers.dask import connected  # an optional dependency

        with connected(engine.scheduler, engine.workers, SILENCE_SECONDS) as backend:
            yield backend
        return
    if engine.name in REGISTRATIONS:
        module, function = REGISTRATIONS[engine.name].split(":")
        try:
            getattr(import_module(module), function)()
        except ImportError as error:
            package = (error.name or module).partition(".")[0]
            raise UserError(
                f"engine {engine.name} is not installed: {error}; run uv pip install {package}, or"
                " set runtime.engine in params.yaml, or --engine, to local or dask"
            ) from None
    if engine.name == "local":
        for variable, value in MEMORY.items():
            os.environ.setdefault(variable, value)
    backend_name = "loky" if engine.name == "local" else engine.name
    if backend_name not in BACKENDS:
        known = ", ".join(["local", "dask", *REGISTRATIONS])
        raise UserError(
            f"engine {engine.name} is not one that joblib knows; set runtime.engine in params.yaml,"
            f" or --engine, to one of {known}"
        )
    settings: dict[str, Any] = {}
    if engine.name == "local":
        settings = {"initializer": _end_with, "initargs": (os.getpid(),)}
    with parallel_config(backend=backend_name, **settings):
        backend, _ = get_active_backend()
    yield backend


def _end_with(parent: int) -> None:
    """End this process as soon as its parent, given by its process ID, has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _with_same_code(
    rooms: tuple[str, ...],
    expected: dict[str, str],
    function: Callable[[Item], Result],
    item: Item,
) -> Result:
    """Call a function on a worker, provided that the worker has the expected versions."""
    other = different_version(expected, rooms)
    if other:
        raise UserError(
            f"worker {node()} has {other}, so its results could differ; check out this commit"
            " there and run uv sync --frozen"
        )
    return function(item)


def _is_death(error: Exception, engine: Engine) -> bool:
    """Whether an item may have killed the process that was working on it."""
    if engine.name == "dask":
        from ballast.workers.dask import is_death

        return is_death(error)
    return isinstance(error, TerminatedWorkerError)


def _problem(error: Exception, engine: Engine) -> str | None:
    """The message for an error of a cluster that users can correct; None for other errors."""
    if isinstance(error, JoblibTimeoutError):
        return f"engine {engine.name}: no result for {SILENCE_SECONDS:.0f} s; check the cluster"
    if isinstance(error, CancelledError | OSError):
        return f"engine {engine.name}: lost the connection to the cluster; check that it is running"
    if isinstance(error, ImportError):
        return f"engine {engine.name}: {error}; install Ballast's environment on its workers"
    return None


class _Window(Generic[Item]):
    """Yields items while there is room for more in flight."""

    def __init__(self, items: Iterable[Item], most_items: int, most_bytes: int) -> None:
        self.exhausted = False
        self.items: deque[Item] = deque()  # in flight
        self._source = iter(items)
        self._room = (most_items, most_bytes)
        self._bytes = 0

    def __iter__(self) -> Iterator[Item]:
        # joblib iterates from several threads, but one at a time.
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
        """Note that the result of the first item in flight was taken."""
        self._bytes -= _size(self.items.popleft())


def _size(item: object) -> int:
    """The number of bytes in an item, ignoring its small parts."""
    if isinstance(item, tuple):
        return sum(map(_size, item))
    if isinstance(item, np.ndarray):
        return item.nbytes
    return len(item) if isinstance(item, bytes) else 0


def _told(
    function: Callable[[Item], Result], items: Iterable[Item], name: Callable[[Item], str]
) -> str:
    """The message for a process that died: name the first item that kills one again, if any."""
    deadline = time.monotonic() + SEARCH_SECONDS
    first, *_ = items = [*items]
    with ProcessPoolExecutor(max_workers=1) as executor:
        for item in items:
            try:
                executor.submit(function, item).result(deadline - time.monotonic())
            except BrokenProcessPool:
                return f"{name(item)}: crashed a worker process; remove the damaged file"
            except TimeoutError:
                executor.shutdown(kill_workers=True)
                break
            except Exception:  # an error is not a crash
                continue
    return (
        f"{name(first)}, or a file soon after: a worker process was killed, perhaps for lack of"
        " memory; lower runtime.workers in params.yaml"
    )
