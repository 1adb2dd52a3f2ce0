"""Turns a folder of photographs into a manifest: inspects, groups and splits them."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from joblib import cpu_count

from ballast.core.errors import UserError
from ballast.core.files import read_text
from ballast.core.greys import range_of_all, share_used
from ballast.core.manifest import Row
from ballast.core.params import Params
from ballast.dataset.folds import split_photos
from ballast.dataset.groups import (
    copy_sets,
    join_keys,
    keys_by_pattern,
    keys_by_table,
    with_twins,
)
from ballast.dataset.layout import Layout, empty_class_folders, folder_layout
from ballast.dataset.leakage import Member, to_drop
from ballast.dataset.listing import file_states, refuse_changes, unreadable
from ballast.dataset.report import data_report
from ballast.dataset.scan import (
    Photo,
    Rejection,
    check_classes,
    inspect_files,
    sort_out,
)
from ballast.dataset.scan_cache import read_inspections, trusted, unchanged, write_inspections
from ballast.workers.processes import Engine
from ballast.workers.progress import with_progress
from ballast.workers.versions import code_versions


def split_folder(
    raw: Path, params: Params, inspections: Path
) -> tuple[list[Row], list[Rejection], dict[str, Any]]:
    """Split a folder; return the rows of the manifest, the rejections and the data report."""
    split = params.split
    layout = folder_layout(raw)
    photos, twins, rejections = sort_out(inspect_all(raw, layout, params, inspections))
    check_classes(raw, photos, rejections)
    files = [photo.path for photo in (*photos, *(photo for photo, _ in twins))]
    files += [rejection.path for rejection in rejections]
    members = find_groups(raw, params, photos, twins, files)
    dropped = to_drop(members, split.label_conflicts, split.leakage)
    empty = empty_class_folders(raw, layout, [photo.class_ for photo in photos])
    report = data_report(members, twins, rejections, dropped, empty)

    left_out = {path for path, _ in dropped}
    kept = [member for member in members if member.photo.path not in left_out]
    photos, groups = [member.photo for member in kept], [member.group for member in kept]
    report |= grey_report(photos, params)
    same = [Rejection(photo.path, f"same bytes as {original.path}") for photo, original in twins]
    rejections = sorted([*rejections, *same, *dropped])
    check_classes(raw, photos, rejections)
    val = validation_share(params)
    rows = split_photos(photos, groups, split.folds, split.fold, val, params.seed)
    return rows, rejections, report


def grey_report(photos: Sequence[Photo], params: Params) -> dict[str, Any]:
    """What the data report says of deep greys; nothing but nulls if there are none.

    Returns:
        `range`: the smallest and the largest value of all; `range_set`: data.range, or else what
        was found; `range_used`: the share of that which half of the photographs use at most.
    """
    used = [photo.greys for photo in photos if photo.greys]
    found = range_of_all(used)
    wanted = params.data.greys or found
    share = share_used(used, wanted) if used and wanted else None
    return {"range": found, "range_set": wanted, "range_used": share}


def validation_share(params: Params) -> float:
    """The share of photographs to draw for validation: none where nothing is stopped early."""
    return 0.0 if params.train.has_linear_head else params.split.val


def inspect_all(
    raw: Path, layout: Layout, params: Params, inspections: Path
) -> list[Photo | Rejection]:
    """Inspect all files, reusing cached results; refuse files that change meanwhile."""
    places = layout.places
    before = file_states(raw, [*places])
    runtime, hashes = params.runtime, params.split.near_duplicates is not None
    engine = Engine(runtime.workers or cpu_count(), runtime.engine, runtime.scheduler)
    megapixels = params.data.max_megapixels
    origin = {"raw": str(raw), "max_megapixels": megapixels, "hashes": hashes, **code_versions()}
    kept = read_inspections(inspections, origin)
    inspected = inspect_files(
        raw, places, megapixels, engine, hashes=hashes, known=unchanged(kept, before)
    )
    results = list(with_progress(inspected, len(places), "photographs"))
    moment = time.time_ns()
    refuse_changes(raw, before)
    fresh = trusted(before, places, results, moment)
    if fresh != kept:
        write_inspections(inspections, origin, fresh)
    table = params.split.group
    return [
        Rejection(result.path, "table for split.group") if result.path == table else result
        for result in results
    ]


def find_groups(
    raw: Path,
    params: Params,
    photos: Sequence[Photo],
    twins: Sequence[tuple[Photo, Photo]],
    files: Collection[str],
) -> list[Member]:
    """Group photographs that belong together: near duplicates, and those with one split.group."""
    copies, bits = copy_sets(photos, params.split.near_duplicates)
    # A photograph also belongs to the groups of its identical copies that were left out.
    paths = [*(photo.path for photo in photos), *(photo.path for photo, _ in twins)]
    sets, group = with_twins(copies, photos, twins), params.split.group
    if group and group.endswith(".csv"):
        problem = unreadable(raw / group)
        if problem:
            raise UserError(
                f"params.yaml: split.group: {group}: not a readable file in {raw}: {problem}"
            )
        sets = join_keys(
            sets, keys_by_table(str(raw / group), read_text(raw / group), paths, files)
        )
    elif group:
        sets = join_keys(sets, keys_by_pattern(group, paths))
    columns = (photos, copies.tolist(), bits.tolist(), sets[: len(photos)].tolist())
    return [Member(*values) for values in zip(*columns, strict=True)]
