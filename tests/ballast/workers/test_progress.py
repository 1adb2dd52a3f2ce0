"""Progress bars appear on terminals only."""

import fcntl
import os
import pty
import struct
import sys
import termios

import pytest

from ballast.workers.progress import with_progress


def test_what_is_looped_over_comes_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress(iter("abc"), 3, "letters")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_without_a_stderr_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert list(with_progress(iter("abc"), 3, "letters")) == ["a", "b", "c"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    with open(terminal, "w") as stderr:  # noqa: PTH123  # a descriptor
        monkeypatch.setattr(sys, "stderr", stderr)
        assert list(with_progress(iter(""), 0, "nothing")) == []
        assert list(with_progress(iter("abc"), 3, "letters")) == ["a", "b", "c"]
        shown = ""
        while not shown.endswith("\n"):
            shown += os.read(screen, 10_000).decode()
    os.close(screen)
    assert "nothing" not in shown
    assert "letters: 100%" in shown
    assert "3/3" in shown
