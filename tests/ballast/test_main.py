"""The command `ballast` itself; its subcommands are tested in tests/ballast/commands."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import pytest
from projects import environment

from ballast.__main__ import COMMANDS, command_line, main, printing

ROOT = Path(__file__).parents[2]
# What pip makes of [project.scripts].
SCRIPT = "import sys; from ballast.__main__ import main; sys.exit(main())"
# Makes a module one that is not installed.
WITHOUT = """
import sys
class Finder:
    def find_spec(name, path, target=None):
        if name == {!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Finder)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def run_into(stdout: int, *arguments: str) -> tuple[int, str]:
    """The exit code and stderr of a command that writes to an open file."""
    done = subprocess.run(
        [sys.executable, "-m", "ballast", *arguments],
        cwd=ROOT,
        env=environment(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@contextmanager
def pipe_without_reader() -> Iterator[int]:
    """A pipe as `| true` leaves it."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


# argparse says nothing of what it cannot print.
PRINTING = [["answer", "--just-run"], ["--version"], ["unpack", "--help"]]


@pytest.mark.parametrize("arguments", PRINTING)
def test_a_reader_that_has_gone_ends_any_command_without_a_word(arguments: list[str]) -> None:
    with pipe_without_reader() as writer:
        assert run_into(writer, *arguments) == (141, "")


@pytest.mark.parametrize("arguments", PRINTING)
def test_a_full_stdout_is_one_line_of_any_command(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        code, said = run_into(full.fileno(), *arguments)
    assert said == "ERROR: standard output: cannot be written: No space left on device\n"
    assert code == 1


def test_an_error_of_another_file_is_not_taken_for_one_of_stdout() -> None:
    with pytest.raises(BrokenPipeError), printing(), pipe_without_reader() as writer:
        os.write(writer, b"x")


def test_started_without_the_environment_it_says_what_to_run() -> None:
    done = run("-c", WITHOUT.format("shtab") + SCRIPT, "answer")
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR: the package shtab is not installed; run make, or uv sync")
    assert done.stderr.count("\n") == 1


def test_an_unknown_subcommand_is_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train"])
    assert caught.value.code == 2
    assert "invalid choice: 'train'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "package"), [("check", "dvc"), ("compare", "tabulate"), ("predict", "numpy")]
)
def test_a_package_that_is_missing_is_named_in_one_line(command: str, package: str) -> None:
    done = run("-c", WITHOUT.format(package) + SCRIPT, command, "--help")
    assert done.returncode == 1
    assert done.stdout == ""
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"ERROR: ballast {command}: the package {package} is not installed; ")
    assert "Traceback" not in done.stderr


def test_a_missing_module_of_ballast_is_a_defect() -> None:
    done = run("-c", WITHOUT.format("ballast.core.manifest") + SCRIPT, "unpack", "folder")
    assert "Traceback" in done.stderr


def test_help_and_version_load_no_heavy_package() -> None:
    heavy = "{'dvc', 'keras', 'numpy', 'PIL', 'tensorflow'}"
    for option in ("--help", "--version"):
        done = run(
            "-c",
            f"import atexit, sys; atexit.register(lambda: print({heavy} & sys.modules.keys()));"
            f"{SCRIPT}",
            option,
        )
        assert done.returncode == 0
        assert done.stdout.endswith("set()\n")
        assert "ballast" in done.stdout


def test_the_help_lists_all_subcommands() -> None:
    text = command_line({}).format_help()
    assert all(re.search(rf"^    {name} ", text, flags=re.M) for name in COMMANDS)


def test_version_is_that_of_the_package_or_unknown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    for version, expected in ((lambda _: "1.2.3", "1.2.3"), (absent, "unknown")):
        monkeypatch.setattr(metadata, "version", version)
        with pytest.raises(SystemExit) as caught:
            main(["--version"])
        assert caught.value.code == 0
        assert capsys.readouterr().out == f"ballast {expected}\n"


def test_the_completion_for_bash_names_all_subcommands_and_options() -> None:
    done = run("-m", "ballast", "--print-completion", "bash")
    assert done.returncode == 0
    assert subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=False).returncode == 0
    lists = dict(re.findall(r"^_shtab_(\w+)=\((.*)\)$", done.stdout, flags=re.M))
    assert lists["ballast_subparsers"].split() == [*COMMANDS]
    options = {
        "answer": {"--just-run"},
        "check": set(),
        "compare": {"--train", "--vary", "--out-dir", "--allow-different-params"},
        "cross_validate": {"--strategies", "--folds", "--seeds", "-j", "--jobs"},
        "nearest": {"--count", "--all", "--format"},
        "explain": {"--model", "--out"},
        "predict": {"--model", "--format", "--out", "--engine", "-0", "--null", "--coverage"},
        "publish_check": set(),
        "suggest": {"--count", "--model", "--format"},
        "unpack": set(),
    }
    for name, expected in options.items():
        assert {*lists[f"ballast_{name}_option_strings"].split()} == expected | {"-h", "--help"}
    assert {"--version", "--print-completion"} <= {*lists["ballast_option_strings"].split()}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        ([], 2),
        (["train"], 2),
        (["unpack", "--help"], 0),
        (["unpack", "data"], 1),
    ],
)
def test_the_console_script_and_the_module_behave_alike(arguments: list[str], code: int) -> None:
    assert 'ballast = "ballast.__main__:main"' in (ROOT / "pyproject.toml").read_text("utf-8")
    module, script = run("-m", "ballast", *arguments), run("-c", SCRIPT, *arguments)
    assert module.returncode == script.returncode == code
    assert (module.stdout, module.stderr) == (script.stdout, script.stderr)
    assert module.stdout or module.stderr
