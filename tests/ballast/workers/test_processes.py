"""Process pools keep order and errors, and name the item whose process died."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from types import ModuleType

import psutil  # type: ignore[import-untyped]
import pytest
from joblib import register_parallel_backend
from joblib.parallel import ThreadingBackend

from ballast.core.errors import UserError
from ballast.workers import processes as parallel
from ballast.workers.processes import BYTES, ITEMS, Engine, each

BUSY_FOR_TWO_MINUTES = """
import time
from ballast.workers.processes import Engine, each
print("all have begun", *each(time.sleep, [0.01, 0.01], Engine(2), str), flush=True)
list(each(time.sleep, [120.0, 120.0], Engine(2), str))
"""
OR_SET = "or set runtime.engine in params.yaml, or --engine, to local or dask"


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert [*each(lambda n: n * n, range(100), Engine(workers), str)] == [n * n for n in range(100)]
    assert [*each(lambda n: n, [], Engine(workers), str)] == []


def test_an_error_comes_through() -> None:
    def refuse(number: int) -> int:
        if number == 5:
            raise UserError("five")
        return number

    with pytest.raises(UserError, match=r"^five$"):
        list(each(refuse, range(10), Engine(2), str))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_items_comes_through(workers: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise UserError("no sixth")

    results = each(lambda n: n, items(), Engine(workers), str)
    with pytest.raises(UserError, match=r"^no sixth$"):
        list(results)


@pytest.mark.parametrize("backend", ["local", "threading", "multiprocessing"])
@pytest.mark.parametrize(("size", "most"), [(0, 2 * ITEMS), (BYTES // 10, 2 * 10 + 1)])
def test_no_more_items_are_taken_than_there_is_room_for(backend: str, size: int, most: int) -> None:
    total, taken = 3 * most, 0

    def items() -> Iterator[tuple[int, bytes]]:
        nonlocal taken
        for number in range(total):
            taken += 1
            yield number, bytes(size)

    done = 0
    for result in each(itemgetter(0), items(), Engine(2, backend), str):
        assert result == done
        done += 1
        if done % 100 == 1:
            time.sleep(0.02)  # slower than the workers
        assert taken - done <= most
    assert done == total


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_what_kills_its_process_is_named_within_seconds(number: signal.Signals) -> None:
    def die(item: int) -> int:
        if item == 7:
            os.kill(os.getpid(), number)
        return item

    start = time.monotonic()
    with pytest.raises(UserError, match=r"^photo 7: crashed a worker process; remove"):
        list(each(die, range(40), Engine(2), lambda item: f"photo {item}"))
    assert time.monotonic() - start < 30, "no hang"


def test_a_process_that_was_killed_once_is_told_with_where_it_was(tmp_path: Path) -> None:
    def die_once(item: int) -> int:
        if item == 3 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(UserError, match=r"^photo \d, or a file soon after: .* runtime\.workers"):
        list(each(die_once, range(8), Engine(2), lambda item: f"photo {item}"))


def test_processes_end_soon_after_their_parent_was_killed() -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", BUSY_FOR_TWO_MINUTES], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout
    assert started.stdout.readline()
    children = psutil.Process(started.pid).children(recursive=True)
    assert len(children) >= 2
    started.kill()
    started.wait()
    _, left = psutil.wait_procs(children, timeout=20)
    assert left == []


def test_an_engine_that_nobody_knows_is_one_line() -> None:
    with pytest.raises(UserError, match="engine dusk is not one that joblib knows"):
        list(each(abs, [1], Engine(2, "dusk"), str))


@pytest.mark.parametrize(
    ("engine", "package", "cure"),
    [
        ("dask", "distributed", "; run uv sync --group dask"),
        ("ray", "ray.util.joblib", f": .*; run uv pip install ray, {OR_SET}"),
        ("spark", "joblibspark", f": .*; run uv pip install joblibspark, {OR_SET}"),
    ],
)
def test_an_engine_that_is_not_installed_is_one_line_with_what_to_install(
    engine: str, package: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "ballast.workers.dask", raising=False)
    with pytest.raises(UserError, match=rf"^engine {engine} is not installed{cure}$"):
        list(each(abs, [1], Engine(2, engine), str))


def test_one_line_registers_another_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    class Borrowed(ThreadingBackend):  # type: ignore[misc]  # untyped
        def configure(self, *arguments: object, **more: object) -> object:
            used.append(self)
            return super().configure(*arguments, **more)

    module = ModuleType("borrowed")
    register = partial(register_parallel_backend, "borrowed", Borrowed)
    monkeypatch.setattr(module, "register", register, raising=False)
    monkeypatch.setitem(sys.modules, "borrowed", module)
    monkeypatch.setitem(parallel.REGISTRATIONS, "borrowed", "borrowed:register")
    assert [*each(abs, [-1, -2], Engine(2, "borrowed"), str)] == [1, 2]
    assert used
