"""Which images a page shows, and at which size."""

import io

import numpy as np
import pytest
from PIL import Image
from projects import Project

from ballast.core.images import ImageError
from ballast.core.manifest import AugmentedRow, read_augmented
from ballast.core.params import as_dict, dotted, parse_params
from ballast.report.pictures import (
    SIDE,
    Mistake,
    RunPictures,
    confident_mistakes,
    contact_rows,
    run_pictures,
    thumbnail,
)
from ballast.scores.predictions import Predictions
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


def test_mistakes_come_by_how_sure_they_were_then_by_path() -> None:
    probabilities = [[0.6, 0.4], [0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.9, 0.1]]
    predictions = Predictions(
        ["a", "b"], ["5", "4", "3", "2", "1"], ["b", "b", "a", "a", "b"], np.array(probabilities)
    )
    mistakes = [
        Mistake("1", "b", "a", 0.9, 1),
        Mistake("4", "b", "a", 0.9, 1),
        Mistake("2", "a", "b", 0.8, 1),
        Mistake("5", "b", "a", 0.6, 1),
    ]
    assert confident_mistakes([predictions], 10) == mistakes
    assert confident_mistakes([predictions], 2) == mistakes[:2]


def test_mistakes_of_most_models_come_first() -> None:
    paths, true = ["1", "2", "3"], ["a", "a", "a"]
    rows = ([[0.25, 0.75, 0], [0, 0, 1], [1, 0, 0]], [[0.375, 0.625, 0], [1, 0, 0], [1, 0, 0]])
    trainings = [Predictions(["a", "b", "c"], paths, true, np.array(of)) for of in rows]
    reordered = trainings[1]._replace(
        paths=paths[::-1], probabilities=trainings[1].probabilities[::-1]
    )
    mistakes = [Mistake("1", "a", "b", 0.6875, 2), Mistake("2", "a", "c", 1.0, 1)]
    assert confident_mistakes(trainings, 10) == mistakes
    assert confident_mistakes([trainings[0], reordered], 10) == mistakes


def test_a_burst_is_one_mistake_the_first_of_them() -> None:
    paths = [f"burst/{number}" for number in range(12)] + ["other", "alone"]
    sure = [0.6, 0.9, *[0.8] * 10, 0.7, 0.55]
    predictions = Predictions(
        ["a", "b"], paths, ["b"] * 14, np.array([[of, 1 - of] for of in sure])
    )
    groups = dict.fromkeys(paths[:12], "one scene") | {"other": "another"}
    shown = confident_mistakes([predictions], 12, groups)
    assert [mistake.path for mistake in shown] == ["burst/1", "other", "alone"]


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
