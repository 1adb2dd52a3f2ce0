"""The command `ballast`; each subcommand is a module of ballast/commands/."""

import argparse
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module, metadata
from io import TextIOWrapper

from ballast.core.errors import UserError, needing_packages, one_line_errors

READER_GONE = 141  # 128 + SIGPIPE, as shells have it
# Subcommands are imported on demand: some load TensorFlow or DVC.
COMMANDS = {
    "answer": "print the answer of the latest run, and what to do next",
    "check": "check params.yaml, the photographs and DVC's own files before a run",
    "compare": "train strategies that are not trained yet, and compare runs",
    "cross-validate": "test strategies on every photograph, in DVC experiments",
    "explain": "show where in photographs the model finds its evidence",
    "init": "put Ballast into a repository that exists already",
    "nearest": "find the training photographs that are most like a photograph",
    "predict": "predict the class of photographs",
    "publish-check": "check that git, dvc.lock and the cache agree before a push",
    "suggest": "suggest which photographs to label next",
    "unpack": "unpack the training images that augment.pack packed",
    "upgrade": "bring what ballast init wrote to the version of this clone",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand named on the command line; return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    with one_line_errors(), printing():
        needed = COMMANDS if "--print-completion" in given else {*given[:1]} & COMMANDS.keys()
        options = command_line(needed).parse_args(given)
        code: int = options.run(options)
    return code


class _Watched(TextIOWrapper):
    """A text stream that remembers why it could not be written, to tell that from other errors."""

    failure: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.failure = error
            raise


@contextmanager
def printing() -> Iterator[None]:
    """Write all of stdout before the end, and end with an exit code of its own if that fails.

    Raises:
        SystemExit: with READER_GONE if the reader, such as `| head`, has closed the pipe.
        UserError: if stdout is a file and the disk is full, for example.
    """
    before = sys.stdout
    if not isinstance(before, TextIOWrapper):  # a program has replaced or closed it
        yield
        return
    sys.stdout = watched = _watched(before)
    try:
        try:
            yield
        finally:
            watched.flush()
            if watched.failure:  # argparse says nothing of it, for example
                raise watched.failure
    except OSError as error:
        if error is not watched.failure:
            raise
        # Discard what is left in the buffer: Python would try to write it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), watched.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(READER_GONE) from None
        raise UserError(f"standard output: cannot be written: {error.strerror}") from None
    finally:
        sys.stdout = before
        watched.detach()  # else it would close what is below it


def _watched(stream: TextIOWrapper) -> _Watched:
    """Watch what a stream writes to; both encode alike."""
    stream.flush()
    return _Watched(
        stream.buffer,
        stream.encoding,
        stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def command_line(complete: Collection[str]) -> argparse.ArgumentParser:
    """Build the command-line parser.

    Args:
        complete: subcommands to import, so that they have their options; the others have only a
            name and a line of help.

    Raises:
        UserError: if a subcommand needs a package that is not installed.
    """
    with needing_packages():
        import shtab  # a program that was started without the environment has none
    parser = argparse.ArgumentParser(
        "ballast", description="Balance small image sets, and measure whether it helped."
    )
    parser.add_argument("--version", action="version", version=f"ballast {_version()}")
    shtab.add_argument_to(parser, help="print a script for tab completion and exit")
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, line in COMMANDS.items():
        subcommand = subcommands.add_parser(
            name, help=line, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name in complete:
            try:
                module = import_module(f"ballast.commands.{name.replace('-', '_')}")
            except ModuleNotFoundError as error:
                if (error.name or "ballast").startswith("ballast"):
                    raise
                raise UserError(
                    f"ballast {name}: the package {error.name} is not installed; run it in a clone"
                    " of Ballast, where make installs what the pipeline needs"
                ) from None
            subcommand.description = module.__doc__
            module.add_arguments(subcommand)
            subcommand.set_defaults(run=module.run)
    return parser


def _version() -> str:
    """The installed version, or "unknown" in a clone that is not installed."""
    try:
        return metadata.version("ballast")
    except metadata.PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    raise SystemExit(main())
