"""Train what compare compares: strategies, or the values of one key of params.yaml.

An arm is an experiment with its name, described by where its params differ from params.yaml.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc.utils.serialize import YAMLError, parse_yaml
from scmrepo.exceptions import RevError

from ballast.commands.experiments import (
    code_and_photographs,
    experiments_repo,
    refuse_failed,
    run_missing,
    wanted,
)
from ballast.core import paths
from ballast.core.errors import UserError
from ballast.core.files import read_text
from ballast.core.params import UNUSED_BY_LINEAR_HEADS, parse_params, with_values
from ballast.dataset.listing import list_files

Arms = dict[str, dict[str, Any]]  # by name, the values that differ, by dotted key


def are_several(names: Sequence[str]) -> bool:
    """Whether there are two or more, all different."""
    return len(names) > 1 and len({*names}) == len(names)


def strategy_arms(names: Sequence[str]) -> Arms:
    """The experiments of strategies: by name, where their params differ from params.yaml.

    Raises:
        UserError: if there are fewer than two, or one is unknown.
    """
    if not are_several(names):
        raise UserError(
            "--train: give two or more different strategies, such as --train baseline balanced"
        )
    known = parse_params(read_text(paths.PARAMS)).strategies
    for name in names:
        if name not in known:
            raise UserError(f"--train: {name!r} is not one of the strategies: {', '.join(known)}")
    return {name: {"strategy": name} for name in names}


def value_arms(text: str) -> tuple[str, Arms]:
    """The experiments of the values of a key, like strategy_arms.

    Args:
        text: KEY=A,B.

    Returns:
        The key, and where the params of each experiment differ from params.yaml, by name.

    Raises:
        UserError: if there are fewer than two values, or params.yaml may not have them.
    """
    key, _, listed = text.partition("=")
    try:
        values: list[Any] = parse_yaml(f"[{listed}]", "--vary")
    except YAMLError:
        values = []
    words = [
        value if isinstance(value, str) else json.dumps(value, default=str) for value in values
    ]
    if not key or not are_several(words):
        raise UserError(
            "--vary: give a key and two or more different values of it, such as"
            f" augment.zoom=0.1,0.3, not {text!r}"
        )
    written = read_text(paths.PARAMS)
    params = parse_params(written)
    for value in values:
        try:
            found = with_values(written, {key: value})
            list_files(Path(found.data.raw))  # before anything is trained
        except UserError as error:
            raise UserError(f"--vary: {str(error).removeprefix('params.yaml: ')}") from None
    if not _changes_training(key, params.strategy):
        raise UserError(f"--vary: {key} does not change what is trained; vary another key")
    if params.train.has_linear_head and key in UNUSED_BY_LINEAR_HEADS:
        raise UserError(
            f"--vary: {key} has no effect on a linear head, which is all that is trained with"
            f" train.backbone: {params.train.backbone}; set train.backbone: cnn, or vary another"
            " key"
        )
    last = key.rpartition(".")[2]
    # Of what else a value may contain, git allows little in a name.
    names = [re.sub(r"[^A-Za-z0-9_.+-]", "_", f"{last}-{word}") for word in words]
    return key, {name: {key: value} for name, value in zip(names, values, strict=True)}


def _changes_training(key: str, strategy: str) -> bool:
    """Whether a dotted key can make another model, of the strategy that params.yaml names."""
    section, *below = key.split(".")
    if section == "strategies":
        return below[:1] in ([], [strategy])
    return section not in ("export", "runtime")


def train_arms(arms: Arms, needed: Sequence[Path]) -> list[str]:
    """Run the experiments that have not finished yet.

    Args:
        arms: where the params of each differ from params.yaml, by name.
        needed: outputs without which an experiment has not finished.

    Returns:
        Their names.

    Raises:
        UserError: if one fails, or git knows its name as something else.
    """
    raw = parse_params(read_text(paths.PARAMS)).data.raw
    with experiments_repo("comparing") as repo:
        for name in arms:
            refuse_taken(repo, name)
        # Judged by several trainings, also where there is a test folder.
        values = {name: {"cross_validation.test_folder": True, **arm} for name, arm in arms.items()}
        raws = [*dict.fromkeys(arm.get("data.raw", raw) for arm in arms.values())]
        content = {path: md5 for of in raws for path, md5 in code_and_photographs(of).items()}
        done = run_missing(repo, wanted(values, content), raws, needed, by_name=True)
    refuse_failed([name for name in arms if name not in done])
    return [*arms]


def refuse_taken(repo: Repo, name: str) -> None:
    """Refuse the name of a branch or tag: DVC would read that instead of the experiment.

    Raises:
        UserError: naming it.
    """
    with suppress(RevError, ValueError):
        repo.scm.resolve_rev(name)
        raise UserError(
            f"{name}: a branch, tag or commit has this name, so DVC would not find an experiment by"
            " it; rename one of them"
        )
