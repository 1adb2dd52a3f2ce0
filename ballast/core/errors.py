"""Errors that a user can cause, as one clear line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake in params or data that the user can mend; the message says what, where and how."""


def one_line(text: str) -> str:
    """Text with its line breaks, and what else cannot be seen, spelt out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def warn(message: str) -> None:
    """Tell what the user should know, while the run goes on."""
    print(f"WARNING: {one_line(message)}", file=sys.stderr)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with one line on a UserError (exit code 1) or Ctrl-C; let all others pass.

    Raises:
        SystemExit: in place of a UserError, with its message, or of a KeyboardInterrupt.
    """
    try:
        yield
    except UserError as error:
        raise SystemExit(f"ERROR: {one_line(str(error))}") from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None  # 128 + SIGINT, as shells have it
