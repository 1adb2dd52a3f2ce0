"""Ask git."""

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes | None:
    """Run git in a folder.

    Returns:
        What it prints; None if it fails.
    """
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, check=False)
    return None if done.returncode else done.stdout
