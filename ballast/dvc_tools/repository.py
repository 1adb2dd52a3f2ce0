"""Open the DVC repository of a project; each reason why that fails is one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.dvcfile import ProjectFile
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.scm import NoSCM, SCMError
from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

from ballast.core.errors import UserError
from ballast.core.files import read_text, refuse_conflict, writing
from ballast.core.params import no_yaml
from ballast.core.paths import PIPELINE
from ballast.dvc_tools.git import git

DVC_FILES = Path(".dvc/tmp")


class NoProjectError(UserError):
    """A folder that is in no DVC project."""


@contextmanager
def project_repo(needs_commit: str = "", folder: Path = Path()) -> Iterator[Repo]:
    """Open the DVC repository of a folder, which is that of the command by default.

    Args:
        needs_commit: what cannot do without a commit of git, to begin a sentence; empty if it can.
        folder: in the project.

    Raises:
        NoProjectError: if the folder is in no project.
        UserError: if git is missing where DVC expects it or the command needs a commit, if DVC was
            told to ignore the git repository that the command needs, or if its settings are wrong.
    """
    with _opened(needs_commit, folder) as repo:
        if needs_commit:
            refuse_without_commit(needs_commit, folder)
            if isinstance(repo.scm, NoSCM):
                raise UserError(
                    "DVC's core.no_scm says that there is no git repository, but there is one now;"
                    " run dvc config --local --unset core.no_scm"
                )
        yield repo


def _opened(needs_commit: str, folder: Path) -> Repo:
    try:
        with writing(DVC_FILES):  # opening it makes folders
            return Repo(str(folder))
    except NotDvcRepoError:
        if PIPELINE.exists():
            raise NoProjectError(".dvc: no such folder; git checkout .dvc, or dvc init") from None
        raise NoProjectError(f"{PIPELINE}: no such file; run from the top of the project") from None
    except SCMError:
        if needs_commit:
            refuse_without_commit(needs_commit, folder)
        raise UserError(
            "DVC expects a git repository, and there is none; run dvc config --local core.no_scm"
            " true, or git init"
        ) from None
    except DvcException as error:
        raise UserError(f"DVC: {error}") from None


def refuse_without_commit(what: str, folder: Path = Path()) -> None:
    """Refuse to go on without a commit.

    Args:
        what: needs it, to begin a sentence.
        folder: in the git repository.
    """
    if git(folder, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise UserError(
            f"{what} needs a git repository with a commit: git init && git add . && git commit -m"
            " start"
        )


def refuse_broken_pipeline(repo: Repo) -> None:
    """Refuse a dvc.yaml that DVC cannot read; params.yaml must be right, which it refers to.

    Raises:
        UserError: saying where, and how to get the committed one back.
    """
    back = f"git checkout {PIPELINE}"
    if not PIPELINE.exists():
        raise UserError(f"{PIPELINE}: missing; {back}")
    text = read_text(PIPELINE)
    refuse_conflict(PIPELINE, text)
    try:
        parse_yaml(text, PIPELINE)
        ProjectFile(repo, str(PIPELINE)).resolver.resolve()
    except YAMLFileCorruptedError as error:
        raise UserError(f"{no_yaml(error.__cause__, PIPELINE)}; {back}") from None
    except DvcException as error:
        raise UserError(f"{PIPELINE}: {error}; {back}") from None
