"""Find the training photographs that are most like a photograph, as the backbone sees them.

Run it in the project that trained the model: it reads params.yaml, data/manifest.csv and features
that earlier runs have kept. If a photograph is one of the project's, it says which, and leaves out
its group: itself, its copies and its series. Distances are 1 - cosine of the features: 0 for equal
features, and mostly 0.3 to 0.9 between photographs.

Example:
    ballast nearest rex.jpg --count 5
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from ballast.core import paths
from ballast.core.errors import UserError, one_line
from ballast.core.files import csv_lines, read_text
from ballast.core.greys import Range, read_range
from ballast.core.images import ImageError, inspect_image
from ballast.core.manifest import Row, class_names, image_reader, read_manifest, subset_rows
from ballast.core.params import Params, parse_params
from ballast.core.shards import Finder, read_file, shard_finder
from ballast.core.store import ContentStore
from ballast.dataset.listing import about, printable, unread_path
from ballast.insight.nearest import nearest
from ballast.model.features import image_features, read_backbone
from ballast.model.inputs import ImageFiles, image_files
from ballast.workers.processes import engine_of

COLUMNS = ("photograph", "is", "nearest", "class", "split", "distance")


class Neighbour(NamedTuple):
    """One of the photographs that are nearest to another."""

    row: Row
    distance: float  # 1 - cosine of the features


class Neighbours(NamedTuple):
    """What was found for one photograph."""

    path: str  # as it was given
    itself: Row | None  # the row of the manifest with the same bytes
    nearest: list[Neighbour]  # the nearest first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument("photographs", nargs="+", metavar="PHOTO", help="image file")
    parser.add_argument(
        "--count",
        type=int,
        default=3,
        metavar="N",
        help="number of training photographs for each; default: %(default)s",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="search the photographs for validation and test, too",
    )
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="output format; json is one object per photograph and line; default: %(default)s",
    )


def run(options: argparse.Namespace) -> int:
    """Print what is nearest to each of the given photographs; return the exit code."""
    if options.count < 1:
        raise UserError(f"--count: {options.count}: give 1 or more")
    params = parse_params(read_text(paths.PARAMS))
    rows = read_manifest(paths.MANIFEST)
    known = rows if options.all else subset_rows(rows, "train")
    found = neighbours(params, rows, known, options.photographs, options.count)
    print({"table": _table, "csv": _csv, "json": _json}[options.format](found))
    return 0


def neighbours(
    params: Params, rows: Sequence[Row], known: Sequence[Row], names: Sequence[str], count: int
) -> list[Neighbours]:
    """Find the photographs that are nearest to others.

    Args:
        params: where the photographs are, the backbone and its image size.
        rows: the manifest, in which given photographs are looked up.
        known: those of its rows that are searched; at least one.
        names: paths of the given photographs.
        count: number for each; fewer are found where no more are of another group.

    Raises:
        UserError: if a photograph cannot be read, or the params train no linear head.
    """
    settings, size = params.train, params.data.image_size
    if not settings.has_linear_head:
        raise UserError(
            f"params.yaml: train.backbone: {settings.backbone} is not frozen, so it has no features"
            " to compare; ballast nearest needs a linear head, as of efficientnet_lite0 with"
            " fine_tune_epochs 0"
        )
    find = shard_finder(Path())
    files = [_photograph(name, find, params.data.max_megapixels) for name in names]
    digests = [hashlib.sha256(data).hexdigest() for data in files]
    by_digest = {row.sha256: row for row in reversed(rows)}
    itself = [by_digest.get(digest) for digest in digests]

    greys, engine = read_range(paths.RANGE), engine_of(params.runtime)
    listed = image_files(
        image_reader(Path(params.data.raw)),
        known,
        class_names(rows),
        size,
        engine.workers,
        greys,
    )
    given = _given(files, names, size, greys)
    features_of = partial(
        image_features,
        read_backbone(settings, size, paths.KERAS_DOWNLOADS, engine.workers),
        store=ContentStore(paths.IMAGE_STORE, params.runtime.image_store),
        engine=engine,
    )
    numbers = {name: place for place, name in enumerate(sorted({row.group for row in rows}))}
    found = nearest(
        features_of(given, digests),
        features_of(listed, [row.sha256 for row in known]),
        count,
        np.array([numbers[row.group] if row else -1 for row in itself]),
        np.array([numbers[row.group] for row in known]),
    )
    return [
        Neighbours(
            name,
            row,
            [
                Neighbour(known[place], distance)
                for place, distance in zip(places, distances, strict=True)
                if np.isfinite(distance)
            ],
        )
        for name, row, places, distances in zip(
            names, itself, found.places.tolist(), found.distances.tolist(), strict=True
        )
    ]


def _photograph(name: str, find: Finder, max_megapixels: float) -> bytes:
    problem = unread_path(name)
    try:
        if problem and not find(name):
            raise UserError(about(name, problem))
        data = read_file(Path(), name, find)
    except OSError as error:
        raise UserError(about(name, error.strerror)) from None
    except ValueError as error:  # of a shard
        raise UserError(about(name, error)) from None
    try:
        inspect_image(data, max_megapixels)
    except ImageError as error:
        raise UserError(about(name, error)) from None
    return data


def _given(
    files: Sequence[bytes], names: Sequence[str], size: int, greys: Range | None
) -> ImageFiles:
    labels = np.zeros(len(files), dtype=np.int64)  # features do not depend on them
    return ImageFiles(lambda place: files[place], labels, size, 1, names, greys)


def _cells(found: Neighbours) -> list[list[str]]:
    """A row of COLUMNS for each neighbour."""
    itself = found.itself.path if found.itself else ""
    return [
        [printable(found.path), itself, row.path, row.class_, row.split, f"{distance:.4f}"]
        for row, distance in found.nearest
    ]


def _table(found: Sequence[Neighbours]) -> str:
    rows, notes = [], []
    for each in found:
        for place, (path, _, *cells) in enumerate(_cells(each)):
            rows.append(["" if place else one_line(path), *map(one_line, cells)])
        if each.itself:
            of = "training" if each.itself.split == "train" else each.itself.split
            notes.append(
                f"{printable(each.path)} is the {of} photograph {each.itself.path}; its group is"
                " left out."
            )
        if not each.nearest:
            notes.append(f"{printable(each.path)}: no photograph of another group.")
    headers = [name for name in COLUMNS if name != "is"]
    # disable_numparse: a class called 1e3 keeps its name.
    table = tabulate(rows, headers, disable_numparse=True)
    return "\n".join([table, *([""] if notes else []), *map(one_line, notes)])


def _csv(found: Sequence[Neighbours]) -> str:
    return "\n".join(csv_lines([COLUMNS, *(cells for each in found for cells in _cells(each))]))


def _json(found: Sequence[Neighbours]) -> str:
    return "\n".join(
        json.dumps(
            {
                "photograph": printable(each.path),
                "is": each.itself.path if each.itself else None,
                "nearest": [
                    {
                        "path": row.path,
                        "class": row.class_,
                        "split": row.split,
                        "distance": round(distance, 4),
                    }
                    for row, distance in each.nearest
                ],
            },
            ensure_ascii=False,
        )
        for each in found
    )
