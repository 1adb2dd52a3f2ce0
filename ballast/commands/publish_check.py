"""Check that git, dvc.lock, the workspace and DVC's cache agree before dvc push and git push.

Changes nothing. Prints one line per problem, with its remedy, and exits with code 1 if there
are any.

Example:
    ballast publish-check && dvc push --run-cache && git push
"""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dvc.config import Config
from dvc.exceptions import DvcException
from dvc.repo import Repo

from ballast.core import paths
from ballast.core.errors import UserError, one_line
from ballast.core.files import read_text
from ballast.core.params import parse_params
from ballast.dvc_tools.cache import unsound_objects
from ballast.dvc_tools.repository import NoProjectError, project_repo, refuse_broken_pipeline

SECRETS = {
    "account_key", "client_secret", "connection_string", "gdrive_client_secret", "oss_key_secret",
    "passphrase", "password", "sas_token", "secret_access_key", "session_token", "token",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Do nothing: this subcommand takes no arguments."""
    del parser


def run(options: argparse.Namespace) -> int:
    """Print the problems; return the exit code."""
    del options
    raw = parse_params(read_text(paths.PARAMS)).data.raw
    with project_repo("publishing") as repo:
        refuse_broken_pipeline(repo)
        try:
            wrong = [
                *not_committed(repo, raw),
                *not_reproduced(repo),
                *not_in_cache(repo),
                *not_to_be_pushed(repo.config),
            ]
        except DvcException as error:
            raise UserError(
                f"{error}; run ballast check, which removes files that DVC left half written"
            ) from None
    print(*map(one_line, wrong) if wrong else ["ready: dvc push, then git push"], sep="\n")
    return 1 if wrong else 0


def not_committed(repo: Repo, raw: str) -> Iterator[str]:
    """Find what a clone would lack, and photographs that are about to enter git."""
    status = repo.scm.status(untracked_files="all")
    staged = {change: from_here(repo, paths) for change, paths in status[0].items()}
    unstaged, untracked = (from_here(repo, paths) for paths in status[1:])
    changed = {path for paths in staged.values() for path in paths} | {*unstaged}
    # The git repository may hold more than this project.
    changed = {path for path in changed if below(".", path) or below(raw, path)}
    needed = {dep.fs_path for stage in repo.index.stages for dep in stage.deps}
    needed |= {stage.path_in_repo for stage in repo.index.stages} | {"dvc.lock", ".dvcignore"}
    for path in sorted(changed):
        if not below(raw, path):
            yield f"{path}: changed since the last commit; git add it and commit, or restore it"
    for path in sorted(untracked):
        if any(below(place, path) for place in needed) and not below(raw, path):
            yield f"{path}: not in git; git add it and commit"
    added = [path for path in [*staged.get("add", []), *untracked] if below(raw, path)]
    if added:
        yield (
            f"{raw}: {len(added)} photographs are new to git; run dvc add {raw} to keep them "
            "out of it, or, if they are few and small, git add and commit them"
        )
    altered = [path for path in changed - {*added} if below(raw, path)]
    if altered:
        yield f"{raw}: {len(altered)} photographs differ from the last commit; git add and commit"
    if repo.scm.is_ignored(raw) and not in_dvc(raw):
        yield f"{raw}: ignored by git and not in DVC, so clones lack it; dvc add {raw}"


def from_here(repo: Repo, paths: Iterable[str]) -> list[str]:
    """Paths relative to the top of the project, which may be below that of the git repository."""
    return [os.path.relpath(Path(repo.scm.root_dir, path)) for path in paths]


def below(folder: str, path: str) -> bool:
    """Whether a path is the folder or in it; both are relative to the top of the project."""
    whole, part = (os.path.normpath(Path.cwd() / name) for name in (folder, path))
    return Path(part).is_relative_to(whole)


def in_dvc(raw: str) -> bool:
    """Whether DVC tracks a folder, in this project or in the one that holds the folder."""
    try:
        with project_repo(folder=Path(raw).resolve().parent) as holder:
            outs = [out.fs_path for stage in holder.index.stages for out in stage.outs]
    except NoProjectError:
        return False
    return any(below(out, raw) for out in outs)


def not_reproduced(repo: Repo) -> Iterator[str]:
    """Find where the workspace differs from dvc.lock."""
    outputs: dict[str, str] = {}
    inputs: dict[tuple[str, str], str] = {}
    for stage, changes in repo.status().items():
        for change in changes:
            if not isinstance(change, dict):
                inputs[stage, "its command"] = "modified"
                continue
            outputs |= change.get("changed outs", {})
            for path, state in change.get("changed deps", {}).items():
                keys = state if isinstance(state, dict) else {"": state}
                inputs |= {(stage, f"{path} {key}".strip()): how for key, how in keys.items()}
    for path, state in outputs.items():
        if state != "not in cache":  # not_in_cache reports these, by file
            yield f"{path}: {state} since dvc.lock was written; dvc checkout, or dvc repro"
    for (stage, what), state in inputs.items():
        if what not in outputs:
            yield f"stage {stage}: {what}: {state} since it ran; dvc repro"


def not_in_cache(repo: Repo) -> Iterator[str]:
    """Find files in dvc.lock that DVC cannot push, or would push damaged."""
    outs = [out for stage in repo.index.stages for out in stage.outs if out.use_cache]
    locked = {
        Path(out.fs_path).relative_to(repo.root_dir).as_posix(): str(out.hash_info.value)
        for out in outs
        if out.hash_info
    }
    for path, state in unsound_objects(Path(repo.cache.local.path), locked).items():
        if state == "damaged":
            yield f"{path}: damaged in DVC's cache; ballast check, then dvc repro"
        else:
            yield f"{path}: not in DVC's cache; dvc repro or dvc pull restores it"


def not_to_be_pushed(config: Config) -> Iterator[str]:
    """Find problems with the remote."""
    name = config["core"].get("remote")
    if name is None:
        yield "no remote to push to; dvc remote add --default storage URL"
    elif not config["remote"].get(name, {}).get("verify"):
        yield (
            f"remote {name}: dvc pull would not verify downloads; "
            f"dvc remote modify {name} verify true"
        )
    shared: Mapping[str, Mapping[str, object]] = config.load_one("repo").get("remote", {})
    for remote, settings in shared.items():
        for key in sorted(SECRETS & settings.keys()):
            yield (
                f".dvc/config: remote {remote}: {key} would be committed to git; "
                f"dvc remote modify --local {remote} {key} VALUE, and unset it without --local"
            )
