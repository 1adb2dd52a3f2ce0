"""Work in processes: results in order, errors as they are, and a death is told by its item."""

import os
import signal
import time
from pathlib import Path

import pytest

from ballast.errors import UserError
from ballast.parallel import each


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert [*each(lambda n: n * n, range(100), workers, str)] == [n * n for n in range(100)]
    assert [*each(lambda n: n, [], workers, str)] == []


def test_an_error_comes_through() -> None:
    def refuse(number: int) -> int:
        if number == 5:
            raise UserError("five")
        return number

    with pytest.raises(UserError, match=r"^five$"):
        list(each(refuse, range(10), 2, str))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_what_kills_its_process_is_named_within_seconds(number: signal.Signals) -> None:
    def die(item: int) -> int:
        if item == 7:
            os.kill(os.getpid(), number)
        return item

    start = time.monotonic()
    with pytest.raises(UserError, match=r"^photo 7: ended the process that read it; remove"):
        list(each(die, range(40), 2, lambda item: f"photo {item}"))
    assert time.monotonic() - start < 30, "no hang"


def test_a_process_that_was_killed_once_is_told_with_where_it_was(tmp_path: Path) -> None:
    def die_once(item: int) -> int:
        if item == 3 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(UserError, match=r"^photo \d, or one soon after it: .* runtime\.workers"):
        list(each(die_once, range(8), 2, lambda item: f"photo {item}"))
