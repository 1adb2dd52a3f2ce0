"""A trained model for use in other programs: from images to classes and probabilities.

from ballast.classifier import Classifier

classifier = Classifier.load("models/model.keras")
for prediction in classifier.predict(["rex.jpg", "tom.jpg"]):
    print(prediction.predicted, prediction.probabilities["dog"])
"""

from collections.abc import Generator, Iterable
from contextlib import closing
from functools import partial
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray
from PIL import Image

from ballast.core.errors import UserError
from ballast.core.image_limits import most_bytes
from ballast.core.images import ImageError, as_seen, decode_image, resize_image
from ballast.dataset.listing import unreadable
from ballast.keras_setup import keras
from ballast.model.inference import BATCH_SIZE, predict
from ballast.model.saved import input_size, load_model, read_info
from ballast.workers.threads import ahead

# A path, the bytes of a file, a Pillow image, or a uint8 array: RGB (height, width, 3) or grey
# (height, width).
ImageSource = str | PathLike[str] | bytes | Image.Image | NDArray[np.uint8]


class Prediction(NamedTuple):
    """What the model says of one image."""

    predicted: str  # the likeliest class; the first by name of equal ones
    probabilities: dict[str, float]  # by class; they sum to 1


class Classifier(NamedTuple):
    """A trained model and the names of its classes. It keeps no state, and changes none."""

    model: keras.Model
    classes: list[str]
    max_megapixels: float

    @classmethod
    def load(cls, path: str | PathLike[str] = "models/model.keras") -> "Classifier":
        """Load a model that Ballast trained; nothing else is needed, and nothing is executed.

        Raises:
            UserError: where there is none, it is damaged, or another program made it.
        """
        info = read_info(Path(path))
        return cls(load_model(Path(path)), info.classes, info.max_megapixels)

    def predict(self, images: Iterable[ImageSource]) -> list[Prediction]:
        """Predict images; none give none.

        Raises:
            ImageError: where one cannot be read; use stream to go on without it.
            TypeError: where one is an array of other numbers than uint8, or of another shape.
        """
        predictions: list[Prediction] = []
        for prediction in self.stream(images):
            if isinstance(prediction, ImageError):
                raise ImageError(f"images[{len(predictions)}]: {prediction}")
            predictions.append(prediction)
        return predictions

    def stream(
        self, images: Iterable[ImageSource], workers: int | None = None
    ) -> Generator[Prediction | ImageError, None, None]:
        """Predict any number of images in constant memory, in their order.

        They are predicted in batches of 64, while those of the next two are read and decoded.

        Args:
            images: taken a few batches ahead, so that a generator will do.
            workers: images read and decoded at a time; one a core when left out.

        Yields:
            A prediction, or the error in its place where an image cannot be read.

        Raises:
            TypeError: as predict does.
            UserError: where the model's probabilities are no numbers.
        """
        size = input_size(self.model)
        decode = partial(self._array, size)
        decoded = ahead(decode, images, workers or cpu_count(), 2 * BATCH_SIZE)
        with closing(decoded) as arrays:
            while batch := list(islice(arrays, BATCH_SIZE)):
                good = [array for array in batch if not isinstance(array, ImageError)]
                rows = iter(predict(self.model, np.stack(good)) if good else ())
                for array in batch:
                    yield array if isinstance(array, ImageError) else self._named(next(rows))

    def _array(self, size: int, image: ImageSource) -> NDArray[np.uint8] | ImageError:
        try:
            seen = _decode(image, self.max_megapixels)
            return np.asarray(resize_image(seen, size), dtype=np.uint8)
        except ImageError as error:
            return error
        except MemoryError:
            return ImageError("not enough memory to decode it")

    def _named(self, probabilities: NDArray[np.float64]) -> Prediction:
        if not np.isfinite(probabilities).all():
            raise UserError("the model's probabilities are no numbers; train it again")
        return Prediction(
            self.classes[probabilities.argmax()],
            dict(zip(self.classes, probabilities.tolist(), strict=True)),
        )


def _decode(image: ImageSource, max_megapixels: float) -> Image.Image:
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise TypeError(
                "an array must be uint8, (height, width, 3) or (height, width),"
                f" not {image.dtype} {image.shape}"
            )
        return Image.fromarray(image).convert("RGB")
    if isinstance(image, Image.Image):
        try:
            return as_seen(image)
        except OSError as error:  # opened, not loaded, and broken
            raise ImageError(f"broken image: {error}") from None
    data = image if isinstance(image, bytes) else _read(image, most_bytes(max_megapixels))
    return decode_image(data, max_megapixels)


def _read(path: str | PathLike[str], most: int) -> bytes:
    try:
        problem = unreadable(Path(path)) if str(path) else "gone"
        if problem:
            raise ImageError("no such file" if problem == "gone" else problem)
        if Path(path).stat().st_size > most:
            raise ImageError("larger than any image of data.max_megapixels")
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise ImageError(f"cannot be read: {error}") from None
