"""Predict the class of photographs with a trained model.

Prints each result to stdout as soon as it is ready, in the order of the paths; everything else
goes to stderr. The exit code is 0 if every file was read, 3 if some could not be read (stderr names
each), 1 after an error, and 2 for an invalid command line.

Examples:
    ballast predict photo.jpg photos/
    ballast predict --out predictions.csv photos/
    find photos -name '*.png' -print0 | ballast predict --null --format csv -
    ballast predict --coverage 0.9 photos/
"""

import argparse
import glob
import hashlib
import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BufferedReader, TextIOWrapper
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tqdm import tqdm

from ballast.commands.prediction_engine import Stream, streaming
from ballast.commands.prediction_file import (
    ERROR,
    append,
    complete_rows,
    opened,
    part_of,
    still_to_do,
)
from ballast.commands.prediction_parquet import need_pyarrow, write_parquet
from ballast.core import paths
from ballast.core.errors import UserError, counted, needing_packages, one_line, warn
from ballast.core.files import csv_lines, writing, writing_file
from ballast.core.images import ImageError, without_warnings
from ballast.core.parquet_images import PARQUET
from ballast.core.shards import is_shard
from ballast.core.source import BALLAST, source_hash
from ballast.dataset.listing import about, is_folder, is_hidden, printable
from ballast.dataset.shards import Listed, list_photographs, with_shards
from ballast.insight.novelty import UNLIKE
from ballast.model.model_file import read_info
from ballast.scores.predictions import PREFIX

if TYPE_CHECKING:  # it loads TensorFlow, which --help and a wrong command line do without
    from ballast.classifier import Classifier, Prediction

SOME_UNREAD = 3
NO_IMAGES = "no images there"  # a warning: a wrong folder may be the reason
OR, NO_CLASS = " or ", "-"  # between the names of a set in a table; an empty set
SET = "set_"  # prefix of columns that say whether a class is in the set
NOVELTY, TRAINED_ON = "novelty", "trained_on"  # columns
PREDICTED, UNREAD, IS_UNLIKE = "predicted", "unread", "unlike"  # what is counted, with TRAINED_ON


class Format(NamedTuple):
    """How results are printed."""

    header: str  # empty if the format has none
    line: Callable[[str, "Prediction"], str]  # formats a path and its prediction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="image, folder, tar or Parquet file of images, pattern such as 'photos/**/*.jpg', or -"
        " for one path per line on stdin",
    )
    add_model_argument(parser)
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="output format; json is one object per line; default: table",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write a table with a row for every file, also those that cannot be read: Parquet if"
        " FILE ends in .parquet, else a CSV; if this is stopped, the same command goes on where it"
        " was",
    )
    parser.add_argument(
        "--engine",
        metavar="ENGINE",
        help="engine that computes the features, such as dask; default: with --out, runtime.engine"
        " of params.yaml, else local",
    )
    parser.add_argument(
        "-0",
        "--null",
        action="store_true",
        help="paths on stdin end with a NUL character, as find -print0 writes them",
    )
    parser.add_argument(
        "--coverage",
        type=_share,
        metavar="SHARE",
        help="also print a set of classes, which holds the true one in this share of photographs,"
        " such as 0.9",
    )


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add --model, which several subcommands have."""
    parser.add_argument(
        "--model",
        type=Path,
        default=paths.MODEL,
        metavar="FILE",
        help="trained model; default: %(default)s",
    )


def load_classifier(model: Path, coverage: float | None = None) -> "Classifier":
    """Load a model for a command that prints paths and classes; arguments as of Classifier.load.

    Raises:
        UserError: as Classifier.load; and if TensorFlow, which is loaded here, is not installed.
    """
    info = read_info(model)
    with needing_packages():
        from ballast.classifier import Classifier, CoverageWarning
        from ballast.keras_setup import make_deterministic
    make_deterministic(0, info.threads)
    with warnings.catch_warnings(record=True) as found:
        classifier = Classifier.load(model, coverage)
    for one in found:
        if one.category is CoverageWarning:
            warn(str(one.message))
    assert isinstance(sys.stdout, TextIOWrapper)
    # UTF-8 in any locale: paths and classes may be in any script.
    sys.stdout.reconfigure(encoding="utf-8", newline="\n", line_buffering=True)
    return classifier


def run(options: argparse.Namespace) -> int:
    """Print a prediction for every image in the given paths; return the exit code."""
    if options.out:
        written = "parquet" if _is_parquet(options.out) else "csv"
        if options.format not in (None, written):
            raise UserError(f"--out {options.out} writes {written}, not {options.format}")
        if _is_parquet(options.out):
            need_pyarrow(options.out)
    classifier = load_classifier(options.model, options.coverage)
    with open(0, "rb", closefd=False) as stdin:
        paths = named_files(options.paths, _lines(stdin, b"\0" if options.null else b"\n"))
        if options.out:
            model = hashlib.sha256(options.model.read_bytes()).hexdigest()
            stream = streaming(classifier, options.engine)
            told = model, str(options.coverage)
            return write_predictions(classifier, stream, paths, options.out, *told)
        # An engine takes seconds to start, so only an archive has that of params.yaml.
        stream = streaming(classifier, options.engine or "local")
        return print_predictions(classifier, stream, paths, options.format or "table")


def print_predictions(
    classifier: "Classifier", stream: Stream, paths: Iterable[str], format_: str
) -> int:
    """Print a line for each file, in the format of that name; return the exit code."""
    header, line = FORMATS[format_](classifier.classes, classifier.thresholds is not None)
    if header:
        print(header)
    count: Counter[str] = Counter()
    with without_warnings(), tqdm(unit=" images", disable=None, leave=False) as progress:
        for name, said in predictions_of(stream, paths, progress, count):
            if not isinstance(said, ImageError):
                progress.write(line(printable(name), said), file=sys.stdout)
    return summarise(count)


def write_predictions(
    classifier: "Classifier",
    stream: Stream,
    paths: Iterable[str],
    target: Path,
    *depends: str,
) -> int:
    """Write the table of --out, or go on with the part of it that is there; return the exit code.

    Args:
        classifier: the model.
        stream: predicts files with it.
        paths: of all files.
        target: the table.
        depends: what tells the model and its settings from others.
    """
    columns, cells = csv_columns(classifier.classes, classifier.thresholds is not None)
    header = [*columns, TRAINED_ON, ERROR]
    part = part_of(target, *depends, *header, source_hash([BALLAST]))
    count: Counter[str] = Counter()

    def done(rows: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
        for row in rows:
            cell = dict(zip(header, row, strict=True))
            count.update(
                {
                    UNREAD if cell[ERROR] else PREDICTED: 1,
                    IS_UNLIKE: bool(cell[NOVELTY]) and float(cell[NOVELTY]) >= UNLIKE,
                    TRAINED_ON: cell[TRAINED_ON] == "1",
                }
            )
            yield row

    def new(left: Iterable[str], progress: "tqdm[Any]") -> Iterator[Sequence[object]]:
        for name, said in predictions_of(stream, left, progress, count):
            if isinstance(said, ImageError):
                yield [printable(name), *[""] * (len(header) - 2), str(said)]
            else:
                yield [*cells(printable(name), said), int(said.trained_on), ""]

    with opened(part) as file:
        left = still_to_do(paths, done(complete_rows(file)), part)
        if count:
            before = counted(count[PREDICTED] + count[UNREAD], "file")
            print(f"going on after {before} in {part}", file=sys.stderr)
        with without_warnings(), tqdm(unit=" images", disable=None, leave=False) as progress:
            append(file, header, new(left, progress))
        if _is_parquet(target):
            file.seek(0)
            numbers = [name for name in header if name.startswith(PREFIX) or name == NOVELTY]
            flags = [name for name in header if name.startswith(SET) or name == TRAINED_ON]
            with writing_file(target) as made:
                write_parquet(made, header, numbers, flags, complete_rows(file))
    with writing(target):
        if _is_parquet(target):
            part.unlink()
        else:
            part.replace(target)
    return summarise(count)


def _is_parquet(target: Path) -> bool:
    return target.suffix.casefold() == PARQUET


def predictions_of(
    stream: Stream,
    paths: Iterable[str],
    progress: "tqdm[Any]",
    count: "Counter[str]",
) -> Iterator[tuple[str, "Prediction | ImageError"]]:
    """Yield the path and the prediction of each image; count them, and warn of unreadable ones."""
    names, images = tee(paths)
    for name, said in zip(names, stream(images), strict=True):
        if isinstance(said, ImageError):
            count[UNREAD] += 1
            progress.write(f"WARNING: {one_line(about(name, said))}", file=sys.stderr)
        else:
            count.update({PREDICTED: 1, IS_UNLIKE: said.unlike, TRAINED_ON: said.trained_on})
        yield name, said
        progress.update()


def summarise(count: Mapping[str, int]) -> int:
    """Print a last line that counts all files; return the exit code."""
    if not count.get(PREDICTED, 0) + count.get(UNREAD, 0):
        warn(NO_IMAGES)
    texts = [f"{count.get(PREDICTED, 0)} predicted", f"{count.get(UNREAD, 0)} could not be read"]
    if count.get(IS_UNLIKE):
        texts.append(f"{count[IS_UNLIKE]} unlike the training photographs")
    if count.get(TRAINED_ON):
        texts.append(f"{count[TRAINED_ON]} trained on (no test of the model)")
    print(", ".join(texts), file=sys.stderr)
    return SOME_UNREAD if count.get(UNREAD) else 0


def _table(classes: Sequence[str], sets: bool) -> Format:
    """Fixed column widths, so that each row prints at once; the path comes last, at any length."""
    names = [one_line(name) for name in classes]
    widths = [max(len("predicted"), *map(len, names)), *(max(5, len(name)) for name in names)]
    widths.append(len("0.000 unlike"))
    # A set with more than two of the longest names is rare, and may push its path to the right.
    widths += [len(OR.join(sorted(names, key=len)[-2:]))] * sets
    widths.append(len("path"))

    def row(cells: Sequence[str]) -> str:
        numbers = range(1, 1 + len(names))
        aligned = [
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells[:-1], widths[:-1], strict=True))
        ]
        return "  ".join([*aligned, cells[-1]])

    def line(path: str, prediction: "Prediction") -> str:
        numbers = [f"{p:.3f}" for p in prediction.probabilities.values()]
        unlike = "" if prediction.novelty is None else f"{prediction.novelty:.3f}"
        unlike += " unlike" if prediction.unlike else ""
        of_set = [one_line(name) for name in prediction.class_set or [NO_CLASS]]
        cells = [*numbers, unlike, *[OR.join(of_set)] * sets, one_line(path)]
        return row([one_line(prediction.predicted), *cells])

    rule = "  ".join("-" * width for width in widths)
    header = row(["predicted", *names, "novelty", *["set"] * sets, "path"])
    return Format(f"{header}\n{rule}", line)


def _csv(classes: Sequence[str], sets: bool) -> Format:
    columns, cells = csv_columns(classes, sets)

    def line(path: str, prediction: "Prediction") -> str:
        (text,) = csv_lines([cells(path, prediction)])
        return text

    (header,) = csv_lines([columns])
    return Format(header, line)


def csv_columns(
    classes: Sequence[str], sets: bool
) -> tuple[list[str], Callable[[str, "Prediction"], list[object]]]:
    """The columns of outputs/predictions.csv, without the true class, then those of predict alone.

    For sets, a class has a column of 1 or 0.

    Returns:
        Their names, and what makes the cells of a path and its prediction.
    """

    def cells(path: str, prediction: "Prediction") -> list[object]:
        unlike = "" if prediction.novelty is None else prediction.novelty
        held = [str(int(name in (prediction.class_set or ()))) for name in classes if sets]
        return [path, prediction.predicted, *_digits(prediction).values(), unlike, *held]

    columns = ["path", "predicted", *(PREFIX + name for name in classes), NOVELTY]
    return [*columns, *(SET + name for name in classes if sets)], cells


def _json(_: Sequence[str], sets: bool) -> Format:
    def line(path: str, prediction: "Prediction") -> str:
        numbers = {name: float(digits) for name, digits in _digits(prediction).items()}
        value: dict[str, object] = {
            "path": path,
            "predicted": prediction.predicted,
            "probabilities": numbers,
            "novelty": prediction.novelty,
        }
        if sets:
            value["set"] = prediction.class_set
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    return Format("", line)


def _digits(prediction: "Prediction") -> dict[str, str]:
    """Probabilities with nine significant digits, as in outputs/predictions.csv."""
    return {name: f"{p:.9g}" for name, p in prediction.probabilities.items()}


FORMATS = {"table": _table, "csv": _csv, "json": _json}


def _share(text: str) -> float:
    """Parse a number above 0 and below 1."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and below 1, not {text}")
    return share


def named_files(names: Sequence[str], listed: Iterable[str]) -> Iterator[str]:
    """Expand names into files; - stands for the listed paths."""
    for name in names:
        if name == "-":
            yield from (path for line in listed for path in _below(line))
        else:
            yield from _below(name)


def _lines(file: BufferedReader, end: bytes) -> Iterator[str]:
    """The lines of a list that may not fit into memory."""
    rest = b""
    while block := file.readline() if end == b"\n" else file.read1(2**16):
        *lines, rest = (rest + block).split(end)
        yield from (os.fsdecode(line) for line in lines if line)
    if rest:
        yield os.fsdecode(rest)


def folder_files(folder: Path) -> list[str]:
    """The files of a folder and of its shards, sorted, without those that split calls hidden."""
    return _seen(folder, list_photographs(folder, classes=False))


def _seen(folder: Path, listed: Listed) -> list[str]:
    below = map(Path, listed.paths)
    return [str(folder / file) for file in below if not any(map(is_hidden, file.parts))]


def _below(name: str) -> Iterator[str]:
    """The files of a folder, shard or pattern, without those in folders that split calls hidden."""
    path = Path(name)
    if name and is_folder(path) and os.access(path, os.R_OK | os.X_OK):
        yield from folder_files(path)
    elif is_shard(name) and path.is_file():
        yield from _seen(path.parent, with_shards(path.parent, [path.name], classes=False))
    elif glob.has_magic(name) and not os.path.lexists(name):
        # Path.glob does not accept absolute patterns.
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207
        if "**" in name:  # matches folders and their contents
            found = [file for file in found if not is_folder(Path(file))]
        yield from (file for match in found for file in _below(match)) if found else [name]
    else:
        yield name
