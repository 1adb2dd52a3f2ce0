"""Keras and TensorFlow, loaded so that the same training gives the same bytes.

Import both from here, never directly: the environment must be set before TensorFlow loads.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Settings from outside that would change the weights, or the kernels that they come from.
for name in [*os.environ]:
    if name.startswith(("ONEDNN_", "DNNL_", "TF_ENABLE_", "TF_SET_", "TF_XLA_", "XLA_")):
        del os.environ[name]
# oneDNN picks kernels by the processor's newest instructions, and they round differently.
os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"
# Left alone, TensorFlow uses oneDNN only on processors that have certain instructions.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
# For make verify-processors, which runs other kernels on purpose: NAME=VALUE, and others after it.
for setting in os.environ.get("BALLAST_TENSORFLOW", "").split():
    name, _, value = setting.partition("=")
    os.environ[name] = value
# A user's ~/.keras/keras.json could change the backend or the float type; nor is one written.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = os.devnull
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what TensorFlow's C++ code says on stderr; show it where an error is raised."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(terminal, said.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


with quiet():
    import keras
    import tensorflow as tf

    # Looks for a GPU now, while the complaints of a machine without one are held back.
    tf.config.list_physical_devices()

__all__ = ["keras", "make_deterministic", "prepare_training", "quiet", "tf"]


def make_deterministic(seed: int, threads: int) -> None:
    """Seed Keras, TensorFlow, NumPy and Python, and fix how operations are cut into threads.

    Call it once in a process, before any operation runs.

    Args:
        seed: 0 to 2**32 - 1.
        threads: 1 or more. It shapes the weights: sums are cut into as many parts.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def prepare_training(seed: int, threads: int) -> None:
    """Do what make_deterministic does, and train in mixed precision where there is a GPU.

    Layers built after it then compute in float16 and keep their weights in float32 (Micikevicius et
    al. 2018, arXiv:1710.03740). On a CPU everything stays float32: float16 is slower there.

    Args:
        seed: as in make_deterministic.
        threads: likewise.
    """
    make_deterministic(seed, threads)
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    keras.config.set_dtype_policy("mixed_float16" if has_gpu else "float32")
