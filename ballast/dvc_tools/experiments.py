"""DVC's experiments by name: queue them, run the queue, and read what they made.

DVC's own workers end before the queue is empty now and then, or hang when told to stop (their
broker reads files that another process is just writing), and go on after Ctrl-C. So the workers
here are children of this process, which starts another where one ended and kills them in the end.
"""

import contextlib
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]
from dvc.repo import Repo
from dvc.repo.experiments.executor.base import ExecutorInfo
from dvc.repo.experiments.queue.base import QueueEntry
from dvc.repo.experiments.queue.celery import LocalCeleryQueue
from dvc.repo.experiments.utils import exp_refs
from kombu.message import Message

# Seconds between two looks at the queue.
PAUSE = 1.0
# So many workers a job that end without an experiment between them are no accident.
FRUITLESS = 3


class Ended(NamedTuple):
    """An experiment that has ended."""

    name: str
    failure: str  # why it failed; nothing where it did not


def finished(repo: Repo, messages: Mapping[str, str]) -> dict[str, str]:
    """Find experiments by name and commit message, of any commit that they were made from.

    Args:
        repo: in git.
        messages: the message that each name has to have.

    Returns:
        Revision by name, of those that are there.
    """
    found = {}
    for ref in exp_refs(repo.scm):
        if ref.name in messages:
            revision = repo.scm.get_ref(str(ref))
            if repo.scm.resolve_commit(revision).message.strip() == messages[ref.name]:
                found[ref.name] = revision
    return found


def queue_experiment(
    repo: Repo, name: str, message: str, params: Sequence[str], copy: Sequence[str] = ()
) -> None:
    """Queue an experiment, in place of another of that name from the same commit.

    Args:
        repo: in git.
        name: of the experiment.
        message: of its commit.
        params: KEY=VALUE, as of dvc exp run --set-param.
        copy: paths that it needs and git has not.
    """
    head = repo.scm.get_rev()
    for ref in [ref for ref in exp_refs(repo.scm) if ref.name == name]:
        if ref.baseline_sha == head:
            repo.scm.remove_ref(str(ref))
    with contextlib.redirect_stdout(io.StringIO()):
        repo.experiments.run(
            queue=True, name=name, message=message, params=[*params], copy_paths=[*copy]
        )


def run_queue(repo: Repo, names: Collection[str], jobs: int) -> Iterator[Ended]:
    """Run the queue until each of these experiments has ended; nothing runs on after that.

    Args:
        repo: in git.
        names: of experiments that were queued.
        jobs: experiments at a time.

    Yields:
        Each when it has ended.
    """
    waiting, fruitless = set(names), 0
    workers: list[subprocess.Popen[bytes]] = []
    try:
        while waiting:
            for ended in _ended(repo, waiting):
                waiting.remove(ended.name)
                fruitless = 0
                yield ended
            alive = [worker for worker in workers if worker.poll() is None]
            fruitless += len(workers) - len(alive)
            if fruitless > FRUITLESS * jobs:
                yield from (Ended(name, "DVC's workers end at once") for name in sorted(waiting))
                return
            missing = min(jobs, len(waiting)) - len(alive)
            workers = alive + [_start_worker(repo) for _ in range(missing)]
            time.sleep(PAUSE)
    finally:
        clear_queue(repo, names)


def clear_queue(repo: Repo, names: Collection[str]) -> None:
    """Kill what run_queue has started, and forget what of these experiments has not ended.

    dvc queue kill and remove would not do: an experiment whose worker was killed is for them
    neither queued nor done.
    """
    _kill_workers(repo)
    queue = repo.experiments.celery_queue
    for message, entry in _tasks(queue, names):
        # The message first: DVC fails on one whose files are gone, should this be interrupted.
        queue.celery.purge(message.delivery_tag)
        # Each of these is there or not, as far as the experiment got.
        with contextlib.suppress(FileNotFoundError):
            queue.celery.AsyncResult(message.headers["id"]).forget()
        info = queue.get_infofile_path(entry.stash_rev)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(ExecutorInfo.load_json(info).root_dir, ignore_errors=True)
        shutil.rmtree(Path(info).parent, ignore_errors=True)
    for message, entry in list(queue._iter_queued()):
        if entry.name in names:
            queue.celery.reject(message.delivery_tag)
    for stash in (queue.stash, queue.failed_stash):
        stash.remove_revs([e for e in stash.stash_revs.values() if e.name in names])
    queue.celery.clean()


def read_file(repo: Repo, revision: str, path: str) -> bytes:
    """Read a file of git or of DVC's cache as it was in a revision."""
    with repo.switch(revision):
        data: bytes = repo.dvcfs.read_bytes(path)
    return data


def _ended(repo: Repo, names: Collection[str]) -> list[Ended]:
    """Those that have ended, whose workers have cleaned up behind them."""
    queue = repo.experiments.celery_queue
    ended = {}
    for message, entry in _tasks(queue, names):
        if queue.celery.AsyncResult(message.headers["id"]).ready():
            info = ExecutorInfo.load_json(queue.get_infofile_path(entry.stash_rev))
            reason = "" if info.result_hash else _last_error(queue, entry)
            ended[entry.name] = Ended(entry.name, reason)
    return list(ended.values())


def _tasks(queue: LocalCeleryQueue, names: Collection[str]) -> list[tuple[Message, QueueEntry]]:
    """What workers took off the queue; nothing where one is just writing there."""
    try:
        return [(m, entry) for m, entry in queue._iter_processed() if entry.name in names]
    except (ValueError, OSError):
        return []


def _last_error(queue: LocalCeleryQueue, entry: QueueEntry) -> str:
    """The last line that begins with ERROR in what an experiment printed, without that word."""
    try:
        text = Path(queue.proc[entry.stash_rev].stdout).read_text(encoding="utf-8")
    except (KeyError, OSError, ValueError):
        text = ""
    lines = [line for line in text.splitlines() if line.startswith("ERROR: ")]
    # DVC's own, on the stage that failed, comes after the stage's.
    own = [line for line in lines if "failed to reproduce" not in line]
    return (own or lines or ["ERROR: see .dvc/tmp/exps"])[-1].removeprefix("ERROR: ")


def _worker_name(repo: Repo) -> str:
    """Begins the name of each worker of this repository."""
    return f"ballast-{hashlib.sha256(repo.root_dir.encode()).hexdigest()[:12]}"


def _start_worker(repo: Repo) -> subprocess.Popen[bytes]:
    name = f"{_worker_name(repo)}-{os.urandom(4).hex()}@localhost"
    # The worker runs dvc, and that python: those of this environment, activated or not.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "exp", "queue-worker", name],
        cwd=repo.root_dir,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A group of its own: Ctrl-C does not reach it, and all that it starts is killed with it.
        start_new_session=True,
    )


def _kill_workers(repo: Repo) -> None:
    """Kill this repository's workers and what they run, also those of a run that was killed."""
    for process in psutil.process_iter(["cmdline"]):
        if any(_worker_name(repo) in word for word in process.info["cmdline"] or []):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.wait(timeout=10)
