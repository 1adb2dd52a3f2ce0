"""Full disks, lost workers, signals, concurrent runs: clear errors, no partial outputs."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project, environment

STAGES = [
    "split", "count_classes", "oversample", "compute_weights", "train", "cross_validate",
    "explain", "evaluate",
]  # fmt: skip
FULL = """
set -e
mkdir {scratch}
mount -t tmpfs -o size=64m none {scratch}
cp -a . {scratch}
cd {scratch}
cat /dev/zero > filler 2>/dev/null || true
"""
READ_ONLY = """
set -e
mkdir {scratch}
cp -a . {scratch}
mount --bind {scratch} {scratch}
mount -o remount,bind,ro {scratch}
cd {scratch}
"""
RUN_EACH = """
set +e
for stage in {stages}; do
  {python} -m stages.$stage > {said}/$stage 2>&1 < /dev/null
  echo $? >> {said}/$stage
done
diff --recursive --brief --exclude filler --exclude __pycache__ --exclude .dvc \\
  {original} . > {said}/differences
true
"""


def copy_without_dvc(project: Project, folder: Path) -> Project:
    """The project as it is, without git and DVC's cache."""
    return Project(
        shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns(".git", ".dvc"))
    )


@pytest.mark.parametrize(
    ("prepare", "reason", "stages"),
    [
        (FULL, "No space left on device", STAGES),
        (READ_ONLY, "Read-only file system", STAGES),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line_and_leaves_what_was_there(
    reproduced: Project, tmp_path: Path, prepare: str, reason: str, stages: list[str]
) -> None:
    project = copy_without_dvc(reproduced, tmp_path / "project")
    said = tmp_path / "said"
    said.mkdir()
    script = prepare.format(scratch=tmp_path / "scratch") + RUN_EACH.format(
        stages=" ".join(stages), python=sys.executable, said=said, original=project.folder
    )
    done = project.in_namespace(script)
    assert done.returncode == 0, done.stderr
    for stage in stages:
        *lines, code = (said / stage).read_text().splitlines()
        assert code == "1", (stage, lines)
        errors = [line for line in lines if line.startswith("ERROR: ")]
        assert len(errors) == 1, lines
        assert errors[0].endswith(f"cannot be written: {reason}")
        assert errors[0].startswith(("ERROR: data/", "ERROR: models", "ERROR: outputs"))
        assert not [line for line in lines if "Traceback" in line]
    assert (said / "differences").read_text() == ""


def test_a_check_that_cannot_write_says_so_in_one_line(reproduced: Project, tmp_path: Path) -> None:
    project = Project(shutil.copytree(reproduced.folder, tmp_path / "project"))
    for place in ("used", "fresh"):
        script = READ_ONLY.format(scratch=tmp_path / place) + f"{sys.executable} -m ballast check"
        done = project.in_namespace(script)
        assert done.returncode == 1
        assert done.stderr == "ERROR: .dvc/tmp: cannot be written: Read-only file system\n"
        shutil.rmtree(project.folder / ".dvc/tmp", ignore_errors=True)


def test_stages_need_no_network_and_write_to_their_own_folders_alone(
    reproduced: Project, tmp_path: Path
) -> None:
    project = copy_without_dvc(reproduced, tmp_path / "project")
    before = project.outputs()
    for top in ("models", "outputs"):
        shutil.rmtree(project.folder / top)
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()

    def others() -> dict[Path, bytes]:
        return {
            path: path.read_bytes()
            for path in project.folder.rglob("*")
            if path.is_file()
            and path.relative_to(project.folder).parts[0] not in (".dvc", "models", "outputs")
            and "data" not in path.relative_to(project.folder).parts[0]
            and "__pycache__" not in path.parts
        }

    files, raw = others(), project.raw_files()
    stages = " && ".join(f"{sys.executable} -m stages.{stage}" for stage in STAGES)
    done = project.in_namespace(f"export HOME={home} TMPDIR={temporary}; {stages}")
    assert done.returncode == 0, done.stderr
    assert others() == files
    assert [path.name for path in (project.folder / ".dvc").iterdir()] == ["tmp"]
    assert project.raw_files() == raw
    # Matplotlib's list of fonts, which takes seconds to make where many are installed.
    written = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert {path.rsplit("/", 1)[0] for path in written} <= {".cache/matplotlib"}
    assert list(temporary.rglob("*")) == []
    kept_by_git = {"outputs/.gitignore"}
    assert project.outputs() == {
        path: data for path, data in before.items() if path not in kept_by_git
    }


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The worker processes of a stage, by Linux's /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = (path / "stat").read_text().rsplit(")", 1)[1].split()[1]
            command = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if int(parent) == process.pid and b"popen_loky" in command:
            found.append(int(path.name))
    return found


@pytest.mark.parametrize("stage", ["split", "oversample"])
def test_a_worker_that_is_killed_ends_the_stage_with_an_error_that_names_an_image(
    project: Project, write_digits: Callable[..., None], stage: str
) -> None:
    shutil.rmtree(project.folder / "data/raw")
    write_digits(project.folder / "data/raw", zero=170, one=170, two=170)
    if stage == "oversample":
        assert project.stage("split").returncode == 0
        assert project.stage("count_classes").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=project.folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not (workers := workers_of(process)):
            time.sleep(0.01)
        os.kill(workers[0], signal.SIGKILL)
        start = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert time.monotonic() - start < 30
    line = errors.strip().splitlines()[-1]
    assert line.startswith("ERROR: data/raw/one/")
    assert "a worker process was killed" in line
    assert not (project.folder / "data/augmented").exists()
    assert not (project.folder / "data/augmented.tmp").exists()


@pytest.mark.long
def test_two_runs_at_once_never_mix(project: Project, reproduced: Project) -> None:
    project.dvc("config", "--local", "core.no_scm", "true")
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro"],
            cwd=project.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [run.communicate()[0] for run in runs]
    for run, text in zip(runs, said, strict=True):
        assert run.returncode == 0 or "Unable to acquire lock" in text or "is busy" in text, text
    project.dvc("repro")
    assert project.read("dvc.lock") == reproduced.read("dvc.lock")
    assert project.repro() == ([], [])


@pytest.mark.long
def test_two_experiments_at_once_in_temporary_folders_never_mix(
    new_project: Callable[[Path], Project], tmp_path: Path
) -> None:
    project = new_project(tmp_path / "project")
    project.commit_all()

    def metrics_of(strategy: str, name: str, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable, "-m", "dvc", "exp", "run", *more, "--name", name,
                "--set-param", f"strategy={strategy}",
            ],
            cwd=project.folder, env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def lock_of(name: str) -> str:
        refs = project.git("for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
        (ref,) = [ref for ref in refs if ref.endswith(f"/{name}")]
        return project.git("show", f"{ref}:dvc.lock")

    arms = ("baseline", "balanced")
    runs = [metrics_of(arm, f"{arm}-together", "--temp") for arm in arms]
    for run in runs:
        said = run.communicate()[0]
        assert run.returncode == 0 or "lock" in said, said
    for arm in arms:
        if runs[arms.index(arm)].returncode == 0:
            assert metrics_of(arm, f"{arm}-alone").wait() == 0
            assert lock_of(f"{arm}-together") == lock_of(f"{arm}-alone")
    assert any(run.returncode == 0 for run in runs)


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


def disturb(project: Project, stage: str, number: signal.Signals, share: float) -> None:
    """Run a stage again, send a signal at a share of its time, then run dvc repro."""
    lock, outputs, raw = project.read("dvc.lock"), project.outputs(), project.raw_files()
    name = stage.replace("_", "-")
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", name],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("Running stage"):
                break
        time.sleep(share * (6 if stage == "train" else 1.5))
        os.killpg(process.pid, number)
        process.communicate()
    # What make does. By itself dvc repro would do, but for the moments when DVC writes dvc.lock.
    assert project.ballast("check").returncode == 0
    project.dvc("repro")
    assert project.raw_files() == raw
    assert project.read("dvc.lock") == lock
    assert project.outputs() == outputs


def test_a_lock_file_that_dvc_was_killed_while_writing_is_mended(reproduced: Project) -> None:
    lock = reproduced.read("dvc.lock")

    def checked(stage: str, last: str) -> str:
        end = lock.index(last, lock.index(stage)) + len(last)
        (reproduced.folder / "dvc.lock").write_text(lock[:end])
        done = reproduced.ballast("check")
        assert done.returncode == 0
        return done.stderr

    # Cut at the end of a line, it passes for one of fewer stages.
    assert "dvc.lock" not in checked("train:", "md5\n")
    mended(reproduced, lock)
    for stage, last in (("", ""), ("", "schema: '2"), ("train:", "size: 1"), ("train:", "hash: m")):
        removed = "WARNING: dvc.lock: incomplete; removed; dvc repro recreates it"
        assert removed in checked(stage, last)
        assert not (reproduced.folder / "dvc.lock").exists()
    mended(reproduced, lock)


def mended(project: Project, lock: str) -> None:
    """Run dvc repro, which has to write the lock file as it was."""
    ran, _ = project.repro()
    assert project.read("dvc.lock") == lock
    assert set(ran) <= {"evaluate"}, "the rest comes from DVC's run cache"


@pytest.mark.parametrize("left", ["", '{"read": {"/a": [{"pid": 1, "cm'])
def test_a_list_of_running_stages_that_dvc_was_killed_while_writing_is_mended(
    reproduced: Project, left: str
) -> None:
    (reproduced.folder / ".dvc/tmp/rwlock").write_text(left)
    done = reproduced.ballast("check")
    assert done.returncode == 0
    assert "/.dvc/tmp/rwlock: incomplete; removed" in done.stderr
    assert reproduced.repro() == ([], [])
    assert reproduced.ballast("check").stderr == ""


@pytest.mark.parametrize(
    ("stage", "number"),
    [*zip(STAGES, SIGNALS * 3, strict=False)],
)
def test_after_a_signal_the_next_run_ends_well(
    reproduced: Project, stage: str, number: signal.Signals
) -> None:
    disturb(reproduced, stage, number, random.Random(stage).random())


@pytest.mark.long
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("stage", STAGES)
def test_after_signals_at_random_moments_the_next_run_ends_well(
    reproduced: Project, stage: str, number: signal.Signals
) -> None:
    moments = random.Random()
    for _ in range(3):  # of 7 stages and 3 signals: 63 trials
        share = moments.random()
        print(f"{stage}, {number.name}, at {share:.4f}")
        disturb(reproduced, stage, number, share)
