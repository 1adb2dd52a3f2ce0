"""Commands that run experiments, to be watched and interrupted."""

import signal
import subprocess
import sys
from pathlib import Path

from projects import Project, environment


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    """Start a subcommand of ballast, as a shell in the foreground does."""
    return subprocess.Popen(
        [sys.executable, "-m", "ballast", *arguments],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        # Background jobs of a shell, these tests perhaps among them, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def until_one_is_done(process: subprocess.Popen[str]) -> None:
    """Wait for its first experiment."""
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if line.endswith("is done\n"):
            return
    raise AssertionError(f"it ended before any experiment: {said}")


def workers(project: Project) -> list[str]:
    """Command lines of what works off this project's queue."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").resolve().is_relative_to(project.folder):
                found.append((folder / "cmdline").read_text())
        except OSError:  # another's, or gone
            continue
    # Python's tracker of shared memory ends by itself, a moment after the process it belongs to.
    return [line for line in found if line and "resource_tracker" not in line]
