"""The workflows: the shell steps of the users' one run as on GitHub's runner; and Ballast's own."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from projects import Project, environment

ROOT = Path(__file__).parent.parent
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/pipeline.yml").read_text())
CI: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["pipeline"]["steps"]
STAND_INS = {
    "uv": '[ "$1" = sync ] && exit\nshift 3\nexec "$@"',  # of uv run --frozen --no-sync
    "sudo": "",  # installs what verification needs on a bare machine
}


class Runner(NamedTuple):
    """A pull request's checkout, and the environment that its steps get."""

    project: Project
    environment: dict[str, str]
    secrets: dict[str, str]

    def run(self, name: str) -> str:
        """Run a step, and return what it says."""
        (step,) = [step for step in STEPS if step.get("name") == name]
        given = {
            key: self.secrets.get(re.sub(r"^\$\{\{ secrets\.(\w+) \}\}$", r"\1", value), "")
            for key, value in step.get("env", {}).items()
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.project.folder,
            env=self.environment | given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{name}:\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def summary(self) -> str:
        """What the steps wrote for the page of the run."""
        return Path(self.environment["GITHUB_STEP_SUMMARY"]).read_text()


@pytest.fixture
def runner(reproduced: Project, tmp_path: Path) -> Runner:
    """A branch that learns faster, beside main, whose outputs are in a storage."""
    reproduced.git("clone", "--quiet", ".", str(tmp_path / "main"))
    main = Project(tmp_path / "main")
    shutil.copytree(reproduced.folder / ".dvc/cache", main.folder / ".dvc/cache")
    main.git("checkout", "--quiet", "-B", "main")
    for name in ("Makefile", "uv.lock"):
        shutil.copy(ROOT / name, main.folder)
    main.dvc("remote", "add", "--quiet", "--default", "storage", "/to be told by the secret")
    main.git("add", ".")
    main.git("commit", "--quiet", "--message", "a storage")
    secret = f"['remote \"storage\"']\n    url = {tmp_path / 'storage'}\n"
    (main.folder / ".dvc/config.local").write_text(secret)
    main.dvc("push", "--run-cache")

    main.git("clone", "--quiet", ".", str(tmp_path / "branch"))
    branch = Project(tmp_path / "branch")
    branch.set_params({"train.learning_rate": 0.01})
    branch.git("commit", "--quiet", "--all", "--message", "learn faster")
    (branch.folder / ".venv").mkdir()
    (branch.folder / ".venv/.ready").touch()
    for name in ("bin", "home"):
        (tmp_path / name).mkdir()
    for name, script in STAND_INS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    # Without what `make test` and `uv run` say of themselves: the steps have a stand-in for uv.
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "UV", "VIRTUAL_ENV")
    given = {key: value for key, value in environment().items() if key not in outer}
    more = {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{given['PATH']}",
        "HOME": str(tmp_path / "home"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_BASE_REF": "main",
        "VERIFY_SHORT": '--only "umask 077" --stages split',
    }
    secrets = {"DVC_CONFIG_LOCAL": secret, "DVC_SSH_KEY": "a key"}
    return Runner(branch, given | more, secrets)


def test_a_pull_request_restores_runs_verifies_and_is_summarized(runner: Runner) -> None:
    runner.run("Install")
    runner.run("Restore what others made")
    assert (runner.project.folder / "data/augmented").exists()
    key = Path(runner.environment["HOME"]) / ".ssh/id_ed25519"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("a key\n", 0o600)
    said = runner.run("Run the pipeline")
    ran = re.findall(r"^Running stage '([\w-]+)'", said, re.MULTILINE)
    assert {"train", "evaluate"} <= {*ran} <= {"train", "cross-validate", "evaluate"}
    assert "::warning::dvc.lock and outputs/metrics.json differ from what was committed" in said
    runner.run("Close the storage")
    assert not key.exists()
    assert not (runner.project.folder / ".dvc/config.local").exists()
    runner.run("Verify")
    runner.run("Summarize")
    summary = runner.summary()
    assert re.search(r"^\| Path +\| Metric +\| origin/main +\| workspace", summary, re.MULTILINE)
    assert "| outputs/metrics.json | log_loss" in summary
    assert re.search(r"^\| true +\| predicted +\| +photographs \|", summary, re.MULTILINE)
    assert re.search(r"^umask 077 .*same", summary, re.MULTILINE)
    assert (runner.project.folder / "outputs/plots/index.html").exists()


def test_outputs_that_nobody_committed_are_a_warning(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "bin/make").write_text("#!/bin/sh\n")
    (tmp_path / "bin/make").chmod(0o755)
    runner.project.git("checkout", "--quiet", "-B", "main", "origin/main")
    assert "::warning::" not in runner.run("Run the pipeline")
    runner.project.git("rm", "--quiet", "--cached", "dvc.lock")
    runner.project.git("commit", "--quiet", "--message", "no lock")
    assert "::warning::dvc.lock" in runner.run("Run the pipeline")


def test_a_pull_request_from_a_fork_gets_no_secret_and_restores_nothing(runner: Runner) -> None:
    runner.secrets.clear()
    runner.run("Restore what others made")
    assert "everything is made here" in runner.summary()
    assert not (runner.project.folder / "data/augmented").exists()
    assert not (runner.project.folder / ".dvc/config.local").exists()


def test_it_runs_for_pull_requests_alone_with_the_least_permissions() -> None:
    assert set(WORKFLOW[True]) == {"pull_request"}, "pull_request_target would tell forks secrets"
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in WORKFLOW["jobs"]["pipeline"]


def test_the_other_workflow_lints_and_tests_every_push_to_main_and_every_pull_request() -> None:
    assert set(CI[True]) == {"push", "pull_request"}
    assert CI[True]["push"] == {"branches": ["main"]}
    assert CI["permissions"] == {"contents": "read"}
    assert "permissions" not in CI["jobs"]["test"]
    assert "secrets." not in (ROOT / ".github/workflows/ci.yml").read_text()
    runs = [step.get("run") for step in CI["jobs"]["test"]["steps"]]
    assert runs[-2:] == ["make lint", "make test"]


def test_actions_are_pinned_alike_and_uv_is_the_makefiles() -> None:
    actions = [step for step in STEPS + CI["jobs"]["test"]["steps"] if "uses" in step]
    assert len(actions) == 5
    for step in actions:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
    assert len({step["uses"] for step in actions}) == 3
    versions = {step["with"]["version"] for step in actions if "setup-uv" in step["uses"]}
    makefile = (ROOT / "Makefile").read_text()
    assert {*re.findall(r"^UV_VERSION := (.*)$", makefile, re.MULTILINE)} == versions


def test_the_commit_hooks_are_linters_of_make_lint() -> None:
    lint = (ROOT / "Makefile").read_text().split("\nlint:")[1]
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local", "others bring versions of their own"
    for hook in repository["hooks"]:
        program = hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude")
        assert f"$(RUN) {program}" in lint
