"""Queue DVC experiments by name, run the queue, and read their outputs.

DVC's own workers sometimes exit before the queue is empty, or hang when told to stop (their broker
reads files that another process is writing), and they continue after Ctrl-C. So the workers here
are children of this process, which replaces those that exit and kills all of them at the end.
"""

import contextlib
import hashlib
import io
import os
import re
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
from dvc.repo.experiments.utils import EXEC_TMP_DIR, exp_refs
from dvc.scm import RevError, resolve_rev
from kombu.message import Message

from ballast.dvc_tools.half_written import clear_incomplete, clear_running

# Seconds between polls of the queue.
PAUSE = 1.0
# Give up after more than this many workers per job in a row exit without finishing an experiment.
FRUITLESS = 3


class Ended(NamedTuple):
    """An experiment that has ended."""

    name: str
    failure: str  # why it failed; empty after success


def finished(repo: Repo, messages: Mapping[str, str]) -> dict[str, str]:
    """Find experiments by name and commit message, whichever commit they are based on.

    Args:
        repo: a DVC repository in git.
        messages: the required message by name.

    Returns:
        The revision by name of those that exist.
    """
    refs = [(ref.name, repo.scm.get_ref(str(ref))) for ref in exp_refs(repo.scm)]
    return {
        name: revision
        for name, revision in refs
        if name in messages and _message(repo, revision) == messages[name]
    }


def finished_by_name(repo: Repo, messages: Mapping[str, str]) -> dict[str, str]:
    """Like finished, but only those that DVC's commands find by their name.

    If experiments of the same name are based on several commits, that is the one based on HEAD.
    """
    found = {}
    for name in messages:
        with contextlib.suppress(RevError):
            found[name] = resolve_rev(repo.scm, name)
    return {name: rev for name, rev in found.items() if _message(repo, rev) == messages[name]}


def made_by_others(repo: Repo, names: Collection[str]) -> list[str]:
    """Names of experiments based on HEAD that queue_experiment would replace, but never made."""
    head = repo.scm.get_rev()
    refs = [ref for ref in exp_refs(repo.scm) if ref.name in names and ref.baseline_sha == head]
    return [
        ref.name
        for ref in refs
        if not re.fullmatch(
            rf"{re.escape(ref.name)}, of [0-9a-f]{{16}}",
            _message(repo, repo.scm.get_ref(str(ref))),
        )
    ]


def _message(repo: Repo, revision: str) -> str:
    message: str = repo.scm.resolve_commit(revision).message
    return message.strip()


def queue_experiment(
    repo: Repo, name: str, message: str, params: Sequence[str], copy: Sequence[str] = ()
) -> None:
    """Queue an experiment; replaces one of that name that is based on the same commit.

    Args:
        repo: a DVC repository in git.
        name: of the experiment.
        message: of its commit.
        params: KEY=VALUE, as for dvc exp run --set-param.
        copy: paths that it needs and that are not in git.
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
    """Run the queue until all of these experiments have ended; leaves no worker running.

    Args:
        repo: a DVC repository in git.
        names: of the queued experiments.
        jobs: number of experiments at a time.

    Yields:
        Each experiment as it ends.
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
                yield from (Ended(name, "DVC's workers exit at once") for name in sorted(waiting))
                return
            missing = min(jobs, len(waiting)) - len(alive)
            workers = alive + [_start_worker(repo) for _ in range(missing)]
            time.sleep(PAUSE)
    finally:
        clear_queue(repo, names)


def clear_queue(repo: Repo, names: Collection[str]) -> None:
    """Kill the workers of run_queue, and remove those of these experiments that have not ended.

    dvc queue kill and dvc queue remove are not enough: to them, an experiment whose worker was
    killed is neither queued nor done.
    """
    _kill_workers(repo)
    clear_running(repo)
    queue = repo.experiments.celery_queue
    # What workers and experiments were writing when they were killed.
    clear_incomplete([*Path(queue.wdir).rglob("*.msg"), *Path(queue.pid_dir).rglob("*.run")])
    for message, entry in _tasks(queue, names):
        # Remove the message first: if this is interrupted, DVC fails on messages without files.
        queue.celery.purge(message.delivery_tag)
        # Which of these exist depends on how far the experiment got.
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


def clear_leftovers(repo: Repo) -> None:
    """Remove temporary folders of experiments that were killed before DVC knew of them.

    Nothing is removed while another DVC runs in this repository, as it may be filling one of them.
    """
    top, folders = Path(repo.root_dir), [*Path(repo.tmp_dir, EXEC_TMP_DIR).glob("tmp????????")]
    for process in psutil.process_iter(["cmdline", "cwd"]) if folders else ():
        words, cwd = process.info["cmdline"] or [], Path(process.info["cwd"] or "/")
        if process.pid == os.getpid() or not cwd.is_relative_to(top):
            continue
        if "dvc" in [Path(word).name for word in words]:
            return
        # A stage may outlive its DVC.
        folders = [folder for folder in folders if not cwd.is_relative_to(folder)]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def read_file(repo: Repo, revision: str, path: str) -> bytes:
    """Read a file of a revision, from git or from DVC's cache."""
    with repo.switch(revision):
        data: bytes = repo.dvcfs.read_bytes(path)
    return data


def has_files(repo: Repo, revision: str, needed: Sequence[str]) -> bool:
    """Whether git, DVC's cache or a remote has these files of a revision."""
    with repo.switch(revision):
        try:
            for path in needed:
                repo.dvcfs.read_bytes(path)
        except FileNotFoundError:  # dvc gc has removed it, for example
            return False
    return True


def _ended(repo: Repo, names: Collection[str]) -> list[Ended]:
    """The experiments that have ended and whose workers have cleaned up."""
    queue = repo.experiments.celery_queue
    ended = {}
    for message, entry in _tasks(queue, names):
        if queue.celery.AsyncResult(message.headers["id"]).ready():
            info = ExecutorInfo.load_json(queue.get_infofile_path(entry.stash_rev))
            reason = "" if info.result_hash else _last_error(queue, entry)
            ended[entry.name] = Ended(entry.name, reason)
    return list(ended.values())


def _tasks(queue: LocalCeleryQueue, names: Collection[str]) -> list[tuple[Message, QueueEntry]]:
    """Tasks that workers took off the queue; empty while a worker is writing there."""
    try:
        return [(m, entry) for m, entry in queue._iter_processed() if entry.name in names]
    except (ValueError, OSError):
        return []


def _last_error(queue: LocalCeleryQueue, entry: QueueEntry) -> str:
    """The last ERROR line that an experiment printed, without the prefix."""
    try:
        text = Path(queue.proc[entry.stash_rev].stdout).read_text(encoding="utf-8")
    except (KeyError, OSError, ValueError):
        text = ""
    lines = [line for line in text.splitlines() if line.startswith("ERROR: ")]
    # DVC prints its own line about the failed stage after the stage's error.
    own = [line for line in lines if "failed to reproduce" not in line]
    return (own or lines or ["ERROR: see .dvc/tmp/exps"])[-1].removeprefix("ERROR: ")


def _worker_name(repo: Repo) -> str:
    """The prefix of the names of this repository's workers."""
    return f"ballast-{hashlib.sha256(repo.root_dir.encode()).hexdigest()[:12]}"


def _start_worker(repo: Repo) -> subprocess.Popen[bytes]:
    name = f"{_worker_name(repo)}-{os.urandom(4).hex()}@localhost"
    # Workers must find the dvc and python of this environment, even if it is not activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "exp", "queue-worker", name],
        cwd=repo.root_dir,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Its own process group: Ctrl-C does not reach it, and its children are killed with it.
        start_new_session=True,
    )


def _kill_workers(repo: Repo) -> None:
    """Kill this repository's workers and their children, including those of a killed run."""
    for process in psutil.process_iter(["cmdline"]):
        if any(_worker_name(repo) in word for word in process.info["cmdline"] or []):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.wait(timeout=10)
