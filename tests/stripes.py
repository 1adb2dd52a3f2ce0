"""Small images that a network learns in moments, and a network trained on them."""

import io

import numpy as np
from PIL import Image

from ballast.core.params import Strategy, Train
from ballast.keras_setup import keras
from ballast.model.cnn import build_cnn
from ballast.model.inputs import ImageFiles, ImageSet
from ballast.model.model_file import ModelInfo
from ballast.model.training import TrainingInputs, fit

INFO = ModelInfo(["across", "down", "plain \N{SNAKE}"], max_megapixels=30, threads=2)
PLAIN = Strategy(oversample=False, class_weights=None, balanced_batches=False)
TRAIN = Train(epochs=12, min_epochs=1, batch_size=9, learning_rate=0.01, patience=12, threads=2)


def striped_images() -> ImageSet:
    """Sixty 16 x 16 images: stripes across (0), stripes down (1), plain (2); any colour."""
    generator = np.random.default_rng(1)
    pixels = np.empty((60, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(60, dtype=np.int64) % 3
    wave = np.where(np.arange(16) % 4 < 2, 1.0, 0.2)
    for image, label in zip(pixels, labels, strict=True):
        colour = generator.uniform(100, 255, 3)
        pattern = [wave[:, None], wave[None, :], np.full((1, 1), 0.6)][label]
        image[:] = np.broadcast_to(pattern, (16, 16))[:, :, None] * colour
    return ImageSet(pixels, labels)


def trained(images: ImageSet, *, seed: int = 1) -> keras.Model:
    """A network that has learnt the images."""
    keras.utils.set_random_seed(seed)
    model = build_cnn(16, 3)
    fit(model, TrainingInputs(images, images, np.ones(3), PLAIN, seed), TRAIN)
    return model


def in_files(images: ImageSet) -> ImageFiles:
    """The same images as PNG files."""
    files = []
    for pixels in images.pixels:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        files.append(file.getvalue())
    paths = [f"{place}.png" for place in range(len(files))]
    return ImageFiles(files.__getitem__, images.labels, 16, 2, paths)
