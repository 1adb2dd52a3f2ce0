"""Loads Keras and TensorFlow so that repeating a training gives the same bytes.

Import both from here, never directly: the environment must be set before TensorFlow loads.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Drop settings that would change the weights, or the kernels that compute them.
for name in [*os.environ]:
    if name.startswith(("ONEDNN_", "DNNL_", "TF_ENABLE_", "TF_SET_", "TF_XLA_", "XLA_")):
        del os.environ[name]
# oneDNN picks kernels by the processor's newest instructions, and each kernel rounds differently.
os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"
# By default, TensorFlow uses oneDNN only on processors with certain instructions.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
# make verify-processors runs other kernels on purpose: NAME=VALUE, separated by spaces.
for setting in os.environ.get("BALLAST_TENSORFLOW", "").split():
    name, _, value = setting.partition("=")
    os.environ[name] = value
# Neither read nor write ~/.keras/keras.json, which could change the backend or the float type.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = os.devnull
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what TensorFlow's C++ code prints to stderr; show it if an error is raised."""
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

    # Look for a GPU now, while the warnings on machines without one are held back.
    tf.config.list_physical_devices()

__all__ = ["keras", "make_deterministic", "prepare_training", "quiet", "tf"]


def make_deterministic(seed: int, threads: int, operations: int | None = None) -> None:
    """Seed Keras, TensorFlow, NumPy and Python, and fix the number of threads.

    Call it once per process, before any operation runs.

    Args:
        seed: 0 to 2**32 - 1.
        threads: of an operation, 1 or more. They affect the weights: sums are split into as many
            parts.
        operations: computed at a time; default: as many as threads.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(operations or threads)


def prepare_training(seed: int, threads: int, operations: int | None = None) -> None:
    """Call make_deterministic, and train in mixed precision if there is a GPU.

    Layers built afterwards then compute in float16 and keep their weights in float32 (Micikevicius
    et al. 2018, arXiv:1710.03740). On a CPU everything stays float32: float16 is slower there.

    Args:
        seed: as in make_deterministic.
        threads: as in make_deterministic.
        operations: as in make_deterministic.
    """
    make_deterministic(seed, threads, operations)
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    keras.config.set_dtype_policy("mixed_float16" if has_gpu else "float32")
