"""Errors that users can correct, reported in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

INTERRUPTED = 130  # 128 + SIGINT, as in shells


class UserError(Exception):
    """A mistake in params or data; the message says what is wrong, where, and what is right."""


def one_line(text: str) -> str:
    """Escape line breaks and all other unprintable characters."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def warn(message: str) -> None:
    """Print a warning to stderr; the run continues."""
    print(f"WARNING: {one_line(message)}", file=sys.stderr)


def counted(number: int, noun: str) -> str:
    """Format a number of things, as in "1 file" or "2 files"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@contextmanager
def needing_packages() -> Iterator[None]:
    """For imports on demand: say what to do about a package that is not installed.

    Raises:
        UserError: instead of a ModuleNotFoundError, but for a module of Ballast's own.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "ballast").partition(".")[0]
        if package == "ballast":
            raise
        raise UserError(
            f"the package {package} is not installed; run make, or uv sync --frozen, and begin"
            " commands with uv run"
        ) from None


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Exit with one line on a UserError (exit code 1) or on Ctrl-C (130); other errors propagate.

    Raises:
        SystemExit: instead of a UserError, with its message, or of a KeyboardInterrupt.
    """
    try:
        yield
    except UserError as error:
        raise SystemExit(f"ERROR: {one_line(str(error))}") from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


def one_line_interrupts(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """A sys.excepthook that treats Ctrl-C as one_line_errors does; other errors are shown as usual.

    It is for what runs before one_line_errors is entered: the imports of a program.

    Raises:
        SystemExit: instead of a KeyboardInterrupt. Python ends a process with the exit code of a
            SystemExit that a hook raises.
    """
    if issubclass(kind, KeyboardInterrupt):
        with one_line_errors():
            raise error
    sys.__excepthook__(kind, error, trace)
