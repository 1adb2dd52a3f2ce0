"""Ballast in a repository that was there before: real git and DVC, in three layouts."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from dvc.repo import Repo
from projects import Project

from ballast.vendoring.shipped import DVC_PROJECT, RECORD, SHIPPED

ROOT = Path(__file__).parent.parent
QUICK = {
    "data.image_size": 16,
    "train.epochs": 1,
    "train.min_epochs": 1,
    "train.backbone": "cnn",
    "augment.factor": 1,
}
OWN_STAGE = "stages:\n  own:\n    cmd: cp in.txt out.txt\n    deps: [in.txt]\n    outs: [out.txt]\n"
OWN_STRATEGY = {"oversample": True, "class_weights": None, "balanced_batches": False}
MY_STAGE = "  mine:\n    cmd: cp outputs/metrics.json mine.json\n    outs: [mine.json]\n\n"


LAYOUTS = ("at the top", "in a folder of a DVC project", "photographs elsewhere")


class Host(NamedTuple):
    """A repository, and the folder in it for Ballast."""

    top: Project
    copy: Project
    raw: str  # its photographs, from that folder
    has_dvc: bool

    def state(self) -> dict[str, str]:
        """What its owner sees: files, and what git and DVC say of them."""
        state = {
            path.relative_to(self.top.folder).as_posix(): path.read_text(encoding="latin-1")
            for path in sorted(self.top.folder.rglob("*"))
            if path.is_file() and not {".git", ".dvc"} & {*path.parts}
        }
        state["git"] = self.top.git("status", "--short", "--ignored")
        if self.has_dvc:
            state[".dvc/config"] = self.top.read(".dvc/config")
            with Repo(str(self.top.folder)) as repo:
                state["stages"] = str(repo.index.stages)
                state["status"] = str(repo.status())
                state["data"] = str(repo.data_status(granular=True))
        return state


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone of Ballast, with a param and a file that the next version does without."""
    project = Project(tmp_path_factory.mktemp("clones") / "ballast")
    places = (*SHIPPED, *DVC_PROJECT, "CHANGELOG.md")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *places]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project.folder / name)
    next_key(project, "old_key")
    (project.folder / "ballast/balance/old.py").write_text('"""Old."""\n')
    project.commit_all()
    return project


@pytest.fixture(scope="module")
def newer(clone: Project) -> Project:
    """A clone of a made-up next version."""
    project = Project(clone.folder.with_name("newer"))
    shutil.copytree(clone.folder, project.folder)
    project.git("rm", "--quiet", "ballast/balance/old.py")
    replace_in(project, "ballast/core/params.py", "old_key", "new_key")
    replace_in(project, "params.yaml", "old_key: 1 # old_key", "new_key: 2 # new_key")
    replace_in(project, "params.yaml", "epochs: 100 # maximum", "epochs: 90 # at most")
    replace_in(project, "pyproject.toml", 'version = "0.2.0"', 'version = "9.0.0"')
    replace_in(project, "CHANGELOG.md", "## [0.2.0]", "## [9.0.0]\n\n- `new_key`.\n\n## [0.2.0]")
    replace_in(project, "dvc.yaml", "# Count the photographs", "# Count all photographs")
    replace_in(project, "Makefile", "FOLDS ?= 5", "FOLDS ?= 6")
    for name in ("ballast/balance/new.py", "ballast/balance/class_weights.py"):
        with (project.folder / name).open("a") as file:
            file.write('"""New."""\n')
    project.commit_all()
    return project


def replace_in(project: Project, path: str, old: str, new: str) -> None:
    text = project.read(path)
    assert old in text
    (project.folder / path).write_text(text.replace(old, new), encoding="utf-8")


def next_key(project: Project, name: str) -> None:
    """Add a key to the end of the section runtime, which no stage reads."""
    with (project.folder / "params.yaml").open("a") as file:
        file.write(f"  {name}: 1 # {name}\n")
    field = f'    {name}: Annotated[int, Meta(ge=0, description="{name}")]\n\n\nclass Params('
    replace_in(project, "ballast/core/params.py", "\n\nclass Params(", field)


@pytest.fixture
def make_host(tmp_path: Path, write_digits: Callable[..., None]) -> Callable[[str], Host]:
    """Make a repository of one of the three layouts."""

    def make(layout: str) -> Host:
        top = Project(tmp_path / "host")
        has_dvc = layout != "at the top"
        copy = Project(top.folder / "classifier") if has_dvc else top
        raw = "../photos" if layout == "photographs elsewhere" else "data/photos"
        (top.folder / "src").mkdir(parents=True)
        (top.folder / "src/app.py").write_text("print('hello')\n")
        (top.folder / "README.md").write_text("# Theirs\r\n")
        write_digits(copy.folder / raw, zero=8, one=3, two=10)
        if has_dvc:
            top.git("init", "--quiet")
            top.dvc("init")
            (top.folder / "in.txt").write_text("hi\n")
            (top.folder / "dvc.yaml").write_text(OWN_STAGE)
            (top.folder / ".gitignore").write_text("*.log\n")
            top.dvc("repro")
            top.dvc("remote", "add", "--default", "storage", str(tmp_path / "storage"))
        if layout == "photographs elsewhere":
            top.dvc("add", "photos")
        top.commit_all()
        return Host(top, copy, raw, has_dvc)

    return make


def init(clone: Project, host: Host) -> str:
    done = clone.ballast("init", str(host.copy.folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit_what_it_names(host: Host, said: str) -> None:
    (names,) = re.findall(r"git add (\.ballast.*)", said)
    host.copy.git("add", *names.split())
    host.copy.git("commit", "--quiet", "--message", "Add Ballast")


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """What was there before and is not as it was."""
    return {key for key in before if after.get(key) != before[key]}


def refused(clone: Project, command: str, folder: Path) -> str:
    done = clone.ballast(command, str(folder))
    assert done.returncode == 1
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_host_stays_as_it_was(
    make_host: Callable[[str], Host], clone: Project, newer: Project, layout: str
) -> None:
    host = make_host(layout)
    before = host.state()
    commit_what_it_names(host, init(clone, host))
    assert changed(before, host.state()) == set()
    host.copy.set_params({**QUICK, "data.raw": host.raw})
    assert newer.ballast("upgrade", str(host.copy.folder)).returncode == 0
    host.copy.dvc("repro", "split")
    host.copy.git("add", "--all", ".")
    host.copy.git("commit", "--quiet", "--message", "Run")
    # Git now ignores outputs of Ballast's, too.
    assert changed(before, host.state()) <= {"git"}
    assert host.top.git("status", "--short") == ""
    if host.has_dvc:
        assert "up to date" in host.top.dvc("repro", "--all-pipelines")


@pytest.mark.parametrize(
    "layout",
    [*(pytest.param(layout, marks=pytest.mark.long) for layout in LAYOUTS[:2]), LAYOUTS[2]],
)
def test_the_pipeline_runs_to_its_end_and_what_is_the_users_survives_an_upgrade(
    make_host: Callable[[str], Host], clone: Project, newer: Project, layout: str
) -> None:
    host = make_host(layout)
    copy = host.copy
    init(clone, host)
    copy.set_params({**QUICK, "data.raw": host.raw, "strategies.own": OWN_STRATEGY})
    replace_in(copy, "dvc.yaml", "  # Export", f"{MY_STAGE}  # Export")
    copy.dvc("repro", "split")
    lock = copy.read("dvc.lock")

    done = newer.ballast("upgrade", str(copy.folder))
    assert done.returncode == 0, done.stderr
    assert "- `new_key`." in done.stdout
    assert "## [0.2.0]" not in done.stdout
    assert done.stdout.splitlines()[-9:] == [
        "Ballast 0.2.0 is now 9.0.0, as in this clone: 7 files written, 1 removed in"
        f" {copy.folder}",
        "dvc.yaml: your changes and those of the new version were merged",
        "params.yaml: new, with their defaults: runtime.new_key",
        "params.yaml: no longer exist, and were removed: runtime.old_key",
        "params.yaml: differ from the new defaults, and stay: data.raw, data.image_size,"
        " strategies.own, train.epochs, train.min_epochs, train.backbone",
        "Next, where make runs again what the new code affects:",
        f"    cd {copy.folder}",
        "    git diff",
        "    make",
    ]
    assert copy.read("dvc.lock") == lock
    assert MY_STAGE in copy.read("dvc.yaml")
    assert "# Count all photographs" in copy.read("dvc.yaml")
    assert not (copy.folder / "ballast/balance/old.py").exists()

    ran, _ = copy.repro()
    assert {"compute-weights", "train", "evaluate", "mine"} <= {*ran}
    assert (copy.folder / "outputs/report.html").exists()
    assert (copy.folder / "mine.json").exists()
    assert "no clone of Ballast" in refused(copy, "upgrade", copy.folder)


def test_nothing_of_the_users_is_overwritten(
    make_host: Callable[[str], Host], clone: Project
) -> None:
    host = make_host("in a folder of a DVC project")
    before = host.state()
    line = refused(clone, "init", host.top.folder)
    assert line == (
        f"ERROR: {host.top.folder}: nothing was changed, since these are there and would be"
        f" overwritten: dvc.lock, .dvcignore, .gitignore and 1 other; name another folder, such as"
        f" {host.top.folder / 'classifier'}"
    )
    (host.copy.folder / "models").mkdir()
    (host.copy.folder / "stages").touch()
    assert "overwritten: models, stages/" in refused(clone, "init", host.copy.folder)
    shutil.rmtree(host.copy.folder / "models")
    (host.copy.folder / "stages").unlink()
    (host.top.folder / ".gitignore").write_text("*.log\n*.npz\n")
    assert (
        "since your .gitignore has what the pipeline needs in git:"
        " pretrained/efficientnet_lite0.npz;"
    ) in refused(clone, "init", host.copy.folder)
    (host.top.folder / ".gitignore").write_text("*.log\n/out.txt\n")
    assert host.state() == before


def test_where_no_copy_can_be_written(
    make_host: Callable[[str], Host], clone: Project, tmp_path: Path
) -> None:
    host = make_host("at the top")
    assert "not in a git repository; run git init" in refused(clone, "init", tmp_path / "no" / "w")
    assert ": is a file; name a folder" in refused(clone, "init", host.top.folder / "README.md")
    assert "in this clone of Ballast" in refused(clone, "init", clone.folder / "new")
    clone_as_it_was = refused(clone, "upgrade", clone.folder)
    assert clone_as_it_was.endswith("a clone of Ballast is upgraded with git merge")
    init(clone, host)
    again = refused(clone, "init", host.top.folder)
    assert again.endswith(f"has Ballast already; run ballast upgrade {host.top.folder}")
    assert "no clone of Ballast" in refused(host.copy, "init", host.top.folder / "more")
    (host.copy.folder / RECORD).write_text("{}")
    assert "not what ballast init wrote" in refused(clone, "upgrade", host.copy.folder)


def test_an_interrupted_init_can_be_repeated(
    make_host: Callable[[str], Host], clone: Project
) -> None:
    host = make_host("at the top")
    init(clone, host)
    (host.copy.folder / RECORD).unlink()
    (host.copy.folder / "uv.lock").unlink()
    init(clone, host)
    assert (host.copy.folder / "uv.lock").exists()


def test_a_dvc_project_keeps_its_settings(make_host: Callable[[str], Host], clone: Project) -> None:
    host = make_host("in a folder of a DVC project")
    for name in ("dvc.yaml", "dvc.lock", ".gitignore", ".dvcignore"):
        (host.top.folder / name).unlink()
    config = host.top.read(".dvc/config")
    init(clone, host._replace(copy=host.top))
    assert host.top.read(".dvc/config") == config
    assert (host.top.folder / ".dvc/plots/recall_by_strategy.json").exists()
    assert ".dvc/config" not in json.loads(host.top.read(RECORD))["files"]


def test_what_users_changed_in_the_code_stays(
    make_host: Callable[[str], Host], clone: Project, newer: Project
) -> None:
    host = make_host("at the top")
    init(clone, host)
    copy = host.copy
    for name in ("balance/class_weights.py", "balance/old.py", "export.py"):
        (copy.folder / "ballast" / name).write_text('"""Mine."""\n')
    (copy.folder / "Makefile").write_text("FOLDS ?= 7\n")
    (copy.folder / "uv.lock").unlink()
    (copy.folder / "ballast/balance/new.py").write_text("")
    taken = refused(newer, "upgrade", copy.folder)
    assert "would overwrite ballast/balance/new.py; move or remove it" in taken
    assert 'version = "0.2.0"' in copy.read("pyproject.toml"), "nothing was changed"
    (copy.folder / "ballast/balance/new.py").unlink()

    said = newer.ballast("upgrade", str(copy.folder)).stdout
    stays = "you changed it, so it stays"
    for line in (
        f"ballast/balance/class_weights.py: {stays}; merge ballast/balance/class_weights.py.new"
        " into it, and remove that",
        f"Makefile: {stays}; merge Makefile.new into it, and remove that",
        f"ballast/balance/old.py: no longer a part of Ballast; {stays}",
        "uv.lock: you removed it, so it stays away",
    ):
        assert line in said
    for name in ("balance/class_weights.py", "balance/old.py", "export.py"):
        assert copy.read(f"ballast/{name}") == '"""Mine."""\n'
    assert "FOLDS ?= 6" in copy.read("Makefile.new")
    assert not (copy.folder / "ballast/export.py.new").exists(), "the next version has the same"

    said = newer.ballast("upgrade", str(copy.folder)).stdout
    assert said.startswith(f"{copy.folder} has this version, 9.0.0, already")
    assert "does not know version 9.0.0" in refused(clone, "upgrade", copy.folder)


@pytest.mark.long
def test_experiments_find_photographs_elsewhere(
    make_host: Callable[[str], Host], clone: Project
) -> None:
    host = make_host("photographs elsewhere")
    init(clone, host)
    host.copy.set_params({**QUICK, "data.raw": host.raw})
    host.copy.dvc("repro", "evaluate")
    host.top.commit_all()
    run = ("exp", "run", "--temp", "--copy-paths", host.raw, "--set-param", "strategy=baseline")
    host.copy.dvc(*run, "--name", "apart")
    host.copy.dvc("exp", "run", "--name", "here", "--set-param", "train.learning_rate=0.01")
    done = host.copy.ballast("compare", "apart", "here", "--allow-different-params")
    assert done.returncode == 0, done.stderr
    plots = host.copy.dvc("plots", "diff", "apart", "here", "--out", "page")
    assert "index.html" in plots
    done = host.copy.ballast(
        "cross-validate", "--folds", "2", "--seeds", "1", "--strategies", "baseline"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(host.copy.read("outputs/strategies.json"))["folds"] == 2
    said = host.copy.ballast("publish-check").stdout
    assert "photos" not in said, "DVC tracks them, in the project around this one"
