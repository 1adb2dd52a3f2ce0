"""Suggest which photographs of a folder to label next, those first that would teach most.

Prints photographs between whose likeliest classes the model cannot decide, most of all if one of
the classes is rare, with these classes and their probabilities. Copies of a file count once, and
files that data/manifest.csv has already are named on stderr, if it is there. The exit code is 0 if
every file was read, 3 if some could not be read (stderr names each), and 1 after an error.

Examples:
    ballast suggest new-photos
    ballast suggest new-photos --count 50 --format csv
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from ballast.commands.predict import NO_IMAGES, SOME_UNREAD, folder_files, load_classifier
from ballast.core import paths
from ballast.core.errors import UserError, counted, one_line, warn
from ballast.core.files import csv_lines
from ballast.core.images import ImageError, without_warnings
from ballast.core.manifest import Row, read_manifest
from ballast.core.shards import Finder, read_file, shard_finder
from ballast.dataset.listing import is_folder, printable
from ballast.insight.suggestion import suggested
from ballast.model.head_fitting import Labels, class_groups
from ballast.model.model_file import read_info
from ballast.model.training_photographs import needed_training_photographs

if TYPE_CHECKING:  # it loads TensorFlow
    from ballast.classifier import Classifier, Prediction

COLUMNS = ("predicted", "probability", "second", "second_probability", "path")


class Found(NamedTuple):
    """A photograph without a label."""

    path: str
    sha256: str
    prediction: "Prediction"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of photographs without labels"
    )
    parser.add_argument(
        "--count",
        type=_whole,
        default=20,
        metavar="N",
        help="most photographs to suggest; default: %(default)s",
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=paths.MODEL,
        metavar="FILE",
        help="trained model with a linear head; default: %(default)s",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="table",
        help="output format; json is one object per line; default: %(default)s",
    )


def run(options: argparse.Namespace) -> int:
    """Print what to label next; return the exit code."""
    info = read_info(options.model)
    known = needed_training_photographs(options.model)
    if not is_folder(options.folder):
        raise UserError(f"{options.folder}: no folder of photographs to choose from")
    groups = class_groups(known.labels, known.groups, len(info.classes))
    rows = read_manifest(paths.MANIFEST) if paths.MANIFEST.exists() else []
    names = folder_files(options.folder)
    classifier = load_classifier(options.model)
    return print_suggestions(classifier, groups, names, rows, options.count, options.format)


def print_suggestions(
    classifier: "Classifier",
    groups: Labels,
    names: Sequence[str],
    rows: Sequence[Row],
    count: int,
    format_: str,
) -> int:
    """Print up to `count` of the named files, in the format of that name; return the exit code.

    Args:
        classifier: of k classes.
        groups: of training photographs of each class, shape (k,).
        names: paths of files.
        rows: photographs that are labelled already.
        count: 1 or more.
        format_: a key of FORMATS.
    """
    labelled = {row.sha256: row for row in rows}
    new: dict[str, Found] = {}
    unread = already = 0
    for name, found in zip(names, _predicted(classifier, names), strict=True):
        if isinstance(found, ImageError):
            unread += 1
            warn(f"{printable(name)}: {found}")
        elif row := labelled.get(found.sha256):
            already += 1
            print(
                one_line(f"{found.path}: labelled already: {row.path}, in {row.split}"),
                file=sys.stderr,
            )
        else:
            new.setdefault(found.sha256, found)  # the first of several copies
    candidates = [*new.values()]
    chosen: list[Found] = []
    if candidates:
        probabilities = np.array([[*f.prediction.probabilities.values()] for f in candidates])
        chosen = [candidates[place] for place in suggested(probabilities, groups)[:count]]
    print(FORMATS[format_](chosen), end="")
    if not names:
        warn(NO_IMAGES)
    copies = len(names) - unread - already - len(candidates)
    print(
        f"{len(chosen)} suggested of {counted(len(candidates), 'new photograph')};"
        f" labelled already: {already}, further copies: {copies}, could not be read: {unread}",
        file=sys.stderr,
    )
    return SOME_UNREAD if unread else 0


def _predicted(classifier: "Classifier", names: Sequence[str]) -> Iterator[Found | ImageError]:
    with without_warnings(), tqdm(unit=" images", disable=None, leave=False) as progress:
        find = shard_finder(Path())
        for name, said in zip(names, classifier.stream(names), strict=True):
            progress.update()
            yield said if isinstance(said, ImageError) else _identified(name, find, said)


def _identified(name: str, find: Finder, prediction: "Prediction") -> Found | ImageError:
    try:
        digest = hashlib.sha256(read_file(Path(), name, find)).hexdigest()
    except OSError as error:  # it is gone since it was predicted
        return ImageError(f"cannot be read: {error.strerror}")
    except ValueError as error:  # so is the shard that it was in
        return ImageError(f"cannot be read: {error}")
    return Found(printable(name), digest, prediction)


def _cells(found: Found) -> dict[str, object]:
    """What is printed of a photograph; probabilities have three decimals."""
    ranked = sorted(found.prediction.probabilities.items(), key=lambda item: -item[1])
    (first, most), (second, next_) = ranked[:2]
    cells = first, round(most, 3), second, round(next_, 3), found.path
    return dict(zip(COLUMNS, cells, strict=True))


def _table(chosen: Sequence[Found]) -> str:
    def shown(cells: Mapping[str, object]) -> list[str]:
        values = cells.values()
        return [f"{v:.3f}" if isinstance(v, float) else one_line(str(v)) for v in values]

    headers = [column.replace("second_probability", "probability") for column in COLUMNS]
    rows = [shown(_cells(found)) for found in chosen]
    return f"{tabulate(rows, headers=headers, disable_numparse=True)}\n" if rows else ""


def _csv(chosen: Sequence[Found]) -> str:
    lines = csv_lines([COLUMNS, *([*_cells(found).values()] for found in chosen)])
    return "".join(f"{line}\n" for line in lines)


def _json(chosen: Sequence[Found]) -> str:
    return "".join(
        f"{json.dumps(_cells(found), ensure_ascii=False, allow_nan=False)}\n" for found in chosen
    )


FORMATS: Mapping[str, Callable[[Sequence[Found]], str]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
}


def _whole(text: str) -> int:
    """Parse a whole number of 1 or more."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text}")
    return int(text)
