"""Turns a folder of photographs into a manifest: inspects, groups and splits them."""

import time
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from ballast.core import paths
from ballast.core.errors import UserError
from ballast.core.files import read_text
from ballast.core.greys import range_of_all, share_used
from ballast.core.manifest import Row
from ballast.core.params import Params
from ballast.dataset.checks import check_classes
from ballast.dataset.duplicates import Copies, HashTable, merge
from ballast.dataset.exclusion import unmatched
from ballast.dataset.folds import most_folds, split_photos
from ballast.dataset.groups import (
    copy_sets,
    join_keys,
    keys_by_pattern,
    keys_by_table,
    mirrored_classes,
    with_twins,
)
from ballast.dataset.labels import read_labels, unused_table
from ballast.dataset.layout import Layout, Place, empty_class_folders, folder_layout
from ballast.dataset.leakage import Member, to_drop
from ballast.dataset.listing import file_states, list_files, refuse_changes, unreadable
from ballast.dataset.losses import class_losses
from ballast.dataset.report import data_report
from ballast.dataset.scan import Content, Photo, Rejection, inspect_files, sort_out
from ballast.dataset.scan_cache import (
    Inspection,
    read_inspections,
    trusted,
    unchanged,
    write_inspections,
)
from ballast.dataset.shards import states_of
from ballast.workers.processes import engine_of
from ballast.workers.progress import with_progress
from ballast.workers.versions import code_versions


class Scan(NamedTuple):
    """What is in a folder, before photographs are grouped."""

    layout: Layout
    photos: list[Photo]
    twins: list[tuple[Photo, Photo]]  # those left out as identical to another, each with that one
    rejections: list[Rejection]
    copies: Copies  # among the photographs
    groups: Mapping[str, str] = {}  # by path, as a table says
    tables: Mapping[str, Any] = {}  # what the data report says of tables

    @property
    def left_out(self) -> list[Rejection]:
        """All files that are not among the photographs, sorted by path."""
        same = [Rejection(photo.path, f"same bytes as {kept.path}") for photo, kept in self.twins]
        return sorted([*self.rejections, *same])


class Grouped(NamedTuple):
    """The photographs that are left, and what was found about all."""

    members: list[Member]
    left_out: list[Rejection]
    report: dict[str, Any]


def split_folder(
    raw: Path, params: Params, inspections: Path
) -> tuple[list[Row], list[Rejection], dict[str, Any]]:
    """Split a folder; return the rows of the manifest, the rejections and the data report."""
    scan = scan_folder(raw, params, inspections)
    grouped = group_photographs(raw, params, scan)
    return split_groups(raw, params, scan, grouped), grouped.left_out, grouped.report


def scan_folder(raw: Path, params: Params, inspections: Path) -> Scan:
    """Read classes and subsets from folders, or from the table of data.labels; read all files."""
    wanted, exclude = params.data.label_table, params.data.exclude
    groups: Mapping[str, str] = {}
    report: dict[str, Any] = {}
    if wanted:
        layout, groups, report["labels"] = read_labels(raw, wanted, exclude)
    else:
        layout, unused = read_folders(raw, exclude, params.split.group)
        report |= {"unused_table": unused} if unused else {}
    results, hashes = inspect_all(raw, layout, params, inspections)
    photos, twins, rejections = sort_out(results)
    max_bits, cache = params.split.near_duplicates, inspections.with_name("copies.bin")
    copies = copy_sets(photos, hashes, max_bits, params.augment.flip, cache)
    return Scan(layout, photos, twins, rejections, copies, groups, report)


def read_folders(
    raw: Path, exclude: Sequence[str], groups: str | None
) -> tuple[Layout, str | None]:
    """Read the layout of the folders, and find a table that has other classes than they.

    Raises:
        UserError: like folder_layout, but with the name of such a table.
    """
    try:
        layout = folder_layout(raw, exclude)
    except UserError as error:
        none = Layout(dict.fromkeys(list_files(raw), str(error)), [])
        unused = unused_table(raw, none, exclude, groups)
        if not unused:
            raise
        raise UserError(f"{error}; or set data.labels: {unused}") from None
    return layout, unused_table(raw, layout, exclude, groups)


def group_photographs(raw: Path, params: Params, scan: Scan) -> Grouped:
    """Group photographs and drop those that a policy leaves out; report on all.

    Raises:
        UserError: if no classifier can be trained on them, or split.group is wrong.
    """
    layout, photos, twins, rejections, copies, groups, tables = scan
    unused, exclude = tables.get("unused_table"), params.data.exclude
    hint = f"; or set data.labels: {unused}" if unused else ""
    check_classes(raw, photos, scan.left_out, layout, hint)
    files = [photo.path for photo in (*photos, *(photo for photo, _ in twins))]
    files += [rejection.path for rejection in rejections]
    members = find_groups(raw, params, photos, twins, files, groups, copies)
    dropped = to_drop(members, params.split.label_conflicts, params.split.leakage)
    empty = empty_class_folders(raw, layout, [photo.class_ for photo in photos])
    losses = class_losses(layout, rejections)
    report = data_report(members, twins, rejections, dropped, empty, losses)
    report["unmatched_exclude"] = unmatched([*layout.places], exclude)
    flip = params.augment.flip
    mirrored = mirrored_classes(photos, copies, flip)
    if mirrored:
        report["mirrored_classes"] = {"flip": flip, "pairs": mirrored}
    paths = {path for path, _ in dropped}
    kept = [member for member in members if member.photo.path not in paths]
    greys = grey_report([member.photo for member in kept], params)
    return Grouped(kept, sorted([*scan.left_out, *dropped]), {**report, **greys, **tables})


def split_groups(raw: Path, params: Params, scan: Scan, grouped: Grouped) -> list[Row]:
    """Split grouped photographs; return the rows of the manifest.

    Raises:
        UserError: if no classifier can be trained on those that are left.
    """
    photos = [member.photo for member in grouped.members]
    check_classes(raw, photos, grouped.left_out, scan.layout)
    split, val = params.split, validation_share(params)
    groups = [member.group for member in grouped.members]
    return split_photos(photos, groups, split.folds, split.fold, val, params.seed)


def refuse_idle_folds(
    raw: Path, key: str, folds: int, rows: Sequence[Row], seeds: Iterable[int]
) -> None:
    """Refuse more folds than can test something.

    Args:
        raw: the folder of photographs.
        key: where the number of folds was given.
        folds: 2 or more.
        rows: rows of the manifest that are dealt out.
        seeds: with which they are.

    Raises:
        UserError: with the largest number that works, if there is one.
    """
    most = min(most_folds(rows, folds, seed) for seed in seeds)
    if not most:
        raise UserError(
            f"{raw}: no test photographs: every class is too small or is one group of copies"
            f" ({paths.DATA_REPORT})"
        )
    if most < folds:
        right = "2" if most == 2 else f"2 to {most}"
        raise UserError(
            f"{key}: must be {right} for these photographs, not {folds}, since a fold would test"
            f" none: a class is tested in at most as many folds as it has groups"
            f" ({paths.DATA_REPORT})"
        )


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
) -> tuple[list[Photo | Rejection], HashTable]:
    """Inspect all files, reusing cached results; refuse files that change meanwhile.

    Returns:
        What each file is, and the perceptual hashes, if split.near_duplicates needs them.
    """
    places, listed = layout.places, layout.listed
    before = file_states(raw, listed.files)
    for path, state in listed.shards.items():  # they may have changed since they were listed
        before[bisect_left(listed.files, path)] = state
    states = states_of(before, listed)
    hashed = params.split.near_duplicates is not None
    hashes = HashTable(inspections.parent)
    engine = engine_of(params.runtime)
    megapixels = params.data.max_megapixels
    origin = {"raw": str(raw), "max_megapixels": megapixels, "hashes": hashed, **code_versions()}
    reused = 0

    def known(kept: Iterable[tuple[str, Inspection]]) -> Iterator[Content | None]:
        nonlocal reused
        for content in unchanged(kept, places, states):
            reused += content is not None
            yield content

    with closing(read_inspections(inspections, origin)) as kept:
        inspected = inspect_files(
            raw,
            places,
            megapixels,
            engine,
            hashes if hashed else None,
            known(kept),
            listed.unpacked,
        )
        results = list(with_progress(inspected, len(places), "photographs"))
    moment = time.time_ns()
    refuse_changes(raw, listed.files, before)
    if reused < sum(isinstance(place, Place) for place in places.values()):
        fresh = trusted(states, places, results, hashes.rows(), moment)
        write_inspections(inspections, origin, fresh)
    if params.split.group in places:
        place = [*places].index(params.split.group)
        results[place] = Rejection(results[place].path, "table for split.group")
    return results, hashes


def find_groups(
    raw: Path,
    params: Params,
    photos: Sequence[Photo],
    twins: Sequence[tuple[Photo, Photo]],
    files: Collection[str],
    labelled: Mapping[str, str],
    copies: Copies,
) -> list[Member]:
    """Group photographs that belong together: near duplicates, and those of one group.

    Groups come from split.group and from the table of data.labels (`labelled`, by path). Mirror
    images in two classes show the same, so they are a group even where they are no copies.
    """
    # A photograph also belongs to the groups of its identical copies that were left out.
    paths = [*(photo.path for photo in photos), *(photo.path for photo, _ in twins)]
    related = merge(copies.sets, copies.mirrors[:, 0], copies.mirrors[:, 1])
    sets, group = with_twins(related, photos, twins), params.split.group
    if group and group.endswith(".csv"):
        problem = unreadable(raw / group)
        if problem == "gone":
            raise UserError(f"params.yaml: split.group: {group}: no such file in {raw}")
        if problem:
            raise UserError(
                f"params.yaml: split.group: {group}: not a readable file in {raw}: {problem}"
            )
        sets = join_keys(
            sets, keys_by_table(str(raw / group), read_text(raw / group), paths, files)
        )
    elif group:
        sets = join_keys(sets, keys_by_pattern(group, paths))
    sets = join_keys(sets, [labelled.get(path) for path in paths])
    columns = (photos, copies.sets.tolist(), copies.bits.tolist(), sets[: len(photos)].tolist())
    return [Member(*values) for values in zip(*columns, strict=True)]
