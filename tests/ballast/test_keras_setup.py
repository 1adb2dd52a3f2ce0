"""How TensorFlow is set up with a GPU and without one."""

import subprocess
import sys

import pytest

# Processes of their own, since TensorFlow takes such settings once. oneDNN, which keras_setup.py
# turns on, has no float16 for the processors that it is held to, so TensorFlow loads without it.
TRAIN = """
import os
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import tensorflow
import numpy as np
from ballast.keras_setup import keras, prepare_training, tf
from ballast.model.inputs import ImageSet
from ballast.model.cnn import build_cnn
from ballast.core.params import Strategy, Train
from ballast.model.training import TrainingInputs, fit

devices = tf.config.list_physical_devices
tf.config.list_physical_devices = lambda kind: {gpus}
prepare_training(1, 2)
tf.config.list_physical_devices = devices
pixels = np.random.default_rng(1).integers(0, 100, (48, 16, 16, 3), dtype=np.uint8)
labels = np.arange(48) % 2
pixels[labels == 1] += 120
images = ImageSet(pixels, labels)
train = Train(epochs=8, min_epochs=1, batch_size=8, learning_rate=0.01, patience=8, threads=2)
for tau in {adjustments}:
    network = build_cnn(16, 2)
    strategy = Strategy(
        oversample=False, class_weights=None, balanced_batches=False, logit_adjustment=tau
    )
    history = fit(network, TrainingInputs(images, images, np.ones(2), strategy, 1), train)
    print(network.get_layer("stem_convolution").compute_dtype)
    print(network.get_layer("stem_convolution").variable_dtype)
    print(np.isfinite(history["loss"]).all(), max(history["val_accuracy"]) > 0.9)
"""


@pytest.mark.parametrize(
    ("gpus", "adjustments", "computes_in"),
    [("[]", "[0]", "float32"), ("['GPU:0']", "[0, 1]", "float16")],
)
def test_training_is_in_mixed_precision_where_there_is_a_gpu(
    gpus: str, adjustments: str, computes_in: str
) -> None:
    command = [sys.executable, "-c", TRAIN.format(gpus=gpus, adjustments=adjustments)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    of_each = [computes_in, "float32", "True", "True"]
    assert said.split() == of_each * len(adjustments.split(","))
