"""Run DVC experiments: what compare and cross-validate have in common.

Each experiment runs in a temporary folder, so the workspace stays as it is. The message of its
commit contains a hash of everything that its result depends on, so that it need not run again.
"""

import hashlib
import json
import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from dvc.exceptions import DvcException, OutputNotFoundError
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from tqdm import tqdm

from ballast.core import paths
from ballast.core.errors import UserError, counted, warn
from ballast.core.files import read_text
from ballast.core.params import PRETRAINED, Params, as_dict, with_values
from ballast.core.source import code_deps, source_hash
from ballast.core.stage_times import duration_of, stage_times
from ballast.dataset.listing import list_files, unreadable
from ballast.dvc_tools.cache import file_md5
from ballast.dvc_tools.experiments import (
    clear_leftovers,
    clear_queue,
    finished,
    finished_by_name,
    has_files,
    made_by_others,
    queue_experiment,
    run_queue,
)
from ballast.dvc_tools.git import git
from ballast.dvc_tools.repository import project_repo


class Wanted(NamedTuple):
    """An experiment that a command needs."""

    message: str  # of its commit; the same if the result would be the same
    values: Mapping[str, Any]  # by dotted key, where its params differ from params.yaml


def wanted(
    values_by_name: Mapping[str, Mapping[str, Any]], content: Mapping[str, str]
) -> dict[str, Wanted]:
    """Describe experiments.

    Args:
        values_by_name: where the params of each differ from params.yaml, with dotted keys.
        content: result of code_and_photographs.

    Raises:
        UserError: if a value is none that params.yaml may have.
    """
    text = read_text(paths.PARAMS)
    return {
        name: Wanted(f"{name}, of {fingerprint(used(with_values(text, values)), content)}", values)
        for name, values in values_by_name.items()
    }


@contextmanager
def experiments_repo(what: str) -> Iterator[Repo]:
    """Open this folder as a DVC repository in which no other command runs experiments.

    Args:
        what: needs the repository, to begin a sentence.

    Raises:
        UserError: as project_repo does, if the git repository is shallow, or if another command
            runs experiments. It also replaces an error of DVC.
    """
    try:
        with interrupts_kept(), some_identity(), project_repo(what) as repo:
            if git(Path(), "rev-parse", "--is-shallow-repository") == b"true\n":
                raise UserError(
                    "this clone is shallow, and DVC cannot run experiments in it; run git fetch"
                    " --unshallow"
                )
            with only_one(repo):
                yield repo
    except DvcException as error:
        raise UserError(f"DVC: {error}") from None


@contextmanager
def some_identity() -> Iterator[None]:
    """Give the commits of experiments an author, where git does not know who its user is.

    They stay in this repository until somebody pushes them. DVC would end with a traceback.
    """
    lacking: dict[str, str] = {}
    for key, value in (("name", "Ballast"), ("email", "ballast@localhost")):
        if git(Path(), "config", f"user.{key}") is None:
            lacking |= {f"GIT_{who}_{key.upper()}": value for who in ("AUTHOR", "COMMITTER")}
    added = {name: value for name, value in lacking.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Let a Ctrl-C end what it interrupts as KeyboardInterrupt, whatever others make of it.

    Code that it interrupts may turn it into an error of its own. Of some thirty interruptions in
    tests, one ended with exit code 1 in place of 130.
    """
    interrupted = False

    def note(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # such as that of a shell's background job
        yield
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def only_one(repo: Repo) -> Iterator[None]:
    """Prevent a second command from running experiments: it would kill the workers of the first."""
    lock = make_lock(str(Path(repo.tmp_dir, "experiments-lock")), tmp_dir=repo.tmp_dir)
    try:
        lock.lock()
    except LockError:
        raise UserError(
            "another comparison or cross-validation is running here; wait for it, or stop it"
        ) from None
    try:
        yield
    finally:
        lock.unlock()


def run_missing(
    repo: Repo,
    experiments: Mapping[str, Wanted],
    raws: Sequence[str],
    needed: Sequence[Path],
    jobs: int = 1,
    by_name: bool = False,
) -> dict[str, str]:
    """Run the experiments that have not finished yet; show the progress and any failures.

    Args:
        repo: result of experiments_repo.
        experiments: by name.
        raws: their folders of photographs.
        needed: outputs without which an experiment has not finished.
        jobs: number of experiments at a time.
        by_name: whether DVC's commands must find the experiments by name.

    Returns:
        The revision by name of those that have finished.
    """
    messages = {name: of.message for name, of in experiments.items()}
    find = finished_by_name if by_name else finished
    clear_queue(repo, experiments)  # left by a run that was killed
    clear_leftovers(repo)
    outputs = [path.as_posix() for path in needed]
    known = find(repo, messages)
    done = {name: rev for name, rev in known.items() if has_files(repo, rev, outputs)}
    waiting = [name for name in experiments if name not in done]
    print(f"{len(experiments)} experiments, {len(done)} of them already finished", flush=True)
    if not waiting:
        return done
    for name in made_by_others(repo, waiting):
        raise UserError(
            f"{name}: an experiment of yours has this name, and would be replaced; run dvc exp"
            f" rename {name} OTHER"
        )
    copy = [*dict.fromkeys(path for raw in raws for path in paths_to_copy(repo, raw))]
    if takes := duration_of(len(waiting), jobs, stage_times()):
        print(f"the others take {takes}", flush=True)
    try:
        for name in tqdm(waiting, desc="queued", disable=None):
            params = set_params(experiments[name].values)
            queue_experiment(repo, name, messages[name], params, copy)
        run_all(repo, waiting, jobs)
    finally:
        clear_queue(repo, experiments)
    return find(repo, messages)


def run_all(repo: Repo, names: Sequence[str], jobs: int) -> None:
    """Run the queued experiments; show the progress and any failures."""
    with tqdm(total=len(names), desc="experiments", unit="", disable=None) as progress:
        for ended in run_queue(repo, names, jobs):
            progress.update()
            if ended.failure:
                progress.clear()
                warn(f"{ended.name} failed: {ended.failure}")
            elif progress.disable:
                print(f"{ended.name} is done", flush=True)


def refuse_failed(names: Sequence[str]) -> None:
    """Refuse to go on if experiments failed."""
    if names:
        raise UserError(
            f"{counted(len(names), 'experiment')} failed: {', '.join(names)}; run the command again"
        )


def used(params: Params) -> dict[str, Any]:
    """The params that the result of an experiment depends on."""
    values = as_dict(params, without=("runtime",))
    names = {params.strategy}
    if params.train.has_linear_head:
        names.add(params.cross_validation.reference)
    values["strategies"] = {name: values["strategies"][name] for name in names}
    return values


def set_params(values: Mapping[str, Any]) -> list[str]:
    """Values by dotted key as arguments of dvc exp run --set-param."""

    def quoted(value: object) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        return "'" + re.sub(r"([\\'])", r"\\\1", value) + "'"

    # ++ also adds a key that params.yaml leaves out.
    return [f"++{key}={quoted(value)}" for key, value in values.items()]


def code_and_photographs(raw: str, without: Sequence[str] = ()) -> dict[str, str]:
    """Hashes of everything that an experiment's result depends on: the code and each file.

    Args:
        raw: folder of photographs.
        without: stages whose code does not matter.
    """
    defined = yaml.safe_load(read_text(Path("dvc.yaml")))["stages"]
    # An opt-in stage has no deps, but one row per item.
    stages = [name for name, stage in defined.items() if "deps" in stage and name not in without]
    code = source_hash(code_deps(defined, stages))
    files = [Path(name) for name in ("dvc.yaml", "pyproject.toml", ".dvcignore")]
    files += [path for path in Path(PRETRAINED).glob("*") if path.is_file()]
    files += [Path(raw, name) for name in list_files(Path(raw))]
    hashes = {path.as_posix(): file_md5(path) for path in files if not unreadable(path)}
    return {"code": code, **hashes}


def fingerprint(*values: object) -> str:
    """A short hash of JSON-serialisable values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def paths_to_copy(repo: Repo, raw: str) -> list[str]:
    """Paths to copy into the folder of an experiment, since neither git nor DVC has them.

    Raises:
        UserError: if copying cannot bring the photographs there.
    """
    weights = listed_by_git("--others", "--exclude=__pycache__", "--", PRETRAINED)
    return [*photographs_to_copy(repo, raw), *(path for path in weights if not has(repo, path))]


def photographs_to_copy(repo: Repo, raw: str) -> list[str]:
    """The folder of photographs, if neither git nor DVC has any of them; else nothing."""
    path = Path(raw)
    if path.is_absolute():
        return []
    # An experiment's folder has the whole git repository, so .. may lead elsewhere in that.
    if not path.resolve().is_relative_to(Path(repo.scm.root_dir).resolve()):
        raise UserError(
            f"params.yaml: data.raw: each experiment runs in a folder of its own, where {raw} does"
            f" not exist; set data.raw to {path.resolve()}"
        )
    if has(repo, raw):
        return []
    in_git = {*listed_by_git("--", raw)}
    if not in_git:
        return [raw]
    others = [name for name in list_files(path) if (path / name).as_posix() not in in_git]
    if others:
        warn(f"{raw}: {len(others)} files are not in git, so experiments lack them: {others[0]}")
    return []


def listed_by_git(*arguments: str) -> list[str]:
    """The paths that git ls-files lists."""
    listed = git(Path(), "ls-files", "-z", *arguments)
    assert listed is not None, "git ls-files fails"
    return [path for path in listed.decode(errors="surrogateescape").split("\0") if path]


def has(repo: Repo, path: str) -> bool:
    """Whether DVC tracks a path."""
    try:
        return bool(repo.find_outs_by_path(path))
    except OutputNotFoundError:
        return False
