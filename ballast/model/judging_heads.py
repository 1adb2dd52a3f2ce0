"""The heads that judged the photographs in cross-validation, kept to show what they looked at."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ballast.core.files import intact
from ballast.model.head_fitting import Head
from ballast.model.logits import Floats
from ballast.model.model_file import npz_arrays, npz_bytes


class JudgingHead(NamedTuple):
    """A head without its history: logits are those of linear_logits."""

    weights: Floats  # shape (d, k)
    bias: Floats  # shape (k,)


def heads_bytes(heads: Sequence[Head]) -> bytes:
    """Serialise heads in their order; there may be none. Equal heads yield equal bytes."""
    # Multiples of a grid, so float32 holds them without loss.
    return npz_bytes(
        {
            "weights": np.array([head.weights for head in heads], np.float32),
            "bias": np.array([head.bias for head in heads], np.float32),
        }
    )


def read_heads(path: Path) -> list[JudgingHead]:
    """Read what heads_bytes wrote.

    Raises:
        UserError: if the file is missing or damaged.
    """
    with intact(path):
        arrays = npz_arrays(path.read_bytes())
        pairs = zip(arrays["weights"], arrays["bias"], strict=True)
        return [JudgingHead(w.astype(np.float64), b.astype(np.float64)) for w, b in pairs]
