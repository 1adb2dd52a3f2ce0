"""The classifier for other programs takes any kind of image; returns classes, probabilities."""

import io
import itertools
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pytest
from PIL import Image
from projects import Project

from ballast.classifier import Classifier, CoverageWarning, ImageSource, Prediction
from ballast.core.errors import UserError
from ballast.core.images import ImageError
from ballast.core.manifest import read_manifest, subset_rows
from ballast.core.paths import MANIFEST
from ballast.insight.prediction_sets import class_thresholds, prediction_sets
from ballast.model.inference import BATCH_SIZE
from ballast.model.training_photographs import ENTRY, read_training_photographs
from ballast.scores.predictions import read_predictions


@pytest.fixture
def photo(reproduced: Project) -> Path:
    return reproduced.folder / "data/raw/one/000.png"


def test_it_says_the_very_same_as_the_predict_stage(
    classifier: Classifier, reproduced: Project
) -> None:
    expected = read_predictions(reproduced.folder / "outputs/predictions.csv")
    found = classifier.predict(reproduced.folder / "data/raw" / path for path in expected.paths)
    assert [one.predicted for one in found] == expected.predicted
    assert [
        [float(f"{p:.9g}") for p in one.probabilities.values()] for one in found
    ] == expected.probabilities.tolist()
    assert list(found[0].probabilities) == ["one", "two", "zero"]


def test_paths_bytes_pillow_images_and_arrays_are_all_images(
    classifier: Classifier, photo: Path
) -> None:
    opened = Image.open(photo)
    images: list[ImageSource] = [
        photo,
        str(photo),
        photo.read_bytes(),
        opened,
        np.asarray(opened.convert("RGB")),
    ]
    images += [np.asarray(opened.convert(mode)) for mode in ("RGB", "L")]
    said = classifier.predict(images)
    assert len({one.predicted for one in said}) == 1
    first = [*said[0].probabilities.values()]
    for one in said:
        assert [*one.probabilities.values()] == pytest.approx(first, abs=1e-6)


def test_a_single_image_of_any_kind_has_one_prediction(classifier: Classifier, photo: Path) -> None:
    (expected,) = classifier.predict([photo])
    opened = Image.open(photo)
    assert classifier.predict(photo) == expected
    assert classifier.predict(str(photo)) == expected
    assert classifier.predict(photo.read_bytes()) == expected
    assert classifier.predict(bytearray(photo.read_bytes())) == expected
    assert classifier.predict(memoryview(photo.read_bytes())) == expected
    assert classifier.predict(io.BytesIO(photo.read_bytes())) == expected
    with photo.open("rb") as file:
        assert classifier.predict(file) == expected
    assert classifier.predict(opened) == expected
    assert classifier.predict(np.asarray(opened.convert("RGB"))) == expected
    assert classifier.predict(np.asarray(opened.convert("L"))) == expected


@pytest.mark.parametrize("images", [None, 7, [None], [7]])
def test_what_is_no_image_is_called_so(classifier: Classifier, images: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError, match=r"an image is a path, bytes, .* not (NoneT|int)"):
        classifier.predict(images)


def test_a_file_open_for_reading_text_is_refused(classifier: Classifier, photo: Path) -> None:
    with photo.open(encoding="latin-1") as file, pytest.raises(TypeError, match="mode 'rb'"):
        classifier.predict(cast(IO[bytes], file))


def test_an_endless_file_is_not_read_to_its_end(classifier: Classifier) -> None:
    with Path("/dev/zero").open("rb") as file, pytest.raises(ImageError, match="larger than any"):
        classifier.predict(file)


def test_an_array_of_several_images_and_any_iterable_have_as_many(
    classifier: Classifier, photo: Path
) -> None:
    expected = classifier.predict(photo)
    rgb = np.asarray(Image.open(photo).convert("RGB"))
    for images in (np.stack([rgb] * 3), [photo] * 3, (str(photo),) * 3, iter([rgb] * 3)):
        predictions = classifier.predict(images)
        assert [one.predicted for one in predictions] == [expected.predicted] * 3
    assert classifier.predict(rgb[None][:0]) == []


def test_a_single_image_that_cannot_be_read_is_an_error_without_a_place(
    classifier: Classifier,
) -> None:
    with pytest.raises(ImageError, match=r"^no such file$"):
        classifier.predict("missing.png")
    with pytest.raises(ImageError, match=r"^empty file$"):
        classifier.predict(b"")
    with pytest.raises(TypeError, match=r"must be uint8, .* not uint8 \(4, 4, 4\)"):
        classifier.predict(np.zeros((4, 4, 4), dtype=np.uint8))


def test_a_shard_is_no_image_and_says_whether_it_holds_any(
    classifier: Classifier, photo: Path, tmp_path: Path
) -> None:
    shard = tmp_path / "0.tar"
    with tarfile.open(shard, "w") as archive:
        archive.add(photo, photo.name)
    with pytest.raises(ImageError, match=r"^a shard, which holds several images$"):
        classifier.predict(shard)
    assert classifier.predict(shard / photo.name) == classifier.predict(photo)
    shard.write_bytes(b"not a tar file")
    with pytest.raises(ImageError, match=r"^not a whole tar file: "):
        classifier.predict(shard)


@pytest.mark.parametrize("trained", ["reproduced", "features_project"])
def test_threads_share_a_classifier_from_their_first_prediction_on(
    trained: str, request: pytest.FixtureRequest
) -> None:
    project: Project = request.getfixturevalue(trained)
    photos = sorted((project.folder / "data/raw").glob("*/*.png"))[:8]
    shared = Classifier.load(project.folder / "models/model.keras")
    together = threading.Barrier(4)

    def predict(photo: Path) -> Prediction:
        together.wait()
        return shared.predict(photo)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predict, photos))
    assert found == [shared.predict(photo) for photo in photos]
    assert len(set(map(str, found))) > 1


def test_a_stream_of_a_single_image_is_refused(classifier: Classifier, photo: Path) -> None:
    for single in (str(photo), photo.read_bytes(), np.zeros((8, 8), dtype=np.uint8)):
        with pytest.raises(TypeError, match="stream takes several images"):
            next(classifier.stream(single))  # type: ignore[arg-type]


def test_a_pillow_image_is_turned_upright_as_a_file_is(classifier: Classifier) -> None:
    slope = Image.linear_gradient("L").convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    slope.save(file, "PNG", exif=exif)
    as_file, opened = classifier.predict([file.getvalue(), Image.open(file)])
    assert as_file == opened
    assert as_file != classifier.predict([slope])[0]


def test_a_photograph_says_how_unlike_the_training_photographs_it_is(
    linear: Classifier, features_project: Project
) -> None:
    rows = read_manifest(features_project.folder / MANIFEST)
    raw = features_project.folder / "data/raw"
    trained = linear.predict(raw / row.path for row in subset_rows(rows, "train"))
    assert [one.novelty for one in trained] == [0] * len(trained)
    assert all(one.trained_on for one in trained)
    groups = len({row.group for row in subset_rows(rows, "train")})
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    other = linear.predict(noise)
    assert other.novelty == pytest.approx(groups / (groups + 1), abs=1e-4)
    assert other.unlike == (groups >= 19)
    assert not other.trained_on


def test_a_class_too_small_for_the_coverage_is_a_warning_in_python_too(
    features_project: Project,
) -> None:
    with pytest.warns(
        CoverageWarning, match="class one is in every set: a coverage of 0.9 needs 9"
    ):
        Classifier.load(features_project.folder / "models/model.keras", coverage=0.9)


@pytest.mark.parametrize(("novelty", "unlike"), [(None, False), (0.9499, False), (0.95, True)])
def test_a_photograph_is_unlike_them_from_a_share_of_95_percent_on(
    novelty: float | None, unlike: bool
) -> None:
    assert Prediction("dog", {"dog": 1.0}, novelty).unlike == unlike


def test_a_model_that_keeps_no_photographs_predicts_the_same_without_novelty(
    linear: Classifier, features_project: Project, tmp_path: Path
) -> None:
    model = features_project.folder / "models/model.keras"
    with (
        zipfile.ZipFile(model) as kept,
        zipfile.ZipFile(tmp_path / "older.keras", "w") as older,
    ):
        for name in kept.namelist():
            if name != ENTRY:
                older.writestr(name, kept.read(name))
    photos = sorted((features_project.folder / "data/raw").glob("*/*.png"))
    expected = [one._replace(novelty=None, trained_on=False) for one in linear.predict(photos)]
    assert Classifier.load(tmp_path / "older.keras").predict(photos) == expected


def test_a_network_without_a_linear_head_knows_no_novelty(
    classifier: Classifier, photo: Path
) -> None:
    assert classifier.predict(photo).novelty is None


def test_no_images_give_no_predictions(classifier: Classifier) -> None:
    assert classifier.predict([]) == []


def test_predict_says_which_image_cannot_be_read_and_stream_goes_on(
    classifier: Classifier, photo: Path, tmp_path: Path
) -> None:
    broken = photo.read_bytes()[:-30]
    missing = tmp_path / "missing.png"
    with pytest.raises(ImageError, match=r"^images\[1\]: no such file$"):
        classifier.predict([photo, missing])
    first, second, third, fourth = classifier.stream([photo, broken, missing, photo])
    assert isinstance(second, ImageError)
    assert isinstance(third, ImageError)
    assert isinstance(first, Prediction)
    assert first == fourth


@pytest.mark.parametrize("shape", [(4, 4, 4), (4,), (1, 4, 4, 3)])
def test_an_array_of_another_shape_is_refused(
    classifier: Classifier, shape: tuple[int, ...]
) -> None:
    with pytest.raises(TypeError, match="must be uint8"):
        classifier.predict([np.zeros(shape, dtype=np.uint8)])


def test_an_array_of_floats_is_refused_whatever_it_holds(classifier: Classifier) -> None:
    with pytest.raises(TypeError, match="not float64"):
        classifier.predict([np.full((4, 4, 3), np.nan)])


def test_an_image_larger_than_trained_for_is_not_decoded(classifier: Classifier) -> None:
    small = classifier._replace(max_megapixels=0.01)
    file = io.BytesIO()
    Image.new("RGB", (200, 100)).save(file, "PNG")
    (said,) = small.stream([file.getvalue()])
    assert "0.02 megapixels, more than" in str(said)


def test_images_are_taken_a_few_batches_ahead_and_no_further(
    classifier: Classifier, photo: Path
) -> None:
    taken = itertools.count()

    def endless() -> Iterator[bytes]:
        while True:
            next(taken)
            yield photo.read_bytes()

    stream = classifier.stream(endless(), workers=2)
    for _ in range(BATCH_SIZE + 1):
        next(stream)
    stream.close()
    assert next(taken) <= 4 * BATCH_SIZE


def test_probabilities_that_are_no_numbers_are_told(classifier: Classifier, photo: Path) -> None:
    model = classifier.model
    weights = model.get_weights()
    model.set_weights([*weights[:-1], np.full_like(weights[-1], np.nan)])
    try:
        with pytest.raises(UserError, match="predicts NaN or infinite"):
            classifier.predict([photo])
    finally:
        model.set_weights(weights)


def test_a_model_of_another_program_is_refused(tmp_path: Path, classifier: Classifier) -> None:
    classifier.model.save(tmp_path / "other.keras")
    with pytest.raises(UserError, match="not saved by Ballast: a Keras model of another program"):
        Classifier.load(tmp_path / "other.keras")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x89HDF\r\n\x1a\n", "not saved by Ballast: an HDF5 file, such as Keras's older format$"),
        (b"\x1c\0\0\0TFL3", "not saved by Ballast: a TensorFlow Lite model$"),
        (b"\x08\x08\x12\x07pytorch", "not saved by Ballast: an ONNX model"),
        (b"\xff\xd8\xff\xe0", "not saved by Ballast: a JPEG image$"),
        (b"\x80\x02c", "not saved by Ballast: a pickle"),
        (b"nothing known", "not a .keras file$"),
        (b"", "incomplete or damaged"),
    ],
)
def test_a_file_that_is_no_model_of_ballast_is_called_what_it_is(
    tmp_path: Path, data: bytes, what: str
) -> None:
    (tmp_path / "model").write_bytes(data)
    with pytest.raises(UserError, match=what):
        Classifier.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("model/data.pkl", "a PyTorch model, without class names"),
        ("weights.npy", "a NumPy archive, without class names"),
        ("readme.txt", "a zip archive, without class names"),
    ],
)
def test_so_is_an_archive(tmp_path: Path, entry: str, what: str) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr(entry, b"x")
    with pytest.raises(UserError, match=f"not saved by Ballast: {what}"):
        Classifier.load(tmp_path / "model.pt")


def test_so_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not saved by Ballast: a folder$"):
        Classifier.load(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(UserError, match=r"not saved by Ballast: a SavedModel of TensorFlow$"):
        Classifier.load(tmp_path)


def test_a_set_of_classes_comes_with_a_coverage_alone(
    features_project: Project, photo: Path, classifier: Classifier
) -> None:
    model = features_project.folder / "models/model.keras"
    known = read_training_photographs(model)
    assert known is not None
    thresholds = class_thresholds(known, 0.5)
    with_sets = Classifier.load(model, coverage=0.5)
    found = with_sets.predict([photo, photo.with_name("001.png")])
    rows = np.array([[*one.probabilities.values()] for one in found])
    expected = prediction_sets(rows, thresholds)
    assert [one.class_set for one in found] == [
        [with_sets.classes[place] for place in places] for places in expected
    ]
    assert classifier.predict(photo).class_set is None


def test_sets_need_the_training_photographs(reproduced: Project) -> None:
    with pytest.raises(UserError, match="keeps no training photographs"):
        Classifier.load(reproduced.folder / "models/model.keras", coverage=0.9)
