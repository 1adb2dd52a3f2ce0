"""Reads classes, subsets and groups from a table, in place of class folders."""

import posixpath
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ballast.core.errors import UserError, counted
from ballast.core.manifest import Subset
from ballast.core.params import Labels
from ballast.dataset.exclusion import IGNORED, excluded
from ballast.dataset.layout import Layout, Place
from ballast.dataset.listing import is_folder_name, printable
from ballast.dataset.set_names import subset_of
from ballast.dataset.shards import list_photographs
from ballast.dataset.tables import CLASS, JSON_LINES, SUFFIXES, Table, read_table

# Usual names of columns, in small letters and with _ between words.
FILE = (
    "file_name", "filename", "file", "file_path", "filepath", "path", "image", "image_name",
    "image_file", "image_path", "img", "img_name", "img_path", "image_id", "img_id", "isic_id",
    "photo", "photo_id", "id_code", "id",
)  # fmt: skip
SPLIT = ("split", "set", "subset", "partition", "data_split")
GROUP = (
    "group", "group_id", "patient", "patient_id", "lesion", "lesion_id", "subject", "subject_id",
)  # fmt: skip
BITS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
# Files that lie beside photographs of the same name, and need no row.
NO_PHOTOGRAPHS = {
    "", ".csv", ".html", ".json", ".jsonl", ".md", ".ndjson", ".npy", ".pdf", ".py", ".tsv", ".txt",
    ".xml", ".yaml", ".yml",
}  # fmt: skip
EXAMPLES = 5  # of each kind, in the report
# Of tables that nobody has named.
MOST_BYTES = 2**26
MOST_TABLES = 20


class Labelled(NamedTuple):
    """What a table says of the files in a folder."""

    layout: Layout
    groups: dict[str, str]  # by path; without those that have none
    report: dict[str, Any]


class _Columns(NamedTuple):
    """What the columns of a table are."""

    file: str
    classes: list[str]  # one that has the labels, or one per class with 0 and 1
    split: str | None
    group: str | None


class _Names(NamedTuple):
    """Files by the names that a table may give them."""

    paths: set[str]
    # Each path backwards with a / around it, and the path; sorted, so that those with one end are
    # beside each other: a million photographs in shards may share a thousand names.
    whole: list[tuple[str, str]]
    stems: list[tuple[str, str]]  # the same without suffixes, of what may be photographs


class _Files(NamedTuple):
    """The files that a table may name."""

    folder: str  # of the table, relative to data.raw
    photos: _Names
    left_out: _Names  # by their paths


class _Found(NamedTuple):
    """What the rows of all tables say."""

    labels: dict[str, list[str]]  # classes by path
    subsets: dict[str, Subset]
    groups: dict[str, str]
    unclear: dict[str, str]  # of files that one row could mean, the other one
    rows: dict[str, int]  # by table
    columns: dict[str, _Columns]  # by table
    no_file: list[str]  # rows
    left_out: list[str]  # rows that name files that are left out by their paths
    seen: set[str]  # labels, of all rows


def read_labels(raw: Path, wanted: Labels, exclude: Sequence[str] = ()) -> Labelled:
    """Take classes, subsets and groups from a table, or from several in folders of their own.

    A row names a file by its path relative to the table or to any folder below data.raw, with or
    without its suffix. Of several tables, each names only files below its own folder. The subset is
    that of the split column or, without one, of a table's folder, or its own name: train.csv.

    Args:
        raw: data.raw.
        wanted: data.labels of the params.
        exclude: patterns of files to leave out, as in .gitignore.

    Raises:
        UserError: if the folder or a table cannot be read, or it is unclear what a column means.
    """
    listed = list_photographs(raw, classes=False)  # the table tells them
    reasons = {**listed.reasons, **excluded(raw, listed.paths, exclude)}
    found = _labelled(raw, listed.paths, reasons, wanted)
    return found._replace(layout=found.layout._replace(listed=listed))


def unused_table(
    raw: Path, layout: Layout, exclude: Sequence[str], besides: str | None
) -> str | None:
    """Find a table that has other classes than the folders, and that data.labels should name.

    Args:
        raw: data.raw.
        layout: of its folders.
        exclude: patterns of files to leave out, as in .gitignore.
        besides: a table that has another purpose.

    Returns:
        A value for data.labels; None if there is no such table.
    """
    paths = [*layout.places]
    tables = [path for path in paths if path.casefold().endswith(SUFFIXES) and path.count("/") < 2]
    reasons = excluded(raw, paths, exclude) if tables else {}
    tables = [path for path in tables if path not in reasons]
    names = []
    # Many tables are files that go with single photographs.
    for path in {*tables} - {besides} if len(tables) <= MOST_TABLES else ():
        try:
            if (raw / path).stat().st_size > MOST_BYTES:
                continue
            found = _labelled(raw, paths, reasons, Labels(table=path))
        except (OSError, UserError):
            continue
        if _differs(layout.places, found.layout.places):
            names.append(path)
    names.sort()
    for path in names:
        last = path.split("/")[-1]
        if sum(name.endswith(f"/{last}") for name in names) > 1:
            return f"*/{last}"
    return names[0] if names else None


def _labelled(
    raw: Path, paths: Sequence[str], reasons: Mapping[str, str], wanted: Labels
) -> Labelled:
    """Do what read_labels does, for a folder that has been listed.

    Args:
        raw: data.raw.
        paths: the files in it.
        reasons: why files are left out by their paths.
        wanted: data.labels of the params.
    """
    names = _tables(raw, paths, reasons, wanted.table)
    # Names that are not UTF-8 are rejected, and no report can hold them.
    files = [path for path in paths if printable(path) == path and path not in names]
    photos = [path for path in files if path not in reasons]
    left_out = [path for path in files if path in reasons]
    found = _Found({}, {}, {}, {}, {}, {}, [], [], set())
    for table in [read_table(raw, name) for name in names]:
        named = _files(table.path, photos, left_out, alone=len(names) == 1)
        found.rows[table.path] = len(table.records)
        if table.records:
            columns = _columns(table, wanted, named)
            found.columns[table.path] = columns
            given = _subset_of_table(table.path, alone=len(names) == 1)
            _read(table, columns, wanted.names, named, given, found)
    shown = str(raw / wanted.table)
    if not (found.labels or found.left_out):
        example = f", for example {found.no_file[0]}" if found.no_file else ""
        raise UserError(
            f"{shown}: no row names a file{example}; paths must be relative to the table or to a"
            f" folder below {raw}"
        )
    for label in wanted.names:
        if label not in found.seen:
            raise UserError(f"params.yaml: data.labels.names: {label} is no label of {shown}")
    places = {
        path: "table for data.labels"
        if path in names
        else reasons.get(path) or _place(path, wanted.table, found)
        for path in paths
    }
    return Labelled(Layout(places, []), found.groups, _report(photos, found))


def _differs(folders: Mapping[str, Place | str], table: Mapping[str, Place | str]) -> bool:
    """Whether a table has files outside of class folders, or two classes in one folder."""
    classes: dict[str, str] = {}
    for path, place in table.items():
        folder = folders[path]
        if not isinstance(place, Place):
            continue
        if not isinstance(folder, Place):
            return True
        if classes.setdefault(folder.class_, place.class_) != place.class_:
            return True
    return False


def _tables(raw: Path, paths: Sequence[str], reasons: Mapping[str, str], wanted: str) -> list[str]:
    """The tables that data.labels names, or that match its pattern and are not left out."""
    if wanted in paths and reasons.get(wanted) != IGNORED:
        return [wanted]
    matching = (
        [wanted]
        if wanted in paths
        else [
            path
            for path in paths
            if path.count("/") == wanted.count("/") and PurePosixPath(path).match(wanted)
        ]
    )
    found = [path for path in matching if path not in reasons]
    if found:
        return found
    if matching:
        raise UserError(
            f"params.yaml: data.labels: {matching[0]} is left out: {reasons[matching[0]]}"
        )
    raise UserError(f"params.yaml: data.labels: {wanted}: no such file in {raw}")


def _files(table: str, photos: Sequence[str], left_out: Sequence[str], *, alone: bool) -> _Files:
    """Look up the files that a table may name."""
    folder = posixpath.dirname(table)
    below = f"{folder}/" if folder and not alone else ""
    return _Files(folder, _names(photos, below), _names(left_out, below))


def _names(paths: Sequence[str], below: str) -> _Names:
    """Look up the files whose paths begin with the folder `below`."""
    found = [path for path in paths if path.startswith(below)]
    stems = [
        (_backwards(stem), path)
        for path in found
        for stem, suffix in [posixpath.splitext(path)]
        if suffix.casefold() not in NO_PHOTOGRAPHS
    ]
    return _Names({*found}, sorted((_backwards(path), path) for path in found), sorted(stems))


def _backwards(path: str) -> str:
    return f"/{path}"[::-1]


def _ending(paths: Sequence[tuple[str, str]], end: str) -> list[str]:
    """Those of the sorted paths that end with some text, from a list of _Names."""
    wanted = end[::-1]
    first = bisect_left(paths, (wanted,))
    there = map(paths.__getitem__, range(first, len(paths)))
    return sorted(path for _, path in takewhile(lambda of: of[0].startswith(wanted), there))


def _named(files: _Files, cell: str) -> list[str]:
    """The files that a cell could mean, sorted; none is certain if there are several.

    A path from the table comes first; else, a file that is left out is meant only if no other is.
    """
    if not cell:
        return []
    kinds = (files.photos, files.left_out)
    if not any(cell in names.paths for names in kinds):
        cell = cell.replace("\\", "/")
    whole = posixpath.normpath(posixpath.join(files.folder, cell))
    for meant, said in ((_at, whole), (_below, cell)):
        for names in kinds:
            found = meant(names, said)
            if found:
                return found
    return []


def _at(names: _Names, whole: str) -> list[str]:
    """The files with this path, or else with this path and any suffix."""
    if whole in names.paths:
        return [whole]
    stems = _ending(names.stems, f"/{whole}")
    return [path for path in stems if posixpath.splitext(path)[0] == whole]


def _below(names: _Names, cell: str) -> list[str]:
    """The files with this path below any folder, or else with this path and any suffix."""
    below = f"/{cell.removeprefix('./')}"
    return _ending(names.whole, below) or _ending(names.stems, below)


def _columns(table: Table, wanted: Labels, files: _Files) -> _Columns:
    """Find out what the columns of a table are, by params, names and content."""
    split = _chosen(table, "split", wanted.split, _usual(table, SPLIT, _is_subsets))
    group = _chosen(table, "group", wanted.group, _usual(table, GROUP))
    named = [column for column in _usual(table, FILE) if _names_files(table, column, files)]
    # Two columns that mean the same files, such as image_id and file_name, are no question.
    means = [[_named(files, of.cells[column] or "") for of in table.records] for column in named]
    distinct = [column for column, *found in zip(named, means, strict=True) if found[0] != means[0]]
    file = _chosen(table, "file", wanted.file, [*named[:1], *distinct])
    if not file:
        usual = _usual(table, FILE)
        if usual:
            first = table.records[0]
            raise UserError(
                f"{table.name}: no row names a file, for example line {first.line}:"
                f" {first.cells[usual[0]]} (column {usual[0]}); paths must be relative to the table"
                f" or to a folder below data.raw"
            )
        headed = table.path.casefold().endswith(JSON_LINES)
        raise UserError(
            f"{table.name}: no column has a usual name for files; name one:"
            f" {_cure(table, 'file', table.columns)}"
            + ("" if headed else "; if its first line is no header, put one above it: path,label")
        )
    chosen = {file, split, group}
    others = [column for column in _usual(table, CLASS) if column not in chosen]
    of_labels = _chosen(table, "class", wanted.class_, others)
    classes = [of_labels] if of_labels else _one_hot(table, {*chosen, *_usual(table, FILE + GROUP)})
    if not classes:
        columns = [column for column in table.columns if column not in chosen]
        raise UserError(
            f"{table.name}: no column has a usual name for classes, and the others are not all 0"
            f" and 1; name one: {_cure(table, 'class', columns)}"
        )
    return _Columns(file, classes, split, group)


def _chosen(table: Table, role: str, wanted: str | None, usual: Sequence[str]) -> str | None:
    """The column of a role: the one that the params name, or else the only usual one."""
    if wanted:
        if wanted not in table.columns:
            raise UserError(
                f"params.yaml: data.labels.{role}: {wanted} is no column of {table.name}; its"
                f" columns are {', '.join(table.columns)}"
            )
        return wanted
    if len(usual) > 1:
        raise UserError(
            f"{table.name}: columns {usual[0]} and {usual[1]} could both be the {role}; name one:"
            f" {_cure(table, role, usual)}"
        )
    return usual[0] if usual else None


def _cure(table: Table, role: str, columns: Sequence[str]) -> str:
    return f"data.labels: {{table: {table.path}, {role}: {' or '.join(columns)}}} in params.yaml"


def _usual(
    table: Table,
    names: Sequence[str],
    fits: Callable[[Table, str], bool] = lambda *_: True,
) -> list[str]:
    """The columns that have one of these names, in the order of the names."""
    order = {name: place for place, name in enumerate(names)}
    plain = {
        column: column.casefold().replace(" ", "_").replace("-", "_") for column in table.columns
    }
    found = [column for column in table.columns if plain[column] in order and fits(table, column)]
    return sorted(found, key=lambda column: order[plain[column]])


def _is_subsets(table: Table, column: str) -> bool:
    cells = {record.cells[column] for record in table.records} - {""}
    return bool(cells) and all(subset_of(cell or "") for cell in cells)


def _names_files(table: Table, column: str, files: _Files) -> bool:
    return any(_named(files, record.cells[column] or "") for record in table.records)


def _one_hot(table: Table, others: Iterable[str | None]) -> list[str]:
    """The columns of 0 and 1, one per class; none if a column has another value."""
    columns = [column for column in table.columns if column not in {*others}]
    cells = (of.cells[column] for of in table.records for column in columns)
    is_bits = all((cell or "").casefold() in BITS for cell in cells)
    return columns if len(columns) > 1 and is_bits else []


def _subset_of_table(path: str, *, alone: bool) -> Subset | None:
    """The subset that a table's folder or, of several tables, its own name stands for."""
    folders, name = posixpath.split(path)
    parts = [*folders.split("/"), "" if alone else posixpath.splitext(name)[0]]
    return next((subset for part in parts if (subset := subset_of(part))), None)


def _read(
    table: Table,
    columns: _Columns,
    names: Mapping[str, str],
    files: _Files,
    given: Subset | None,
    found: _Found,
) -> None:
    """Add what the rows of a table say to what is found."""
    for line, cells in table.records:
        where = f"{table.name}: line {line}"
        for column in (columns.file, *columns.classes, columns.split, columns.group):
            if column and cells[column] is None:
                raise UserError(f"{where}: {column}: must be text or a number")
        cell = cells[columns.file] or ""
        paths, labels = _named(files, cell), _labels(cells, columns)
        found.seen.update(labels)
        if paths and paths[0] in files.left_out.paths:
            found.left_out.append(f"{table.path}: line {line}: {cell}")
            continue
        if len(paths) != 1:
            found.no_file.append(f"{table.path}: line {line}: {cell or 'no name'}")
            found.unclear.update({path: paths[path == paths[0]] for path in paths})
            continue
        (path,) = paths
        classes = found.labels.setdefault(path, [])
        for label in labels:
            name = names.get(label, label)
            _refuse_as_folder(name, where)
            if name not in classes:
                classes.append(name)
        subset = _subset(cells, columns.split, where) or given
        if subset and found.subsets.setdefault(path, subset) != subset:
            raise UserError(f"{where}: {path} is in {found.subsets[path]} and in {subset}")
        group = cells[columns.group] if columns.group else None
        if group and found.groups.setdefault(path, group) != group:
            raise UserError(f"{where}: {path} has two groups")


def _labels(cells: Mapping[str, str | None], columns: _Columns) -> list[str]:
    """The labels of a row, none or several of which may be given."""
    if len(columns.classes) == 1:
        label = cells[columns.classes[0]]
        return [label] if label else []
    return [name for name in columns.classes if BITS[(cells[name] or "").casefold()]]


def _subset(cells: Mapping[str, str | None], column: str | None, where: str) -> Subset | None:
    cell = (cells[column] or "") if column else ""
    subset = subset_of(cell)
    if cell and not subset:
        raise UserError(f"{where}: {column}: must be train, val or test, not {cell}")
    return subset


def _refuse_as_folder(name: str, where: str) -> None:
    """Refuse a class that no folder can be called."""
    if not is_folder_name(name):
        raise UserError(
            f"{where}: {name[:80]} cannot be the name of a folder, which each class needs; give it"
            " another in data.labels.names in params.yaml"
        )


def _place(path: str, wanted: str, found: _Found) -> Place | str:
    labels = found.labels.get(path)
    if labels is None:
        other = found.unclear.get(path)
        return f"one row means it or {other} (data.labels)" if other else f"not in {wanted}"
    if not labels:
        return f"no label in {wanted}"
    if len(labels) > 1:
        return f"two labels in {wanted}: {' and '.join(sorted(labels))}"
    return Place(labels[0], found.subsets.get(path))


def _report(photos: Sequence[str], found: _Found) -> dict[str, Any]:
    """The part of the data report that is about the tables."""
    without_row = [
        path
        for path in photos
        if path not in found.labels
        and path not in found.unclear
        and PurePosixPath(path).suffix.casefold() not in NO_PHOTOGRAPHS
    ]
    kinds = {
        "rows_without_file": found.no_file,
        "rows_of_excluded_files": found.left_out,
        "files_without_row": without_row,
        "files_without_label": sorted(path for path, of in found.labels.items() if not of),
        "files_with_two_labels": sorted(path for path, of in found.labels.items() if len(of) > 1),
        "files_meant_by_one_row": sorted({*found.unclear} - found.labels.keys()),
    }
    return {
        "tables": [
            {"table": table, "rows": rows, **_roles(found.columns.get(table))}
            for table, rows in found.rows.items()
        ],
        "files": len(found.labels),
        **{kind: {"count": len(of), "examples": of[:EXAMPLES]} for kind, of in kinds.items()},
    }


def _roles(columns: _Columns | None) -> dict[str, Any]:
    if columns is None:
        return {}
    classes = columns.classes
    return {
        "file": columns.file,
        "class": classes[0] if len(classes) == 1 else classes,
        "split": columns.split,
        "group": columns.group,
    }


def label_warnings(report: Mapping[str, Any]) -> list[str]:
    """The warnings that the part of a data report about tables gives rise to."""
    kinds = {
        "rows_without_file": ("row", "of data.labels without a file in data.raw"),
        "files_without_row": ("file", "left out, without a row of data.labels"),
        "files_without_label": ("file", "left out, without a label in data.labels"),
        "files_with_two_labels": ("file", "left out, with two labels in data.labels"),
        "files_meant_by_one_row": ("file", "left out, because a row of data.labels means two"),
    }
    return [
        f"{counted(report[kind]['count'], noun)} {words}, for example"
        f" {report[kind]['examples'][0]} (outputs/data_report.json: labels)"
        for kind, (noun, words) in kinds.items()
        if report and report[kind]["count"]
    ]
