"""The file of a classifier with a linear head, written without TensorFlow where possible.

With the exact backbone, the files for one image size and number of classes differ in the head and
the metadata alone. One with a blank head is kept: Keras takes seconds to load, build and save it.
"""

import hashlib
import json

import numpy as np

from ballast.core.params import EXACT_BACKBONE
from ballast.core.source import BALLAST, source_hash
from ballast.core.store import ContentStore
from ballast.model.features import Backbone
from ballast.model.logits import Floats
from ballast.model.model_file import ModelInfo, with_head

# The modules that a blank file depends on, besides those of the backbone.
SHAPING = (
    "model/model_file.py",
    "model/probe.py",
    "model/resizing.py",
    "model/saved.py",
    "model/whole_weights.py",
)


def probe_file(
    backbone: Backbone, weights: Floats, bias: Floats, info: ModelInfo, store: ContentStore
) -> bytes:
    """Make the .keras file of a probe with resizing; equal values yield equal bytes.

    Args:
        backbone: from read_backbone.
        weights: of the head, shape (d, k).
        bias: shape (k,).
        info: metadata.
        store: keeps blank files.
    """
    if backbone.train.backbone != EXACT_BACKBONE:
        return _built(backbone, weights, bias, info)
    code = source_hash(BALLAST / module for module in SHAPING)
    shaping = ["blank probe", backbone.key, len(bias), code]
    key = hashlib.sha256(json.dumps(shaping).encode()).hexdigest()
    store.numbers(key)  # tells the store that the entry is in use
    (record,) = store.read(key, [0])
    if not record:
        nothing = np.zeros_like(weights), np.zeros_like(bias)
        record = store.add(key, {0: _built(backbone, *nothing, info)})[0]
    return with_head(record.data, weights, bias, info)


def _built(backbone: Backbone, weights: Floats, bias: Floats, info: ModelInfo) -> bytes:
    # These load TensorFlow.
    from ballast.model.probe import build_probe
    from ballast.model.resizing import accept_any_size
    from ballast.model.saved import model_bytes

    probe = build_probe(backbone.load(), weights, bias)
    return model_bytes(accept_any_size(probe), info)
