"""Which images a page shows, and at which size."""

import io

import pytest
from PIL import Image
from projects import Project

from ballast.core.images import ImageError
from ballast.core.manifest import AugmentedRow, read_augmented
from ballast.core.params import as_dict, dotted, parse_params
from ballast.report.pictures import (
    SIDE,
    RunPictures,
    contact_rows,
    run_pictures,
    thumbnail,
)
from ballast.scores.run import read_run


def pictures_of(project: Project) -> RunPictures:
    params = parse_params(project.read("params.yaml"))
    tracked = dotted(as_dict(params, without=("runtime",)))
    run = read_run("mine", project.folder, tracked)
    return run_pictures(run, project.folder, project.folder / params.data.raw)


def image(width: int, height: int, kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(file, kind)
    return file.getvalue()


def test_a_contact_sheet_is_of_one_photograph_in_the_order_of_its_rounds() -> None:
    rows = [
        AugmentedRow(f"{class_}/{source}-r{round_}.jpg", class_, f"{class_}/{source}", round_, "")
        for round_ in (2, 0, 1)
        for class_ in ("b", "a")
        for source in ("2.jpg", "1.jpg")
    ]
    sheets = contact_rows(rows, 2)
    assert list(sheets) == ["a", "b"]
    assert [(row.source, row.round_) for row in sheets["b"]] == [("b/1.jpg", 0), ("b/1.jpg", 1)]
    assert [row.round_ for row in contact_rows(rows, 9)["a"]] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_thumbnail_is_a_small_jpeg_of_the_same_aspect(kind: str) -> None:
    small = Image.open(io.BytesIO(thumbnail(image(800, 400, kind))))
    assert small.format == "JPEG"
    assert small.size == (SIDE, SIDE // 2)


def test_a_small_jpeg_stays_as_it_is_and_nothing_is_enlarged() -> None:
    data = image(64, 64, "JPEG")
    assert thumbnail(data) == data
    assert Image.open(io.BytesIO(thumbnail(image(64, 32, "PNG")))).size == (64, 32)


def test_what_is_no_image_is_an_error() -> None:
    with pytest.raises(ImageError):
        thumbnail(b"\xff\xd8 no image")


def test_a_sheet_has_the_images_that_were_trained_on(reproduced: Project) -> None:
    shown = pictures_of(reproduced)
    assert list(shown.sheets) == ["one", "two", "zero"]
    first = min(row.path for row in read_augmented(reproduced.folder / "data/augmented.csv"))
    assert shown.sheets["one"][0] == (reproduced.folder / "data/augmented" / first).read_bytes()
    assert len(shown.sheets["one"]) == 8


def test_a_photograph_gone_or_changed_is_none_and_all_others_are_there(
    reproduced: Project,
) -> None:
    shown = pictures_of(reproduced).mistakes
    assert shown
    assert all(image for _, image in shown)
    path = reproduced.folder / "data/raw" / shown[0][0].path
    whole = path.read_bytes()
    for damage in (path.unlink, lambda: path.write_bytes(whole + b"changed")):
        damage()
        again = pictures_of(reproduced).mistakes
        path.write_bytes(whole)
        assert again[0] == (shown[0][0], None)
        assert list(again[1:]) == list(shown[1:])
