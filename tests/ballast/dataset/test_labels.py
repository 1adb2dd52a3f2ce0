"""Tables in place of class folders: the forms that exist, and what is told of their gaps."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ballast.core.errors import UserError
from ballast.core.manifest import Row
from ballast.core.params import Labels, Params
from ballast.dataset.labels import Labelled, label_warnings, read_labels, unused_table
from ballast.dataset.layout import Layout, Place, folder_layout
from ballast.dataset.listing import list_files
from ballast.dataset.report import report_warnings
from ballast.dataset.scan import Rejection
from ballast.dataset.split import read_folders, split_folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def write(raw: Path, files: Mapping[str, str]) -> None:
    """Write text files; the content of a photograph does not matter to a table."""
    for path, text in files.items():
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).write_text(text, encoding="utf-8")


def photos(raw: Path, *paths: str) -> None:
    write(raw, dict.fromkeys(paths, "a photograph"))


def places(found: Labelled) -> dict[str, tuple[str, str | None]]:
    """Class and subset of each photograph."""
    items = found.layout.places.items()
    return {path: (place.class_, place.given) for path, place in items if isinstance(place, Place)}


def reasons(found: Labelled) -> dict[str, str]:
    return {path: of for path, of in found.layout.places.items() if isinstance(of, str)}


def test_hugging_face_s_metadata_csv_lies_in_the_folder_of_each_subset(raw: Path) -> None:
    photos(raw, "train/0001.png", "train/0002.png", "test/0001.png")
    write(raw, {
        "train/metadata.csv": "file_name,label\n0001.png,cat\n0002.png,dog\n",
        "test/metadata.csv": "file_name,label\n0001.png,dog\n",
    })  # fmt: skip
    found = read_labels(raw, Labels(table="*/metadata.csv"))
    assert places(found) == {
        "train/0001.png": ("cat", "train"),
        "train/0002.png": ("dog", "train"),
        "test/0001.png": ("dog", "test"),
    }
    assert reasons(found) == dict.fromkeys(
        ["test/metadata.csv", "train/metadata.csv"], "table for data.labels"
    )


def test_hugging_face_s_metadata_jsonl(raw: Path) -> None:
    photos(raw, "0001.png", "images/0002.png")
    rows = [
        {"file_name": "0001.png", "label": 3, "objects": {"bbox": [[1, 2, 3, 4]]}},
        {"file_name": "images/0002.png", "label": 1.10, "text": None},
    ]
    text = "\n".join(map(json.dumps, rows)).replace("1.1,", "1.10,")
    write(raw, {"metadata.jsonl": text})
    found = read_labels(raw, Labels(table="metadata.jsonl"))
    assert places(found) == {"0001.png": ("3", None), "images/0002.png": ("1.10", None)}


HAM = """lesion_id,image_id,dx,dx_type,age,sex,localization
HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp
HAM_0000118,ISIC_0025030,bkl,histo,80.0,male,scalp
HAM_0002730,ISIC_0026769,mel,histo,,male,scalp
"""


def test_ham10000_names_images_of_two_folders_without_their_suffix(raw: Path) -> None:
    first, second = "HAM10000_images_part_1", "HAM10000_images_part_2"
    photos(
        raw,
        f"{first}/ISIC_0027419.jpg",
        f"{first}/ISIC_0025030.jpg",
        f"{second}/ISIC_0026769.jpg",
    )
    write(raw, {"HAM10000_metadata.csv": HAM})
    found = read_labels(raw, Labels(table="HAM10000_metadata.csv"))
    assert places(found) == {
        f"{first}/ISIC_0025030.jpg": ("bkl", None),
        f"{first}/ISIC_0027419.jpg": ("bkl", None),
        f"{second}/ISIC_0026769.jpg": ("mel", None),
    }
    assert found.groups == {
        f"{first}/ISIC_0027419.jpg": "HAM_0000118",
        f"{first}/ISIC_0025030.jpg": "HAM_0000118",
        f"{second}/ISIC_0026769.jpg": "HAM_0002730",
    }


def test_isic_2019_has_a_column_for_each_class(raw: Path) -> None:
    photos(raw, "ISIC_2019_Training_Input/ISIC_0000000.jpg", "ISIC_2019_Training_Input/b.jpg")
    write(raw, {"truth.csv": "image,MEL,NV,UNK\nISIC_0000000,0.0,1.0,0.0\nb,1.0,0.0,0.0\n"})
    found = read_labels(raw, Labels(table="truth.csv"))
    assert [*places(found).values()] == [("NV", None), ("MEL", None)]
    assert found.report["tables"][0]["class"] == ["MEL", "NV", "UNK"]


def test_aptos_has_numbers_for_classes_which_params_may_name(raw: Path) -> None:
    photos(raw, "train_images/000c1434d8d7.png", "train_images/001639a390f0.png")
    photos(raw, "test_images/0005cfc8afb6.png")
    write(raw, {"train.csv": "id_code,diagnosis\n000c1434d8d7,2\n001639a390f0,0\n"})
    found = read_labels(raw, Labels(table="train.csv"))
    assert [*places(found).values()] == [("2", None), ("0", None)]
    assert reasons(found)["test_images/0005cfc8afb6.png"] == "not in train.csv"
    named = read_labels(raw, Labels(table="train.csv", names={"0": "no DR", "2": "moderate"}))
    assert [*places(named).values()] == [("moderate", None), ("no DR", None)]
    with pytest.raises(UserError, match=r"data\.labels\.names: 7 is no label of .*train\.csv"):
        read_labels(raw, Labels(table="train.csv", names={"7": "worst"}))


def test_roboflow_has_a_table_for_each_subset_with_spaces_after_commas(raw: Path) -> None:
    for folder in ("train", "valid", "test"):
        photos(raw, f"{folder}/a_jpg.rf.1.jpg", f"{folder}/b_jpg.rf.2.jpg")
        write(raw, {
            f"{folder}/_classes.csv":
            "filename, cat, dog\na_jpg.rf.1.jpg, 1, 0\nb_jpg.rf.2.jpg, 0, 1\n"
        })  # fmt: skip
    found = read_labels(raw, Labels(table="*/_classes.csv"))
    assert places(found)["valid/b_jpg.rf.2.jpg"] == ("dog", "val")
    assert {given for _, given in places(found).values()} == {"train", "val", "test"}


def test_an_export_of_inaturalist_names_photographs_by_observation(raw: Path) -> None:
    photos(raw, "photos/1001.jpg", "photos/1002.jpg")
    write(raw, {
        "observations-1.csv":
        "id,observed_on,image_url,scientific_name,common_name\n"
        "1001,2024-05-01,https://static.inaturalist.org/photos/9/medium.jpg,Parus major,Great Tit\n"
        '1002,2024-05-02,https://static.inaturalist.org/photos/8/medium.jpg,"Erithacus rubecula",\n'
    })  # fmt: skip
    found = read_labels(raw, Labels(table="observations-1.csv"))
    assert [class_ for class_, _ in places(found).values()] == ["Parus major", "Erithacus rubecula"]


def test_a_split_column_gives_the_subsets(raw: Path) -> None:
    photos(raw, "a.png", "b.png", "c.png", "d.png")
    write(raw, {"l.tsv": "file\tclass\tset\na.png\tx\tTrain\nb.png\ty\ttest\nc.png\tx\tvalidation\n"
                         "d.png\ty\t\n"})  # fmt: skip
    found = read_labels(raw, Labels(table="l.tsv"))
    assert [given for _, given in places(found).values()] == ["train", "test", "val", None]


def test_a_column_of_other_words_is_no_split_unless_params_say_so(raw: Path) -> None:
    photos(raw, "a.png", "b.png")
    write(raw, {"l.csv": "file,class,set\na.png,x,1\nb.png,y,2\n"})
    assert {given for _, given in places(read_labels(raw, Labels(table="l.csv"))).values()} == {
        None
    }
    with pytest.raises(UserError, match="line 2: set: must be train, val or test, not 1"):
        read_labels(raw, Labels(table="l.csv", split="set"))


def test_tables_called_train_and_test_lie_side_by_side(raw: Path) -> None:
    photos(raw, "images/a.png", "images/b.png")
    write(raw, {"train.csv": "image,label\na.png,x\n", "test.csv": "image,label\nb.png,y\n"})
    found = read_labels(raw, Labels(table="*.csv"))
    assert places(found) == {"images/a.png": ("x", "train"), "images/b.png": ("y", "test")}


@pytest.mark.parametrize(
    ("table", "cell", "path"),
    [
        ("l.csv", "a.png", "a.png"),
        ("l.csv", "./a.png", "a.png"),
        ("l.csv", "deep/images/a.png", "deep/images/a.png"),
        ("l.csv", "images/a.png", "deep/images/a.png"),
        ("l.csv", "images\\a.png", "deep/images/a.png"),
        ("l.csv", "images/a", "deep/images/a.png"),
        ("meta/l.csv", "../a.png", "a.png"),
        ("meta/l.csv", "a", "meta/a.jpeg"),
        ("l.csv", "dotted.name", "deep/dotted.name.png"),
    ],
)
def test_a_row_names_a_file_from_the_table_or_from_any_folder(
    raw: Path, table: str, cell: str, path: str
) -> None:
    photos(raw, "a.png", "deep/images/a.png", "meta/a.jpeg", "deep/dotted.name.png")
    write(raw, {table: f"file,class\n{cell},x\n", "meta/a.xml": "<boxes/>"})
    assert [*places(read_labels(raw, Labels(table=table)))] == [path]


def test_a_row_that_could_mean_two_files_means_none(raw: Path) -> None:
    photos(raw, "one/a.png", "two/a.png", "two/b.png")
    write(raw, {"l.csv": "file,class\na,x\nb,y\n"})
    found = read_labels(raw, Labels(table="l.csv"))
    assert [*places(found)] == ["two/b.png"]
    assert reasons(found)["one/a.png"] == "one row means it or two/a.png (data.labels)"
    assert reasons(found)["two/a.png"] == "one row means it or one/a.png (data.labels)"
    assert found.report["files_meant_by_one_row"]["count"] == 2
    assert found.report["rows_without_file"] == {"count": 1, "examples": ["l.csv: line 2: a"]}


def test_gaps_are_counted_with_examples_and_told(raw: Path) -> None:
    photos(raw, *(f"{name}.png" for name in "abcdefg"), ".hidden.png")
    rows = ["a.png,x", "b.png,y", "b.png,y", "c.png,x", "c.png,y", "d.png,", ",x", "z.png,x"]
    write(raw, {"l.csv": "\n".join(["file,class", *rows]), "README.txt": "hello"})
    found = read_labels(raw, Labels(table="l.csv"))
    assert places(found) == {"a.png": ("x", None), "b.png": ("y", None)}
    assert reasons(found) == {
        ".hidden.png": "hidden file",
        "README.txt": "not in l.csv",
        "c.png": "two labels in l.csv: x and y",
        "d.png": "no label in l.csv",
        "e.png": "not in l.csv",
        "f.png": "not in l.csv",
        "g.png": "not in l.csv",
        "l.csv": "table for data.labels",
    }
    assert found.report == {
        "tables": [
            {
                "table": "l.csv",
                "rows": 8,
                "file": "file",
                "class": "class",
                "split": None,
                "group": None,
            }
        ],
        "files": 4,
        "rows_without_file": {
            "count": 2,
            "examples": ["l.csv: line 8: no name", "l.csv: line 9: z.png"],
        },
        "rows_of_excluded_files": {"count": 0, "examples": []},
        "files_without_row": {"count": 3, "examples": ["e.png", "f.png", "g.png"]},
        "files_without_label": {"count": 1, "examples": ["d.png"]},
        "files_with_two_labels": {"count": 1, "examples": ["c.png"]},
        "files_meant_by_one_row": {"count": 0, "examples": []},
    }
    warnings = label_warnings(found.report)
    assert len(warnings) == 4
    assert warnings[0] == (
        "2 rows of data.labels without a file in data.raw, for example l.csv: line 8: no name"
        " (outputs/data_report.json: labels)"
    )


def test_what_is_left_out_by_its_path_is_left_out_with_a_table_too(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(raw.parent)
    photos(raw, "a.png", "b.png", "b_mask.png", "c.png", ".d.png", "@eaDir/a.png", "old/c.png")
    rows = ["a,x", "b.png,y", "b_mask.png,y", "old/c.png,x", ".d.png,x", "@eaDir/a.png,x", "z,x"]
    write(raw, {"l.csv": "\n".join(["file,class", *rows])})
    Path(".dvcignore").write_text("/raw/old/\n")
    found = read_labels(Path("raw"), Labels(table="l.csv"), ["*_mask.png"])
    assert places(found) == {"a.png": ("x", None), "b.png": ("y", None)}
    assert reasons(found) == {
        ".d.png": "hidden file",
        "@eaDir/a.png": "hidden file",
        "b_mask.png": "excluded by data.exclude",
        "c.png": "not in l.csv",
        "l.csv": "table for data.labels",
        "old/c.png": "ignored by .dvcignore",
    }
    assert found.report["files"] == 2
    assert found.report["rows_without_file"] == {"count": 1, "examples": ["l.csv: line 8: z"]}
    assert found.report["rows_of_excluded_files"] == {
        "count": 4,
        "examples": [f"l.csv: line {line}: {rows[line - 2][:-2]}" for line in (4, 5, 6, 7)],
    }
    assert found.report["files_without_row"] == {"count": 1, "examples": ["c.png"]}
    assert len(label_warnings(found.report)) == 2


def test_a_row_that_could_mean_a_file_that_is_left_out_means_the_other(raw: Path) -> None:
    photos(raw, "images/a.png", "masks/a.png", "images/b.png")
    write(raw, {"l.csv": "id,class\na,x\nb,y\n"})
    assert read_labels(raw, Labels(table="l.csv")).report["files"] == 1
    found = read_labels(raw, Labels(table="l.csv"), ["/masks/"])
    assert places(found) == {"images/a.png": ("x", None), "images/b.png": ("y", None)}
    assert reasons(found)["masks/a.png"] == "excluded by data.exclude"
    assert found.report["rows_of_excluded_files"]["count"] == 0


def test_a_path_from_the_table_means_no_other_file_even_if_it_is_left_out(raw: Path) -> None:
    photos(raw, "a.png", "new/a.png", "new/old/b.png", "old/b.png", "c.png")
    write(raw, {"l.csv": "file,class\na.png,x\nold/b,y\nc,x\n"})
    found = read_labels(raw, Labels(table="l.csv"), ["/a.png", "/old/"])
    assert places(found) == {"c.png": ("x", None)}
    assert found.report["rows_of_excluded_files"]["count"] == 2


def test_a_class_that_is_excluded_whole_keeps_its_name_in_params(raw: Path) -> None:
    photos(raw, "one/a.png", "two/b.png")
    write(raw, {"l.csv": "file,class\na.png,1\nb.png,2\n"})
    wanted = Labels(table="l.csv", names={"1": "uno", "2": "due"})
    assert places(read_labels(raw, wanted, ["/two/"])) == {"one/a.png": ("uno", None)}
    assert not places(read_labels(raw, wanted, ["*.png"]))


def test_a_table_may_be_excluded_or_hidden_but_dvc_must_see_it(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(raw.parent)
    photos(raw, "new/a.png", "old/b.png")
    text = "file,class\na.png,x\n"
    write(raw, {"new/l.csv": text, "old/l.csv": "file,class\nb.png,y\n", "new/.l.csv": text})
    for table, exclude in (("new/l.csv", ["*.csv"]), ("new/.l.csv", [])):
        found = read_labels(Path("raw"), Labels(table=table), exclude)
        assert [*places(found)] == ["new/a.png"]
        assert reasons(found)[table] == "table for data.labels"
    found = read_labels(Path("raw"), Labels(table="*/l.csv"), ["/old/"])
    assert [*places(found)] == ["new/a.png"]
    with pytest.raises(UserError, match=r"new/l\.csv is left out: excluded by data\.exclude"):
        read_labels(Path("raw"), Labels(table="*/l.csv"), ["*.csv"])
    Path(".dvcignore").write_text("*.csv\n")
    for table in ("new/l.csv", "*/l.csv"):
        with pytest.raises(UserError, match=r"new/l\.csv is left out: ignored by \.dvcignore"):
            read_labels(Path("raw"), Labels(table=table))


def test_a_name_that_is_not_utf_8_is_in_no_report(raw: Path) -> None:
    photos(raw, "a.png", os.fsdecode(b"b\xff.png"), os.fsdecode(b"\xff/a.png"))
    write(raw, {"l.csv": "file,class\na,x\n"})
    found = read_labels(raw, Labels(table="l.csv"))
    assert places(found) == {"a.png": ("x", None)}
    json.dumps(found.report, ensure_ascii=False).encode()


def test_two_ones_in_a_row_are_two_labels_and_no_one_is_none(raw: Path) -> None:
    photos(raw, "a.png", "b.png", "c.png")
    write(raw, {"l.csv": "file,x,y\na.png,1,1\nb.png,0,0\nc.png,0,1\n"})
    found = read_labels(raw, Labels(table="l.csv"))
    assert places(found) == {"c.png": ("y", None)}
    assert reasons(found)["a.png"] == "two labels in l.csv: x and y"
    assert reasons(found)["b.png"] == "no label in l.csv"


def test_params_may_name_every_column(raw: Path) -> None:
    photos(raw, "a.png", "b.png")
    write(raw, {"l.csv": "nr,what,label,part,who\na,x,1,train,p\nb,y,1,test,\n"})
    wanted = Labels(table="l.csv", file="nr", class_="what", split="part", group="who")
    found = read_labels(raw, wanted)
    assert places(found) == {"a.png": ("x", "train"), "b.png": ("y", "test")}
    assert found.groups == {"a.png": "p"}


def test_two_columns_that_name_the_same_files_are_no_question(raw: Path) -> None:
    photos(raw, "7.png")
    write(raw, {"l.csv": "image_id,file_name,label\n7,7.png,x\n"})
    assert [*places(read_labels(raw, Labels(table="l.csv")))] == ["7.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,label,species\na,x,y\n",
            "l.csv: columns label and species could both be the class; name one: data.labels:"
            " {table: l.csv, class: label or species} in params.yaml",
        ),
        ("file,image,label\na,b,x\n", "columns file and image could both be the file; name one: "),
        (
            "file,label,patient,lesion_id\na,x,1,2\n",
            "columns patient and lesion_id could both be the group; name one: ",
        ),
        (
            "a.png,x\nb.png,y\n",
            "l.csv: no column has a usual name for files; name one: data.labels: {table: l.csv,"
            " file: a.png or x} in params.yaml; if its first line is no header, put one above it:"
            " path,label",
        ),
        (
            "file,mood,age\na,x,7\n",
            "no column has a usual name for classes, and the others are not all 0 and 1; name one:"
            " data.labels: {table: l.csv, class: mood or age} in params.yaml",
        ),
        ("file,label\nz,x\n", "no row names a file, for example line 2: z (column file); paths"),
        ("file,label\n", "no row names a file; paths must be relative to the table"),
        ("file,label\na,x/y\n", "line 2: x/y cannot be the name of a folder, which each class"),
        ("file,label\na,..\n", "line 2: .. cannot be the name of a folder, which each class"),
        ("file,label,set\na,x,train\na,x,test\n", "line 3: a.png is in train and in test"),
        ("file,label,group\na,x,1\na,x,2\n", "line 3: a.png has two groups"),
    ],
)
def test_what_is_unclear_is_refused_in_one_line(raw: Path, text: str, message: str) -> None:
    photos(raw, "a.png", "b.png")
    write(raw, {"l.csv": text})
    with pytest.raises(UserError) as caught:
        read_labels(raw, Labels(table="l.csv"))
    assert message in str(caught.value)


def test_json_lines_have_no_header_to_miss(raw: Path) -> None:
    photos(raw, "a.png")
    write(raw, {"l.jsonl": '{"what": "a.png", "label": "x"}\n'})
    with pytest.raises(UserError) as caught:
        read_labels(raw, Labels(table="l.jsonl"))
    assert str(caught.value).endswith("file: what or label} in params.yaml")


def test_a_column_or_table_that_is_not_there_is_refused(raw: Path) -> None:
    photos(raw, "a.png")
    write(raw, {"l.csv": "file,label\na,x\n", "m.jsonl": '{"file": "a", "label": ["x", "y"]}\n'})
    with pytest.raises(UserError, match=r"data\.labels\.class: dx is no column of .*l\.csv; its"):
        read_labels(raw, Labels(table="l.csv", class_="dx"))
    for table in ("other.csv", "*/l.csv"):
        with pytest.raises(UserError, match=r"params\.yaml: data\.labels: .*: no such file in"):
            read_labels(raw, Labels(table=table))
    with pytest.raises(UserError, match="line 1: label: must be text or a number"):
        read_labels(raw, Labels(table="m.jsonl"))


@pytest.mark.parametrize(
    ("files", "table"),
    [
        (["a.png", "b.png"], "l.csv"),
        (["images/a.png", "images/b.png"], "l.csv"),
        (["images/1/a.png", "images/1/c.png", "images/2/b.png"], "meta/l.csv"),
    ],
)
def test_a_table_beside_photographs_without_class_folders_is_found(
    raw: Path, files: Sequence[str], table: str
) -> None:
    photos(raw, *files)
    write(raw, {table: "image_id,label\na,x\nb,y\nc,y\n", "other.csv": "a,b\n1,2\n"})
    assert unused_table(raw, folder_layout(raw), [], None) == table
    assert unused_table(raw, folder_layout(raw), [], table) is None
    assert unused_table(raw, folder_layout(raw), [table], None) is None
    assert unused_table(raw, folder_layout(raw, ["*.png"]), ["*.png"], None) is None


def test_tables_in_folders_that_are_no_classes_are_found_as_a_pattern(raw: Path) -> None:
    for folder in ("train", "test"):
        photos(raw, f"{folder}/a.png", f"{folder}/b.png")
        write(raw, {f"{folder}/_classes.csv": "filename,x,y\na.png,1,0\nb.png,0,1\n"})
    no_classes = Layout(dict.fromkeys(list_files(raw), "not in a class folder"), [])
    assert unused_table(raw, no_classes, [], None) == "*/_classes.csv"
    with pytest.raises(UserError, match=r"without class folders: .*; or set data\.labels: \*/_cl"):
        read_folders(raw, [], None)


@pytest.mark.parametrize(
    "text",
    ["file,label\na,0\nb,1\n", "path,group\nx/a.png,1\ny/b.png,1\n", "file,label\nz,0\n", "\0"],
)
def test_a_table_that_agrees_with_the_folders_or_says_nothing_is_left_alone(
    raw: Path, text: str
) -> None:
    photos(raw, "x/a.png", "y/b.png")
    write(raw, {"l.csv": text})
    assert unused_table(raw, folder_layout(raw), [], None) is None


@pytest.fixture
def split(shipped: Params, tmp_path: Path) -> Callable[..., Any]:
    def run(raw: Path, labels: str | Labels | None = None, **data_: Any) -> Any:  # noqa: ANN401
        data = replace(shipped.data, labels=labels, raw=str(raw), **data_)
        runtime = replace(shipped.runtime, workers=1)
        return split_folder(raw, replace(shipped, data=data, runtime=runtime), tmp_path / "kept")

    return run


def by_content(rows: Sequence[Row]) -> dict[str, tuple[object, ...]]:
    return {row.sha256: (row.class_, row.split, row.group, row.given) for row in rows}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_split_of_a_table_is_that_of_class_folders(
    raw: Path,
    tmp_path: Path,
    digits: dict[str, list[bytes]],
    write_digits: Callable[..., None],
    split: Callable[..., Any],
    seed: int,
) -> None:
    counts = {"zero": 8, "one": 3, "two": 10}
    write_digits(tmp_path / "folders", **counts)
    rows = []
    for name, count in counts.items():
        for number, data in enumerate(digits[name][:count]):
            path = f"part {(number + seed) % 2}/{number * 7 % 11:02d}{name[::-1]}.png"
            (raw / path).parent.mkdir(parents=True, exist_ok=True)
            (raw / path).write_bytes(data)
            rows.append(f"{path},{name}")
    write(raw, {"labels.csv": "\n".join(["path,class", *rows])})
    in_folders, *_ = split(tmp_path / "folders")
    in_table, rejected, report = split(raw, "labels.csv")
    assert by_content(in_table) == by_content(in_folders)
    assert len(in_table) == 21
    assert rejected == [Rejection("labels.csv", "table for data.labels")]
    assert report["labels"]["files"] == 21


def test_groups_of_the_table_stay_together(
    raw: Path, write_digits: Callable[..., None], split: Callable[..., Any]
) -> None:
    write_digits(raw, zero=6, one=6)
    rows = [f"{name}/{i:03d},{name},{name}{i // 2}" for name in ("zero", "one") for i in range(6)]
    write(raw, {"labels.csv": "\n".join(["id,class,patient", *rows])})
    rows, *_ = split(raw, "labels.csv")
    groups = {row.path: row.group for row in rows}
    assert len({*groups.values()}) == 6
    assert groups["one/000.png"] == groups["one/001.png"] != groups["one/002.png"]


def test_the_split_of_a_table_is_a_given_one(
    raw: Path, write_digits: Callable[..., None], split: Callable[..., Any]
) -> None:
    write_digits(raw, zero=6, one=6)
    rows = [
        f"{n}/{i:03d},{n},{'test' if i < 2 else 'train'}" for n in ("zero", "one") for i in range(6)
    ]
    write(raw, {"labels.csv": "\n".join(["id,class,split", *rows])})
    rows, *_ = split(raw, "labels.csv")
    assert (
        {row.path for row in rows if row.given == "test"}
        == {row.path for row in rows if row.split == "test"}
        == {f"{name}/{i:03d}.png" for name in ("zero", "one") for i in range(2)}
    )


def test_data_exclude_applies_with_a_table(
    raw: Path, write_digits: Callable[..., None], split: Callable[..., Any]
) -> None:
    write_digits(raw, zero=6, one=6)
    names = [f"{name}/{i:03d}.png" for name in ("zero", "one") for i in range(6)]
    write(raw, {"labels.csv": "\n".join(["path,class", *(f"{n},{n[:3]}" for n in names)])})
    rows, rejected, report = split(raw, "labels.csv", exclude=["000.png", "no/"])
    assert len(rows) == 10
    assert rejected == [
        Rejection("labels.csv", "table for data.labels"),
        Rejection("one/000.png", "excluded by data.exclude"),
        Rejection("zero/000.png", "excluded by data.exclude"),
    ]
    assert report["rejected_by_reason"]["excluded by data.exclude"] == 2
    assert report["labels"]["rows_of_excluded_files"]["count"] == 2
    assert report["unmatched_exclude"] == ["no/"]
    assert report_warnings(report, validation=False) == [
        "data.exclude: no/ matches no file in data.raw"
    ]


def test_names_of_sets_in_a_split_column_are_those_of_folders(
    raw: Path, write_digits: Callable[..., None], split: Callable[..., Any]
) -> None:
    write_digits(raw, zero=6, one=6)
    rows = [
        f"{n}/{i:03d},{n},{'Testing' if i < 2 else 'train_images'}"
        for n in ("zero", "one")
        for i in range(6)
    ]
    write(raw, {"labels.csv": "\n".join(["id,class,split", *rows])})
    rows, *_ = split(raw, "labels.csv")
    assert {row.given for row in rows} == {"train", "test"}
    assert sum(row.split == "test" for row in rows) == 4


def test_errors_about_folders_end_with_the_table_to_name(
    raw: Path, digits: dict[str, list[bytes]], split: Callable[..., Any]
) -> None:
    raw.mkdir()
    for name in ("zero", "one"):
        (raw / f"{name}.png").write_bytes(digits[name][0])
    write(raw, {"labels.csv": "file,label\nzero,0\none,1\n"})
    with pytest.raises(UserError, match=r"\(not in a class .*; or set data\.labels: labels\.csv$"):
        split(raw)
    write(raw, {"train/x/1.png": "", "test/x/1.png": "", "more/1.png": ""})
    with pytest.raises(UserError, match=r"more/ is next to train/ .*; or set data\.labels: l"):
        split(raw)
    for folder in ("train", "test", "more"):
        shutil.rmtree(raw / folder)
    (raw / "images").mkdir()
    for name in ("zero", "one"):
        (raw / f"{name}.png").rename(raw / "images" / f"{name}.png")
    with pytest.raises(UserError, match=r"only one class, images.*; or set data\.labels: labels"):
        split(raw)
