"""The workflows: the shell steps of the users' one run as on GitHub's runner; and Ballast's own."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from fake_github import FakeGitHub
from projects import UV, Project, environment

ROOT = Path(__file__).parent.parent
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/pipeline.yml").read_text())
CI: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
STEPS: list[dict[str, Any]] = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
STAND_INS = {
    "uv": UV,
    "sudo": "#!/bin/sh\n",  # installs what verification needs on a bare machine
}


class Runner(NamedTuple):
    """A job's checkout, and the environment that its steps get."""

    project: Project
    environment: dict[str, str]
    expressions: dict[str, str]
    github: FakeGitHub

    def run(self, name: str) -> str:
        """Run a step, and return what it says."""
        (step,) = [step for step in STEPS if step.get("name") == name]
        given = {
            key: self.expressions.get(re.sub(r"^\$\{\{ ([\w.]+) \}\}$", r"\1", value), "")
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

    def shown(self) -> Path:
        """The folder for what a job shows, or gets to show."""
        return Path(self.environment["RUNNER_TEMP"]) / "shown"

    def next_job(self) -> "Runner":
        """The job that comments: it has the target branch, and the files that this job left."""
        shutil.copytree(self.shown(), self.github.folder / "artifact", dirs_exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=self.github.folder))
        self.project.git("clone", "--quiet", "../main", str(temporary / "target"))
        given = self.environment | {"RUNNER_TEMP": str(temporary)}
        return self._replace(project=Project(temporary / "target"), environment=given)


@pytest.fixture
def runner(reproduced: Project, tmp_path: Path) -> Runner:
    """A branch that learns faster, beside main, whose outputs are in a storage."""
    reproduced.git("clone", "--quiet", ".", str(tmp_path / "main"))
    main = Project(tmp_path / "main")
    shutil.copytree(reproduced.folder / ".dvc/cache", main.folder / ".dvc/cache")
    main.git("checkout", "--quiet", "-B", "main")
    (main.folder / ".github").mkdir()
    for name in ("Makefile", "developers.mk", "uv.lock", ".github/pull_request_comment.py"):
        shutil.copy(ROOT / name, main.folder / name)
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
    for name in ("bin", "home", "temporary"):
        (tmp_path / name).mkdir()
    github = FakeGitHub(tmp_path / "github")
    github.start()
    for name, script in STAND_INS.items():
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    # Without what `make test` and `uv run` say of themselves: the steps have a stand-in for uv.
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "UV", "VIRTUAL_ENV")
    given = {key: value for key, value in environment().items() if key not in outer}
    more = {
        **github.environment(f"{tmp_path / 'bin'}{os.pathsep}{given['PATH']}"),
        "HOME": str(tmp_path / "home"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "RUNNER_TEMP": str(tmp_path / "temporary"),
        "VERIFY_SHORT": '--only "umask 077" --stages split',
    }
    expressions = {
        "secrets.DVC_CONFIG_LOCAL": secret,
        "secrets.DVC_SSH_KEY": "a key",
        "github.event.pull_request.head.repo.full_name": more["GITHUB_REPOSITORY"],
        "github.event.pull_request.head.sha": branch.git("rev-parse", "HEAD").strip(),
        "github.event.pull_request.number": "7",
        "needs.pipeline.result": "success",
    }
    return Runner(branch, given | more, expressions, github)


@pytest.mark.long
def test_a_pull_request_restores_runs_verifies_is_summarized_and_gets_a_comment(
    runner: Runner,
) -> None:
    runner.run("Install")
    runner.run("Restore what others made")
    assert (runner.project.folder / "data/augmented").exists()
    key = Path(runner.environment["HOME"]) / ".ssh/id_ed25519"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("a key\n", 0o600)
    said = runner.run("Run the pipeline")
    ran = re.findall(r"^Running stage '([\w-]+)'", said, re.MULTILINE)
    assert {"train", "evaluate"} <= {*ran} <= {"train", "cross-validate", "explain", "evaluate"}
    assert "::warning::dvc.lock and outputs/metrics.json differ from what was committed" in said
    runner.run("Close the storage")
    assert not key.exists()
    assert not (runner.project.folder / ".dvc/config.local").exists()
    runner.run("Collect what to show")
    assert (runner.project.folder / "outputs/plots/index.html").exists()
    runner.run("Verify")
    runner.run("Summarize")
    summary = runner.summary()
    assert re.search(r"^umask 077 .*same", summary, re.MULTILINE)
    assert "fork" not in summary
    runner.next_job().run("Comment")
    (comment,) = runner.github.comments()
    for text in (summary, comment["body"]):
        assert "What to do:\n- Did balancing help?" in text
        assert re.search(r"^\| `log_loss` \| 1\.\d+ \| 1\.\d+ \| -?0\.\d+ \|$", text, re.MULTILINE)
        assert "| true | predicted | photographs |\n| --- | --- | --- |\n| `one` | `" in text
    commit = runner.github.git("rev-parse", "refs/pipeline-pictures/7").strip()
    for name in ("confusion.png", "confusion_before.png", "class_counts.png"):
        assert f"/blob/{commit}/{name}?raw=true)" in comment["body"]
    drawn = (runner.project.folder / "outputs/confusion.png").read_bytes()
    assert runner.github.picture(commit, "confusion.png") == drawn

    (runner.shown() / "answer.txt").write_text("what a later push said")
    runner.next_job().run("Comment")
    assert [later["id"] for later in runner.github.comments()] == [comment["id"]]
    assert "what a later push said" in runner.github.comments()[0]["body"]


def test_outputs_that_nobody_committed_are_a_warning(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "bin/make").write_text("#!/bin/sh\n")
    (tmp_path / "bin/make").chmod(0o755)
    runner.project.git("checkout", "--quiet", "-B", "main", "origin/main")
    assert "::warning::" not in runner.run("Run the pipeline")
    runner.project.git("rm", "--quiet", "--cached", "dvc.lock")
    runner.project.git("commit", "--quiet", "--message", "no lock")
    assert "::warning::dvc.lock" in runner.run("Run the pipeline")


def test_a_run_that_fails_is_said_to_have_failed(runner: Runner) -> None:
    runner.run("Summarize")
    assert "The pipeline did not run to its end." in runner.summary()
    runner.shown().mkdir()
    job = runner.next_job()
    (runner.github.folder / "artifact").rmdir()
    job.expressions["needs.pipeline.result"] = "failure"
    assert "::warning::the pipeline left nothing to show" in job.run("Comment")
    (comment,) = runner.github.comments()
    assert "[**failed run**](" in comment["body"]


def test_no_comment_without_the_target_branchs_script(runner: Runner) -> None:
    runner.shown().mkdir()
    job = runner.next_job()
    shutil.rmtree(job.project.folder / ".github")
    job.run("Comment")
    assert "does not have .github/pull_request_comment.py yet" in job.summary()
    assert not runner.github.comments()


def test_a_pull_request_from_a_fork_gets_no_secret_and_restores_nothing(runner: Runner) -> None:
    runner.expressions.clear()
    runner.run("Restore what others made")
    assert "everything is made here" in runner.summary()
    assert not (runner.project.folder / "data/augmented").exists()
    assert not (runner.project.folder / ".dvc/config.local").exists()
    runner.run("Summarize")
    assert "A pull request from a fork gets no comment" in runner.summary()


def test_it_runs_for_pull_requests_alone_with_the_least_permissions() -> None:
    assert set(WORKFLOW[True]) == {"pull_request"}, "pull_request_target would tell forks secrets"
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in WORKFLOW["jobs"]["pipeline"]


def test_what_can_write_gets_no_code_of_the_pull_request_and_no_secret() -> None:
    job = WORKFLOW["jobs"]["comment"]
    assert job["permissions"] == {"actions": "read", "contents": "write", "pull-requests": "write"}
    assert "head.repo.full_name == github.repository" in job["if"]
    checkout, comment = job["steps"]
    assert checkout["with"]["ref"] == "${{ github.base_ref }}"
    assert "${{" not in comment["run"]
    assert "secrets." not in str(job)


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
    assert len(actions) == 7
    for step in actions:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
    assert len({step["uses"] for step in actions}) == 3
    versions = {step["with"]["version"] for step in actions if "setup-uv" in step["uses"]}
    makefile = (ROOT / "Makefile").read_text()
    assert {*re.findall(r"^UV_VERSION := (.*)$", makefile, re.MULTILINE)} == versions


def test_the_commit_hooks_are_linters_of_make_lint() -> None:
    lint = (ROOT / "developers.mk").read_text().split("\nlint:")[1]
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local", "others bring versions of their own"
    for hook in repository["hooks"]:
        program = hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude")
        assert f"$(RUN) {program}" in lint
