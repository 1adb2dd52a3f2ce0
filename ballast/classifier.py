"""The classifier for use in other programs: from images to classes and probabilities.

from ballast.classifier import Classifier

classifier = Classifier.load("models/model.keras")
print(classifier.predict("rex.jpg").predicted)
for prediction in classifier.predict(["rex.jpg", "tom.jpg"]):
    print(prediction.predicted, prediction.probabilities["dog"])
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from os import PathLike, fspath
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast, overload

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray
from PIL import Image

from ballast.core.errors import UserError
from ballast.core.greys import Range
from ballast.core.image_limits import most_bytes
from ballast.core.images import ImageError, as_seen, decode_image, resize_image, without_warnings
from ballast.core.shards import Finder, is_shard, shard_finder
from ballast.dataset.listing import unread_path
from ballast.dataset.shards import shard_problem
from ballast.insight.nearest import nearest_distance
from ballast.insight.novelty import UNLIKE, Familiar, familiar, novelty_at
from ballast.insight.prediction_sets import (
    Thresholds,
    class_thresholds,
    prediction_sets,
    without_promise,
)
from ballast.keras_setup import keras
from ballast.model.inference import BATCH_SIZE, Outputs, of_features, outputs
from ballast.model.model_file import read_info
from ballast.model.saved import input_size, load_model
from ballast.model.training_photographs import (
    needed_training_photographs,
    read_training_photographs,
)
from ballast.workers.threads import ahead

if TYPE_CHECKING:
    from ballast.model.features import Backbone
    from ballast.workers.processes import Engine

# A path, the bytes of a file, a file that is open for reading bytes, a Pillow image, or a uint8
# array: RGB (height, width, 3) or grey (height, width).
ImageSource = (
    str | PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image
    | NDArray[np.uint8]
)  # fmt: skip

TOO_LARGE = "larger than any image of data.max_megapixels"
NO_MEMORY = "not enough memory to decode it"


class CoverageWarning(UserWarning):
    """A class has too few training photographs for the coverage that was asked for."""


class Prediction(NamedTuple):
    """The prediction for one image."""

    predicted: str  # the most probable class; of equal ones, the first by name
    probabilities: dict[str, float]  # by class; they sum to 1
    # Share of the training photographs that are nearer to each other than this one is to them, 0 to
    # 1; None if the model does not keep their features
    novelty: float | None = None
    # The classes at the coverage that was asked for, most probable first; None if none was
    class_set: list[str] | None = None
    # Whether the model was trained on it or on a copy, so that the prediction is no test; False if
    # the model does not keep its features
    trained_on: bool = False

    @property
    def unlike(self) -> bool:
        """Whether the image is unlike the training photographs; False if that is not known."""
        return self.novelty is not None and self.novelty >= UNLIKE


class Classifier(NamedTuple):
    """A trained model and the names of its classes. It is stateless."""

    model: keras.Model
    classes: list[str]
    max_megapixels: float
    greys: Range | None = None  # the range of deep greys, as in training
    known: Familiar | None = None  # the training photographs, if the model keeps their features
    thresholds: Thresholds | None = None  # of sets of classes

    @classmethod
    def load(
        cls, path: str | PathLike[str] = "models/model.keras", coverage: float | None = None
    ) -> "Classifier":
        """Load a model that Ballast trained. It needs no other file and executes no code from it.

        Args:
            path: the file.
            coverage: above 0 and below 1: predictions then have a set of classes, which holds the
                true one in this share of new photographs of each class.

        Raises:
            UserError: if the file is missing, damaged, or was saved by another program; with a
                coverage also if it keeps no training photographs.
            ValueError: if the coverage is out of range.

        Warns:
            CoverageWarning: for each class that has too few training photographs for the coverage.
        """
        info = read_info(Path(path))
        read = read_training_photographs if coverage is None else needed_training_photographs
        photographs = read(Path(path))
        thresholds = None
        if photographs and coverage is not None:
            thresholds = class_thresholds(photographs, coverage)
            for text in without_promise(thresholds, info.classes):
                warnings.warn(text, CoverageWarning, stacklevel=2)
        return cls(
            load_model(Path(path)),
            info.classes,
            info.max_megapixels,
            info.greys,
            familiar(photographs) if photographs else None,
            thresholds,
        )

    @overload
    def predict(self, images: ImageSource) -> Prediction: ...  # type: ignore[overload-overlap]  # str is both

    @overload
    def predict(self, images: Iterable[ImageSource]) -> list[Prediction]: ...

    def predict(self, images: ImageSource | Iterable[ImageSource]) -> Prediction | list[Prediction]:
        """Predict the class of one image, or of several.

        Args:
            images: an image: a path, bytes, an open file, a Pillow image or an array; or any
                iterable of them, such as a list, or an array of shape (n, height, width, 3).

        Returns:
            For an image its prediction; for several a list of as many, in their order.

        Raises:
            ImageError: if an image cannot be read; `stream` continues with the others.
            TypeError: if an array is not uint8 or has an unsupported shape, or if something is
                neither an image nor an iterable.
            UserError: as stream does.
        """
        if not (is_one(images) or isinstance(images, Iterable)):
            raise TypeError(_not_an_image(images))
        if is_one(images):
            (prediction,) = self.stream([cast(ImageSource, images)])
            if isinstance(prediction, ImageError):
                raise prediction
            return prediction
        predictions: list[Prediction] = []
        for prediction in self.stream(cast(Iterable[ImageSource], images)):
            if isinstance(prediction, ImageError):
                raise ImageError(f"images[{len(predictions)}]: {prediction}")
            predictions.append(prediction)
        return predictions

    def stream(
        self, images: Iterable[ImageSource], workers: int | None = None
    ) -> Generator[Prediction | ImageError, None, None]:
        """Predict any number of images in constant memory, in order.

        Images are predicted in batches of 64, while the next two batches are read and decoded.

        Args:
            images: images or paths, consumed a few batches ahead; may be a generator.
            workers: number of images read and decoded at a time; default: one per core.

        Yields:
            For each image its prediction, or the error if it cannot be read.

        Raises:
            TypeError: as predict does; and if `images` is a single image.
            UserError: if a probability is not finite.
        """
        if is_one(images):
            raise TypeError("stream takes several images; put a single one into a list")
        size = input_size(self.model)
        decode = partial(self._array, size, shard_finder(Path()))
        decoded = ahead(decode, images, workers or cpu_count(), 2 * BATCH_SIZE)
        with closing(decoded) as arrays:
            yield from self._in_batches(arrays, partial(outputs, self.model))

    def stream_elsewhere(
        self, paths: Iterable[str], backbone: "Backbone", engine: "Engine"
    ) -> Generator[Prediction | ImageError, None, None]:
        """Like stream, for files, of which the workers of an engine compute the features.

        Args:
            paths: of files that this process can read.
            backbone: the model's own, from own_backbone.
            engine: not local.

        Raises:
            UserError: as stream and features_elsewhere do.
        """
        # It needs packages of the pipeline, which prediction on one machine does without.
        from ballast.model.features import features_elsewhere

        decode = partial(_pixels, self.max_megapixels, self.greys, backbone.image_size)
        read = partial(_content, most_bytes(self.max_megapixels), shard_finder(Path()))
        with closing(ahead(read, paths, cpu_count(), 2 * BATCH_SIZE)) as files:
            found = features_elsewhere(backbone, decode, files, engine)
            yield from self._in_batches(found, partial(of_features, self.model))

    def _in_batches(
        self,
        found: Iterable[NDArray[Any] | ImageError],
        outputs_of: Callable[[NDArray[Any]], Outputs],
    ) -> Iterator[Prediction | ImageError]:
        """Predict batches of pixels or features, among errors, which stay where they are."""
        left = iter(found)
        while batch := list(islice(left, BATCH_SIZE)):
            good = [array for array in batch if not isinstance(array, ImageError)]
            rows = iter(self._predictions(outputs_of(np.stack(good))) if good else ())
            for array in batch:
                yield array if isinstance(array, ImageError) else next(rows)

    def _array(self, size: int, find: Finder, image: ImageSource) -> NDArray[np.uint8] | ImageError:
        try:
            seen = decode_source(image, self.max_megapixels, self.greys, find)
            return np.asarray(resize_image(seen, size), dtype=np.uint8)
        except ImageError as error:
            return error
        except MemoryError:
            return ImageError(NO_MEMORY)

    def _predictions(self, found: Outputs) -> list[Prediction]:
        probabilities, features = found
        if not np.isfinite(probabilities).all():
            raise UserError(
                "the model predicts NaN or infinite probabilities: it is damaged, or Ballast did"
                " not train it; train a new one"
            )
        unlike: list[float] | list[None] = [None] * len(probabilities)
        trained_on = [False] * len(probabilities)
        if self.known and features is not None:
            distances = nearest_distance(features, self.known.features)
            unlike = novelty_at(distances, self.known).tolist()
            trained_on = (distances == 0).tolist()
        sets: list[list[str]] | list[None] = [None] * len(probabilities)
        if self.thresholds:
            places = prediction_sets(probabilities, self.thresholds)
            sets = [[self.classes[place] for place in found] for found in places]
        return [
            Prediction(
                self.classes[row.argmax()],
                dict(zip(self.classes, row.tolist(), strict=True)),
                share,
                class_set,
                was_trained_on,
            )
            for row, share, class_set, was_trained_on in zip(
                probabilities, unlike, sets, trained_on, strict=True
            )
        ]


def is_one(images: ImageSource | Iterable[ImageSource]) -> bool:
    """Whether this is one image, though most kinds could be iterated over, too.

    An array of 4 dimensions holds several; any other is meant as an image, right or wrong.
    """
    if isinstance(images, np.ndarray):
        return images.ndim != 4 and images.dtype != object
    if hasattr(images, "read"):
        return True
    return isinstance(images, str | PathLike | bytes | bytearray | memoryview | Image.Image)


def decode_source(
    image: ImageSource,
    max_megapixels: float,
    greys: Range | None = None,
    find: Finder | None = None,
) -> Image.Image:
    """Decode an image from any source as decode_image does.

    Args:
        image: from any source.
        max_megapixels: larger ones are refused.
        greys: the range of deep greys, as in training.
        find: from shard_finder, for paths; without it, a shard is listed for each.

    Raises:
        ImageError: if it cannot be read, or is larger than `max_megapixels`.
        TypeError: if it is no ImageSource.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise TypeError(
                "an array must be uint8, (height, width, 3) or (height, width),"
                f" not {image.dtype} {image.shape}"
            )
        return Image.fromarray(image).convert("RGB")
    if isinstance(image, Image.Image):
        try:
            return as_seen(image, greys)
        except OSError as error:  # the image was opened but not loaded, and is broken
            raise ImageError(f"broken image: {error}") from None
    most = most_bytes(max_megapixels)
    if isinstance(image, str | PathLike):
        data = _read(most, find or shard_finder(Path()), fspath(image))
    elif isinstance(image, bytes | bytearray | memoryview):
        data = bytes(image)
    elif hasattr(image, "read"):
        data = image.read(most + 1)  # no more than is needed to refuse it
        if not isinstance(data, bytes):
            raise TypeError("the file must be open for reading bytes, with mode 'rb'")
        if len(data) > most:
            raise ImageError(TOO_LARGE)
    else:
        raise TypeError(_not_an_image(image))
    return decode_image(data, max_megapixels, greys=greys)


def _content(most: int, find: Finder, path: str) -> tuple[str, bytes | ImageError]:
    try:
        return path, _read(most, find, path)
    except ImageError as error:
        return path, error


def _pixels(
    max_megapixels: float, greys: Range | None, size: int, content: bytes | ImageError
) -> NDArray[np.uint8] | ImageError:
    """Decode a file's content on a worker, as stream does here."""
    if isinstance(content, ImageError):
        return content
    try:
        with without_warnings():
            image = decode_image(content, max_megapixels, greys=greys)
        return np.asarray(resize_image(image, size), dtype=np.uint8)
    except ImageError as error:
        return error
    except MemoryError:
        return ImageError(NO_MEMORY)


def _not_an_image(image: object) -> str:
    return (
        "an image is a path, bytes, a file open for reading bytes, a Pillow image or a uint8 array,"
        f" not {type(image).__name__}"
    )


def _read(most: int, find: Finder, path: str) -> bytes:
    try:
        problem = unread_path(path)
        found = find(path) if problem else None
        if not problem and is_shard(path):
            problem = shard_problem(Path(path)) or "a shard, which holds several images"
        if problem and not found:
            raise ImageError(problem)
        if (found.size if found else Path(path).stat().st_size) > most:
            raise ImageError(TOO_LARGE)
        return found.read() if found else Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL character in the name
        raise ImageError(f"cannot be read: {error}") from None
