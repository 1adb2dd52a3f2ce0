"""Errors that a user can cause, as one clear line."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake in params or data that the user can mend; the message says what, where and how."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with one line and exit code 1 on a UserError; let all others pass.

    Raises:
        SystemExit: with the message, in place of a UserError.
    """
    try:
        yield
    except UserError as error:
        raise SystemExit(f"ERROR: {error}") from None
