"""Compare runs on the same photographs.

The first run is the reference for the others. Reads runs from git and from DVC's cache or remote,
and checks nothing out. Prints a Markdown table, and writes comparison.json and comparison.html.

With --train or --vary, it first trains the runs, with the params, code and photographs of this
folder, which stays as it is. Each is a DVC experiment in a temporary folder. To resume after an
interruption, run the command again: experiments that finished with the same code, params and
photographs are not repeated.

Examples:
    ballast compare --train baseline balanced
    ballast compare --vary augment.zoom=0.1,0.3
    ballast compare main workspace --out-dir /tmp/comparison
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import RevError, resolve_rev
from dvc.utils.serialize import YAMLError, parse_yaml
from msgspec.structs import fields
from tabulate import tabulate

from ballast.commands.arms import are_several, strategy_arms, train_arms, value_arms
from ballast.comparison.checks import check_comparable
from ballast.comparison.page import comparison_page
from ballast.comparison.runs import Comparison, compare
from ballast.comparison.verdicts import too_high_text, verdict_lines
from ballast.core import paths
from ballast.core.errors import UserError, one_line
from ballast.core.files import make_folder, read_json, write_bytes, write_json, writing
from ballast.core.manifest import Row, class_names, read_augmented, read_manifest, subset_rows
from ballast.core.params import Strategy, dotted
from ballast.dvc_tools.repository import project_repo
from ballast.report.pictures import SHEET_IMAGES, contact_rows, run_pictures, sheet_classes
from ballast.scores.advice import action_text
from ballast.scores.intervals import Interval, MetricIntervals, interval_text, unpacked
from ballast.scores.run import Run, alike, read_run
from ballast.scores.sentences import one_line_text

NEEDED = ("seed", "strategy", "data.raw", "train.min_epochs")
READ = (
    paths.MANIFEST,
    paths.AUGMENTED_LIST,
    paths.PREDICTIONS,
    paths.JUDGEMENTS,
    paths.CLASS_COUNTS,
    paths.CLASS_WEIGHTS,
    paths.HISTORY,
    paths.TRAINING,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    compared = parser.add_mutually_exclusive_group(required=True)
    compared.add_argument(
        "revisions",
        nargs="*",
        default=[],
        metavar="REV",
        help='two or more of: an experiment, a branch, a tag, a commit, or "workspace"',
    )
    compared.add_argument(
        "--train",
        nargs="+",
        metavar="STRATEGY",
        help="two or more strategies of params.yaml; each becomes an experiment of its name",
    )
    compared.add_argument(
        "--vary",
        metavar="KEY=A,B",
        help="a key of params.yaml, such as augment.zoom, and two or more values of it; each"
        " becomes an experiment named after the value, such as zoom-0.1",
    )
    parser.add_argument(
        "--out-dir",
        type=Path,
        default=paths.OUTPUTS,
        metavar="DIR",
        help="folder for comparison.json and comparison.html; default: %(default)s",
    )
    parser.add_argument(
        "--allow-different-params",
        action="store_true",
        help="compare runs even if params other than the strategy differ",
    )


def run(options: argparse.Namespace) -> int:
    """Compare the revisions; write and print the results; return the exit code."""
    key = ""
    if options.vary:
        key, arms = value_arms(options.vary)
        names = train_arms(arms, READ)
    elif options.train:
        names = train_arms(strategy_arms(options.train), READ)
    else:
        names = options.revisions
        if not are_several(names):
            raise UserError(
                "give two or more different revisions, for example: ballast compare baseline"
                " balanced"
            )

    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch) / str(place) for place, name in enumerate(names)}
        params = fetch(folders)
        runs, manifests = [], {}
        for name, folder in folders.items():
            with of_folder(name, folder):
                runs.append(read_run(name, folder, params[name]))
                manifests[name] = judged_rows(runs[-1], folder)
        classes = {run_.name: run_.judged.classes for run_ in runs}
        check_comparable(manifests, classes, params, options.allow_different_params, key)
        runs = alike(runs)
        pictures = []
        for run_, folder in zip(runs, folders.values(), strict=True):
            with of_folder(run_.name, folder):
                raw = Path(params[run_.name]["data.raw"])
                pictures.append(run_pictures(run_, folder, raw))
    found = compare(runs, params[names[0]]["seed"])
    write_json(options.out_dir / "comparison.json", found)
    write_bytes(
        options.out_dir / "comparison.html", comparison_page(found, runs, pictures).encode()
    )
    print(markdown(found))
    print(f"\n{options.out_dir / 'comparison.html'} shows it in charts and images")
    return 0


def fetch(folders: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Copy the files that a comparison needs, from git or from DVC's cache or remote.

    Args:
        folders: target folder by revision; they are created here.

    Returns:
        The tracked params by revision, with dotted keys.

    Raises:
        UserError: if a revision does not exist, or lacks outputs that match its params.
    """
    with project_repo("comparing") as repo:
        params = {}
        for name, folder in folders.items():
            refuse_unknown(repo, name)
            with of(name), repo.switch(name):
                params[name] = read_params(repo)
                for path in READ:
                    copy(repo, path.as_posix(), folder / path)
                copy_range(repo, folder)
                copy_sheets(repo, folder)
        return params


def refuse_unknown(repo: Repo, revision: str) -> None:
    """Refuse a revision that does not exist.

    Raises:
        UserError: naming it.
    """
    try:
        if revision != "workspace":
            resolve_rev(repo.scm, revision)
    # pygit2 raises a ValueError for what may be the start of a hash, and for invalid names.
    except (RevError, ValueError):
        raise UserError(
            f"{revision}: no such experiment, branch, tag or commit; dvc exp list --all lists the"
            " experiments (failed ones leave none)"
        ) from None


@contextmanager
def of(revision: str) -> Iterator[None]:
    """Name the revision in any error."""
    try:
        yield
    except (DvcException, OSError) as error:
        raise UserError(f"{revision}: cannot be read: {error}") from None
    except UserError as error:
        raise UserError(f"{revision}: {error}") from None


def read_params(repo: Repo) -> dict[str, Any]:
    """Read the tracked params of the revision that the repository is switched to.

    Optional keys of strategies get their defaults.

    Raises:
        UserError: if the revision's outputs were made with other params.
    """
    try:
        params = parse_yaml(repo.fs.read_text("params.yaml", encoding="utf-8"), "params.yaml")
    except (FileNotFoundError, YAMLError):
        raise UserError("params.yaml: missing, or not YAML") from None
    try:
        lock, defined = (
            parse_yaml(repo.fs.read_text(path, encoding="utf-8"), path)
            for path in ("dvc.lock", "dvc.yaml")
        )
    except (FileNotFoundError, YAMLError):
        raise UserError(
            "the pipeline has not run there; run dvc repro and commit dvc.lock, or run an"
            " experiment"
        ) from None
    used = dotted(params)
    for key in NEEDED:
        if key not in used:
            raise UserError(f"params.yaml: {key}: this key is missing")
    # DVC leaves stages in dvc.lock that dvc.yaml no longer has.
    ran = [of for name, of in lock["stages"].items() if name.split("@")[0] in defined["stages"]]
    for stage in ran:
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            below = {k: v for k, v in used.items() if k == key or k.startswith(f"{key}.")}
            if below != dotted({key: value}):
                raise UserError(
                    f"its outputs were made with a {key} that differs from its params.yaml; run dvc"
                    " repro there and commit dvc.lock"
                )
    defaults = {field.name: field.default for field in fields(Strategy) if not field.required}
    rows = {name: defaults | row for name, row in params.get("strategies", {}).items()}
    # Neither affects a figure: runtime sets the speed, export the additional model formats.
    return dotted({**params, "strategies": rows, "runtime": {}, "export": {}})


def copy(repo: Repo, path: str, target: Path) -> None:
    """Copy a file of the revision that the repository is switched to.

    Raises:
        UserError: if it is neither in DVC's cache nor in a remote, or cannot be written.
    """
    make_folder(target.parent)
    try:
        data = repo.dvcfs.read_bytes(path)
    except FileNotFoundError:
        raise UserError(
            f"{path} is not in DVC's cache, and no remote has it; push it where it was made (dvc"
            " push), or run it again (an experiment after dvc exp remove)"
        ) from None
    with writing(target):
        target.write_bytes(data)


def copy_range(repo: Repo, folder: Path) -> None:
    """Copy the range of deep greys, for pictures; runs of older versions have none."""
    with suppress(UserError):
        copy(repo, paths.RANGE.as_posix(), folder / paths.RANGE)


def copy_sheets(repo: Repo, folder: Path) -> None:
    """Copy the training images that the page shows, as far as they are available."""
    counts = read_json(folder / paths.CLASS_COUNTS)
    for name, rows in contact_rows(
        read_augmented(folder / paths.AUGMENTED_LIST), SHEET_IMAGES
    ).items():
        for row in rows if name in sheet_classes(counts) else ():
            path = f"{paths.AUGMENTED.as_posix()}/{row.path}"
            try:
                copy(repo, path, folder / path)
            except UserError:
                break  # packed or not pulled, so the others are missing as well


def judged_rows(run: Run, folder: Path) -> list[Row]:
    """The rows of the manifest that a run judged.

    Raises:
        UserError: if its predictions do not match the manifest, or that is not as split wrote it.
    """
    rows = read_manifest(folder / paths.MANIFEST)
    predictions = run.predictions[0]
    true = dict(zip(predictions.paths, predictions.true, strict=True))
    judged = [row for row in rows if row.path in true]
    tested = [] if run.cross_validated else subset_rows(rows, "test")
    matches = len(judged) == len(true) and all(true[row.path] == row.class_ for row in judged)
    if not matches or tested not in ([], judged) or predictions.classes != class_names(rows):
        path = paths.JUDGEMENTS if run.cross_validated else paths.PREDICTIONS
        raise UserError(
            f"{path}: does not match the photographs and classes in {paths.MANIFEST}; run dvc repro"
            " there"
        )
    return judged


@contextmanager
def of_folder(revision: str, folder: Path) -> Iterator[None]:
    """Name the revision in any error, and hide the folder that it was copied to."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{revision}: {str(error).replace(f'{folder}/', '')}") from None


def markdown(found: Comparison) -> str:
    """Format a comparison as Markdown: a table, the verdicts and the recommendations."""
    compared = [run.metrics for run in found.revisions.values()]
    differences = [other.metrics for other in found.differences.values()]
    rows = [
        [
            " ".join(filter(None, (metric, class_))),
            *(interval_text(interval_of(run, metric, class_)) for run in compared),
            *(interval_text(interval_of(of, metric, class_), sign="+") for of in differences),
        ]
        for metric, class_, _ in unpacked(compared[0])
    ]
    headers = [
        "95 % intervals",
        *found.revisions,
        *(f"{name} - {found.reference}" for name in found.differences),
    ]
    escaped = [[escape(text) for text in line] for line in (headers, *rows)]
    # disable_numparse: a class called 1e3 keeps its name.
    table = tabulate(escaped[1:], escaped[0], tablefmt="github", disable_numparse=True)
    paragraphs = [table]
    paragraphs += [verdict_lines(of.verdict, of.verdicts) for of in found.differences.values()]
    paragraphs.append(too_high_text(found.best_is_too_high_by))
    advice = [
        f"- {one_line_text(f'{of.text} -> {action_text(of.action)}')}"
        for of in found.recommendations
    ]
    return "\n\n".join([*paragraphs, "\n".join(advice)] if advice else paragraphs)


def interval_of(metrics: MetricIntervals, metric: str, class_: str) -> Interval:
    """The interval of a metric, for one class if the metric is per class."""
    found: Interval | dict[str, Interval] = getattr(metrics, metric)
    return found[class_] if isinstance(found, dict) else found


def escape(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return one_line(text).replace("|", r"\|")
