"""ballast compare --train and --vary, with real DVC: they train what is missing, and no more."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from projects import Project
from running import start, until_one_is_done, workers

from ballast.__main__ import command_line
from ballast.commands.arms import strategy_arms, value_arms
from ballast.commands.compare import READ
from ballast.core.errors import UserError
from ballast.core.params import EXACT_BACKBONE, EXACT_LEAST_SIZE

# In place of the pipeline, so that an experiment takes seconds: the outputs of a finished run, and
# what it was given in the metrics.
QUICK_STAGE = """
import json
import shutil
from pathlib import Path
from ballast.core import paths
from ballast.core.errors import UserError, one_line_errors
from ballast.core.files import read_text
from ballast.core.params import parse_params

with one_line_errors():
    params = parse_params(read_text(Path("params.yaml")))
    if params.train.patience == 13:
        raise UserError("this one fails")
    shutil.copytree("finished", ".", dirs_exist_ok=True)
    given = {
        "learning_rate": params.train.learning_rate,
        "photographs": len([*Path(params.data.raw).glob("*/*.png")]),
        "test_folder": params.cross_validation.test_folder,
        "image_store": paths.IMAGE_STORE.as_posix(),
    }
    Path("outputs/metrics.json").write_text(json.dumps(given))
"""


@pytest.fixture(scope="module")
def quick(
    new_project: Callable[[Path], Project],
    reproduced: Project,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """A project after dvc repro, whose experiments take seconds; its photographs are not in git."""
    project = new_project(tmp_path_factory.mktemp("quick") / "project")
    outs = [path.as_posix() for path in READ]
    for out in outs:
        (project.folder / "finished" / out).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(reproduced.folder / out, project.folder / "finished" / out)
    (project.folder / "stages/quick.py").write_text(QUICK_STAGE)
    stage = {
        "cmd": "python -X utf8 -m stages.quick",
        "deps": ["ballast/core", "stages/quick.py", "finished", "${data.raw}"],
        "params": [
            "seed",
            "strategy",
            "data",
            "strategies.${strategy}",
            "train",
            "cross_validation",
        ],
        "outs": outs,
        "metrics": [{"outputs/metrics.json": {"cache": False}}],
    }
    (project.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"quick": stage}}))
    ignored = ["data/raw", "outputs/comparison.*", *outs]
    (project.folder / ".gitignore").write_text(
        "".join(f"/{path}\n" for path in ignored) + "__pycache__/\n"
    )
    project.commit_all()
    project.dvc("repro")
    project.commit_all()
    return project


def compared(project: Project, *arguments: str) -> str:
    """Run the comparison, and return what it prints."""
    done = project.ballast("compare", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def finished_before(project: Project, *arguments: str) -> str:
    """Of how many experiments how many had finished; trains none."""
    process = start(project, "compare", *arguments)
    assert process.stdout
    line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.wait()
    return line.removesuffix(" of them already finished\n")


def metrics(project: Project, name: str) -> dict[str, Any]:
    """What the stage of an experiment was given, which DVC finds by its name."""
    shown = project.dvc("metrics", "diff", "HEAD", name, "--all", "--json")
    values = json.loads(shown)["outputs/metrics.json"]
    return {key: of["new"] for key, of in values.items()}


def comparison(project: Project) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(project.read("outputs/comparison.json"))
    return values


def workspace(project: Project) -> dict[str, bytes | str]:
    """All that a comparison must leave as it is."""
    files = [*project.folder.glob("*.*"), *(project.folder / "data/raw").rglob("*.png")]
    contents = {path.name: path.read_bytes() for path in files if path.is_file()}
    outputs = {k: v for k, v in project.outputs().items() if not k.startswith("outputs/comparison")}
    return {
        **contents,
        **outputs,
        "git": project.git("status", "--short", "--branch"),
        "stash": project.git("stash", "list"),
        "dvc": project.dvc("status"),
    }


def test_strategies_are_trained_with_the_params_of_the_workspace_which_stays_as_it_is(
    quick: Project,
) -> None:
    quick.set_params({"train.learning_rate": 0.002})
    (quick.folder / "notes.txt").write_text("not in git")
    before = workspace(quick)
    said = compared(quick, "--train", "baseline", "balanced")
    assert said.startswith("2 experiments, 0 of them already finished\n")
    assert "| balanced - baseline " in said
    assert workspace(quick) == before

    assert [*comparison(quick)["revisions"]] == ["baseline", "balanced"]
    assert [*comparison(quick)["different_params"]] == ["strategy"]
    given = {
        "learning_rate": 0.002,
        "photographs": 21,
        "test_folder": True,
        "image_store": f"{quick.folder}/.dvc/tmp/image_store",
    }
    assert metrics(quick, "baseline") == metrics(quick, "balanced") == given
    assert "No experiment tasks in the queue" in quick.dvc("queue", "status")
    (quick.folder / "notes.txt").unlink()


def test_only_what_changed_is_trained(quick: Project) -> None:
    both = ("--train", "baseline", "balanced")
    assert "2 experiments, 2 of them already finished" in compared(quick, *both)

    quick.set_params({"runtime.workers": 1, "strategies.weights.weight_power": 0.5})
    assert finished_before(quick, *both) == "2 experiments, 2", "what they do not use"
    quick.set_params({"strategies.balanced.weight_power": 0.5})
    assert finished_before(quick, *both) == "2 experiments, 1"
    quick.git("checkout", "--quiet", "params.yaml")
    assert finished_before(quick, *both) == "2 experiments, 0", "another learning rate"
    quick.set_params({"train.learning_rate": 0.002})

    for name in ("data/raw/one/000.png", "ballast/core/errors.py"):
        path = quick.folder / name
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        assert finished_before(quick, *both) == "2 experiments, 0", name
        path.write_bytes(content)
    assert finished_before(quick, *both, "weights") == "3 experiments, 2"


def test_experiments_of_an_earlier_commit_count_where_their_name_leads_to_them(
    quick: Project,
) -> None:
    both = ("--train", "baseline", "balanced")
    quick.git("commit", "--quiet", "--allow-empty", "--message", "two")
    assert finished_before(quick, *both) == "2 experiments, 2"
    quick.set_params({"train.learning_rate": 0.003})
    compared(quick, *both)
    assert metrics(quick, "balanced")["learning_rate"] == 0.003, "not that of the first commit"
    quick.git("commit", "--quiet", "--allow-empty", "--message", "three")
    assert finished_before(quick, *both) == "2 experiments, 0", "the names are now ambiguous"
    quick.git("reset", "--quiet", "HEAD~1")


def test_the_values_of_a_key_are_trained_with_the_strategy_of_params_yaml(quick: Project) -> None:
    before = workspace(quick)
    said = compared(quick, "--vary", "train.learning_rate=1e-3,0.00001")
    assert "| learning_rate-1e-05 - learning_rate-0.001 " in said
    assert workspace(quick) == before
    found = comparison(quick)
    assert found["reference"] == "learning_rate-0.001"
    assert found["different_params"] == {
        "train.learning_rate": {"learning_rate-0.001": 0.001, "learning_rate-1e-05": 1e-5}
    }
    assert found["revisions"]["learning_rate-0.001"]["params"]["strategy"] == "balanced"
    assert metrics(quick, "learning_rate-1e-05")["learning_rate"] == 1e-5
    again = finished_before(quick, "--vary", "train.learning_rate=0.0005,0.001")
    assert again == "2 experiments, 1"


def test_folders_that_are_compared_may_all_be_untracked(quick: Project) -> None:
    for name in ("one", "two"):
        shutil.copytree(quick.folder / "data/raw/one", quick.folder / "data/raw_more" / name)
    compared(quick, "--vary", "data.raw=data/raw,data/raw_more")
    assert metrics(quick, "raw-data_raw_more")["photographs"] == 6
    again = ("--vary", "data.raw=data/raw,data/raw_more")
    assert finished_before(quick, *again) == "2 experiments, 2"
    (quick.folder / "data/raw_more/one/000.png").unlink()
    assert finished_before(quick, *again) == "2 experiments, 0"
    shutil.rmtree(quick.folder / "data/raw_more")


def test_it_goes_on_after_ctrl_c(quick: Project) -> None:
    arguments = ("compare", "--vary", "strategies.balanced.beta=0.9,0.8")
    before = workspace(quick)
    stopped = start(quick, *arguments)
    until_one_is_done(stopped)
    stopped.send_signal(signal.SIGINT)
    assert stopped.wait() == 130
    assert workers(quick) == []
    assert workspace(quick) == before
    said = start(quick, *arguments).communicate()[0]
    assert "2 experiments, 1 of them already finished" in said
    assert said.count("is done\n") == 1


def test_one_that_fails_is_named_and_nothing_is_compared(quick: Project) -> None:
    (quick.folder / "outputs/comparison.json").unlink()
    done = quick.ballast("compare", "--vary", "train.patience=12,13")
    assert done.returncode == 1
    warning, error = done.stderr.splitlines()[-2:]
    assert warning == "WARNING: patience-13 failed: this one fails"
    assert error == "ERROR: 1 experiment failed: patience-13; run the command again"
    assert not (quick.folder / "outputs/comparison.json").exists()


def test_a_download_that_became_a_git_repository_says_what_to_unset(quick: Project) -> None:
    quick.dvc("config", "--local", "core.no_scm", "true")
    done = quick.ballast("compare", "--train", "baseline", "balanced")
    quick.dvc("config", "--local", "--unset", "core.no_scm")
    assert done.returncode == 1
    assert "run dvc config --local --unset core.no_scm" in done.stderr


@pytest.mark.long
def test_what_the_cache_has_lost_is_trained_again(quick: Project) -> None:
    compared(quick, "--train", "baseline", "balanced")
    shutil.rmtree(quick.folder / ".dvc/cache")
    said = compared(quick, "--train", "baseline", "balanced")
    assert said.startswith("2 experiments, 0 of them already finished\n")


def test_an_experiment_of_somebody_else_is_not_replaced(quick: Project) -> None:
    own = ("--name", "weights", "--set-param", "seed=5", "--copy-paths", "data/raw")
    quick.dvc("exp", "run", "--temp", *own)
    done = quick.ballast("compare", "--train", "baseline", "weights")
    assert done.stderr == (
        "ERROR: weights: an experiment of yours has this name, and would be replaced; run dvc exp"
        " rename weights OTHER\n"
    )
    assert "weights" in quick.dvc("exp", "list")
    quick.dvc("exp", "remove", "weights")


def test_a_branch_of_the_same_name_is_refused(quick: Project) -> None:
    quick.git("branch", "weights")
    done = quick.ballast("compare", "--train", "baseline", "weights")
    quick.git("branch", "--delete", "weights")
    assert done.stderr == (
        "ERROR: weights: a branch, tag or commit has this name, so DVC would not find an experiment"
        " by it; rename one of them\n"
    )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["baseline"], "--train: give two or more different strategies, such as --train baseline"),
        (["baseline", "baseline"], "--train: give two or more different strategies"),
        (["baseline", "balancd"], "--train: 'balancd' is not one of the strategies: baseline, w"),
    ],
)
def test_strategies_that_cannot_be_compared_are_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, names: list[str], words: str
) -> None:
    monkeypatch.chdir(project.folder)
    with pytest.raises(UserError) as caught:
        strategy_arms(names)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train.learning_rate=0.001", "--vary: give a key and two or more different values of it"),
        ("train.learning_rate=0.01,0.01", "--vary: give a key and two or more different values"),
        ("train.learning_rate", "--vary: give a key and two or more different values of it"),
        ("=1,2", "--vary: give a key and two or more different values of it"),
        ("data.range=[0,1", "--vary: give a key and two or more different values of it"),
        ("train.learning_rat=1,2", "--vary: train.learning_rat: unknown key; did you mean learn"),
        ("trian.epochs=1,2", "--vary: trian: unknown key; did you mean train"),
        ("seed.epochs=1,2", "--vary: seed: must be an integer"),
        ("train.learning_rate=0.1,fast", "--vary: train.learning_rate: must be a number"),
        ("strategy=balanced,balancd", "--vary: strategy: 'balancd' is not one of the strategies"),
        ("runtime.workers=1,2", "--vary: runtime.workers does not change what is trained; vary "),
        ("runtime.engine=local,dask", "--vary: runtime.engine does not change what is trained"),
        ("export=[onnx],[]", "--vary: export does not change what is trained"),
        ("strategies.weights.beta=0.1,0.2", "--vary: strategies.weights.beta does not change "),
        ("runtime.worker=1,2", "--vary: runtime.worker: unknown key; did you mean workers"),
        ("data.raw=data/raw,data/rew", "--vary: data.raw: no such folder: data/rew; name one"),
    ],
)
def test_values_that_cannot_be_compared_are_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.chdir(project.folder)
    with pytest.raises(UserError) as caught:
        value_arms(text)
    assert str(caught.value).startswith(words)


def test_a_key_without_effect_on_a_linear_head_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    assert value_arms("train.learning_rate=0.1,0.2")[0] == "train.learning_rate"  # of a cnn
    project.set_params({"train.backbone": EXACT_BACKBONE, "data.image_size": EXACT_LEAST_SIZE})
    with pytest.raises(UserError, match=r"--vary: train\.learning_rate has no effect on a linear"):
        value_arms("train.learning_rate=0.1,0.2")


def test_values_are_read_as_in_params_yaml(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    assert value_arms("data.range=null,[0, 255]") == (
        "data.range",
        {"range-null": {"data.range": None}, "range-_0__255_": {"data.range": [0, 255]}},
    )
    key, arms = value_arms("split.group=a/b,'c, d'")
    assert arms == {"group-a_b": {key: "a/b"}, "group-c__d": {key: "c, d"}}


@pytest.mark.parametrize(
    "arguments",
    [[], ["a", "b", "--train", "c"], ["--train", "a", "--vary", "b=1,2"]],
)
def test_revisions_strategies_and_values_exclude_each_other(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit):
        command_line({"compare"}).parse_args(["compare", *arguments])
    said = capsys.readouterr().err
    assert "not allowed with argument" in said or "one of the arguments REV --train --vary" in said
