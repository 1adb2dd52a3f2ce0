"""Dask's schedulers and workers give the same bytes as this machine, or a one-line error."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from distributed import Future
from projects import Project, environment

from ballast.core.errors import UserError
from ballast.workers import dask as dask_backend
from ballast.workers import processes as parallel
from ballast.workers.processes import Engine, each
from ballast.workers.versions import code_versions

ROOT = Path(__file__).parents[3]
DASK = str(Path(sys.executable).with_name("dask"))


class Cluster:
    """A scheduler on this machine, and workers of one thread each."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Start the scheduler."""
        self._folder, self._stack = folder, stack
        described = folder / "scheduler.json"
        self.scheduler = self._start(
            None, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", str(described),
        )  # fmt: skip
        wait_for(lambda: described.exists() and described.read_text().endswith("}"))
        self.address: str = json.loads(described.read_text())["address"]

    def add_worker(self, code: Path = ROOT) -> subprocess.Popen[bytes]:
        """Start one that imports Ballast from a folder."""
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
        return self._start(code, "worker", self.address, *options)

    def _start(self, code: Path | None, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [DASK, *command],
            cwd=self._folder,
            env=environment() | ({"PYTHONPATH": str(code)} if code else {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler, without workers yet."""
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait two minutes at most."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited for two minutes"
        time.sleep(0.01)


def square(item: tuple[int, bytes]) -> int:
    return item[0] ** 2


def die_of_7(number: int) -> int:
    if number == 7:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def test_a_worker_that_is_killed_in_the_middle_changes_no_byte(
    project: Project, cluster: Cluster
) -> None:
    more = {"augment.factor": 30, "data.image_size": 96}
    project.set_params(more)
    for stage in ("split", "count_classes", "oversample"):
        assert project.stage(stage).returncode == 0
    expected = project.outputs()
    for path in ("data/manifest.csv", "data/augmented.csv", ".dvc/tmp/inspections.jsonl"):
        (project.folder / path).unlink(missing_ok=True)

    workers = [cluster.add_worker() for _ in range(2)]
    project.set_params({"runtime.engine": "dask", "runtime.scheduler": cluster.address})
    assert project.stage("split").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", "stages.oversample"],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        made = project.folder / "data/augmented.tmp"
        wait_for(lambda: any(made.glob("*/*.jpg")) or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        workers[0].kill()
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert project.outputs() == expected


def test_workers_compute_features_and_fit_heads_of_the_same_bytes(
    features_project: Project, cluster: Cluster, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(features_project.folder, tmp_path / "project"))
    shutil.rmtree(project.folder / ".dvc/tmp/image_store")
    made = {
        "train": ["models/model.keras"],
        "cross_validate": ["outputs/cross_validation.csv", "outputs/heads.npz"],
    }
    for path in itertools.chain.from_iterable(made.values()):
        (project.folder / path).unlink()
    cluster.add_worker(project.folder)
    project.set_params({"runtime.engine": "dask", "runtime.scheduler": cluster.address})
    for stage, paths in made.items():
        done = project.stage(stage)
        assert done.returncode == 0, done.stderr
        for path in paths:
            expected = (features_project.folder / path).read_bytes()
            assert (project.folder / path).read_bytes() == expected


def test_a_worker_with_another_solver_fits_no_head(
    features_project: Project, cluster: Cluster, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(features_project.folder, tmp_path / "project"))
    shutil.copytree(project.folder / "ballast", tmp_path / "other/ballast")
    with (tmp_path / "other/ballast/model/head_solver.py").open("a") as file:
        file.write("\nSAMPLE = 1\n")
    cluster.add_worker(tmp_path / "other")
    project.set_params({"runtime.engine": "dask", "runtime.scheduler": cluster.address})
    done = project.stage("cross_validate")
    assert done.returncode == 1
    said = (
        r"ERROR: worker \S+ has ballast \w+ instead of \w+, so its results could differ; check out"
    )
    assert re.match(said, done.stderr.splitlines()[-1])


def test_a_cluster_that_is_started_here_gives_what_this_process_gives() -> None:
    items = [(number, bytes(1000)) for number in range(300)]
    assert [*each(square, items, Engine(2, "dask"), str)] == [n * n for n in range(300)]


def test_what_kills_every_worker_is_named() -> None:
    with pytest.raises(UserError, match=r"^photo 7: crashed a worker process; remove"):
        list(each(die_of_7, range(40), Engine(2, "dask"), lambda n: f"photo {n}"))


def test_no_scheduler_is_one_line_within_seconds() -> None:
    start = time.monotonic()
    with pytest.raises(
        UserError, match=r"runtime\.scheduler: no Dask scheduler answers at tcp://127\S+:1"
    ):
        list(each(abs, [1], Engine(2, "dask", "tcp://127.0.0.1:1"), str))
    assert time.monotonic() - start < 20


def test_a_scheduler_without_workers_is_one_line(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_backend, "WORKERS_SECONDS", 0.5)
    with pytest.raises(UserError, match=r"tcp://\S+ has no workers; start some with dask worker"):
        list(each(abs, [1], Engine(2, "dask", cluster.address), str))


def one_result_taken(cluster: Cluster) -> Iterator[int]:
    """Results of work under way that takes minutes."""

    def slowly(number: int) -> int:  # in a function, so that workers need not import it
        time.sleep(0.05)
        return number

    results = each(slowly, range(10_000), Engine(2, "dask", cluster.address), str)
    assert next(results) == 0
    return results


def test_a_scheduler_that_goes_away_is_one_line(cluster: Cluster) -> None:
    cluster.add_worker()
    results = one_result_taken(cluster)
    cluster.scheduler.kill()
    with pytest.raises(UserError, match=r"^engine dask: lost the connection to the cluster"):
        list(results)


def test_workers_that_all_go_away_are_one_line(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = cluster.add_worker()
    monkeypatch.setattr(parallel, "SILENCE_SECONDS", 2)
    results = one_result_taken(cluster)
    worker.kill()
    with pytest.raises(UserError, match=r"^engine dask: no result for 2 s"):
        list(results)


def test_a_result_that_a_lost_worker_took_with_it_is_one_line(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = cluster.add_worker()
    fetch = dask_backend.DaskBackend.retrieve_result_callback

    def fetch_too_late(backend: dask_backend.DaskBackend, out: Future) -> object:
        worker.kill()
        worker.wait()
        return fetch(backend, out)

    monkeypatch.setattr(dask_backend.DaskBackend, "retrieve_result_callback", fetch_too_late)
    monkeypatch.setattr(parallel, "SILENCE_SECONDS", 2)
    with pytest.raises(UserError, match=r"^engine dask: no result for 2 s"):
        list(each(abs, range(3), Engine(2, "dask", cluster.address), str))


def test_a_worker_without_ballast_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    # Ballast is installed where the tests run, so that it has to be hidden from a worker.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'ballast':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
    )
    cluster.add_worker(tmp_path)
    with pytest.raises(
        UserError,
        match=r"^params\.yaml: runtime\.scheduler: worker \S+: .*No module named .*ballast",
    ):
        list(each(abs, [1], Engine(2, "dask", cluster.address), str))


def test_a_worker_with_another_library_is_one_line(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add_worker()
    versions = code_versions()
    monkeypatch.setattr(parallel, "code_versions", lambda _: {**versions, "pillow": "1.0"})
    wrong = rf"^worker \S+ has pillow {versions['pillow']} instead of 1\.0, so"
    with pytest.raises(UserError, match=wrong):
        list(each(abs, [1], Engine(2, "dask", cluster.address), str))
