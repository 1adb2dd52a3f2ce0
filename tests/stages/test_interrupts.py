"""Ctrl-C is one word from the first import of a stage on."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "stages").glob("[!_]*.py"))
# Runs a stage whose import of a module raises an error; every stage imports that module.
WHILE_IMPORTING = """
import runpy, sys
class Finder:
    def find_spec(name, path, target=None):
        if name == "ballast.core.paths":
            raise {}
sys.meta_path.insert(0, Finder)
runpy.run_module("stages.{}", run_name="__main__")
"""


def ended_while_importing(stage: str, error: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WHILE_IMPORTING.format(error, stage)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("stage", SCRIPTS)
def test_ctrl_c_while_a_stage_imports_is_one_word(stage: str) -> None:
    done = ended_while_importing(stage, "KeyboardInterrupt")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_any_other_error_while_a_stage_imports_is_a_traceback() -> None:
    done = ended_while_importing("evaluate", "ImportError('a bug')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback ")
    assert done.stderr.endswith("ImportError: a bug\n")
