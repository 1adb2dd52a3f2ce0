"""A joblib backend for Dask."""

import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import CRITICAL
from multiprocessing import TimeoutError as JoblibTimeoutError
from typing import Any
from uuid import uuid4

from joblib.parallel import AutoBatchingMixin, ParallelBackendBase

from ballast.core.errors import UserError
from ballast.workers.versions import code_versions

try:
    import cloudpickle
    import dask
    from distributed import Client, Future, KilledWorker, LocalCluster
except ModuleNotFoundError:
    raise UserError("engine dask is not installed; run uv sync --group dask") from None

CONNECT_SECONDS = 5
WORKERS_SECONDS = 10


class DaskBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # untyped
    """Sends joblib's batches to a cluster, and their bytes with them.

    The scheduler keeps the bytes until there is a result, so it can give a batch to another worker
    if one is lost. joblib's own Dask backend leaves the bytes with a single worker, and waits
    forever if Dask gives up on a batch (joblib 1.6.0, joblib/_dask.py: no callback is called).
    """

    supports_retrieve_callback = True
    default_n_jobs = -1

    def __init__(self, client: Client, silence: float) -> None:
        """Send batches through a connected client; wait so many seconds for a finished result."""
        super().__init__(nesting_level=0)
        self.client, self._silence = client, silence

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Count the workers' threads; at least 2, because joblib runs 1 in this process."""
        del n_jobs
        threads: int = sum(self.client.ncores().values())
        return max(2, threads)

    def submit(self, func: Callable[[], Any], callback: Callable[[Future], None]) -> Future:
        """Send a batch; the callback gets its future once it is finished, failed or cancelled."""
        # Opaque bytes, and a function sent by value that opens them: the scheduler imports nothing.
        future = self.client.submit(
            _opener(), cloudpickle.dumps(func), key=f"ballast-{uuid4().hex}"
        )
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Future) -> Any:  # noqa: ANN401  # joblib's batch
        """Return the results of a batch, or raise its error."""
        # A worker that is lost after it finished a batch takes the result with it. joblib cannot
        # end this wait: its own time limit needs the lock that it holds during this call.
        try:
            result, error = out.result(self._silence)
        except TimeoutError:
            raise JoblibTimeoutError from None
        if error:
            raise error
        return result


def _opener() -> Callable[[bytes], tuple[Any, Exception | None]]:
    """Make a function that runs a pickled batch; as a closure, it is sent by value."""

    def outcome(batch: bytes) -> tuple[Any, Exception | None]:
        # Return errors as values: Dask would fill its logs with those that are raised.
        try:
            return pickle.loads(batch)(), None
        except Exception as error:
            return None, error

    return outcome


@contextmanager
def cluster(workers: int) -> Iterator[LocalCluster]:
    """Start a cluster of so many worker processes on this machine, which stops with the context."""
    # Without Dask's profiler, which samples each worker every 10 ms and took 3 % of a core.
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=CRITICAL,
        ) as local,
    ):
        yield local


@contextmanager
def connected(scheduler: str | None, workers: int, silence: float) -> Iterator[DaskBackend]:
    """Connect to a cluster, or start one on this machine that stops with the context.

    Args:
        scheduler: address of a running scheduler; None starts a cluster.
        workers: processes of a cluster that is started.
        silence: how long to wait for the result of a finished batch, in seconds.

    Yields:
        A backend for joblib.

    Raises:
        UserError: if there is no scheduler at the address, it has no workers, or a worker cannot
            import Ballast.
    """
    warnings.filterwarnings("ignore", "Sending large graph", UserWarning)  # images, on purpose
    if not scheduler:
        with cluster(workers) as local, Client(local) as client:
            yield DaskBackend(client, silence)
        return
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"params.yaml: runtime.scheduler: no Dask scheduler answers at {scheduler}:"
            f" {reason}; start one there with dask scheduler, or set it to null"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError:
            raise UserError(
                f"params.yaml: runtime.scheduler: {scheduler} has no workers; start some with"
                f" dask worker {scheduler}"
            ) from None
        # A worker that cannot import what it receives would never answer.
        for address, answer in client.run(code_versions, on_error="return").items():
            if isinstance(answer, Exception):
                raise UserError(
                    f"params.yaml: runtime.scheduler: worker {address}: {answer}; install Ballast's"
                    " environment there, with Ballast on its PYTHONPATH"
                )
        yield DaskBackend(client, silence)


def is_death(error: Exception) -> bool:
    """Whether Dask gave up on a batch because it killed several workers."""
    return isinstance(error, KilledWorker)
