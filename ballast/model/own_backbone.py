"""Which backbone a saved model has: with the exact one, its features can be computed elsewhere."""

import numpy as np
from msgspec.structs import replace

from ballast.core.params import EXACT_BACKBONE, Train
from ballast.core.paths import KERAS_DOWNLOADS
from ballast.keras_setup import keras
from ballast.model.features import Backbone, read_backbone
from ballast.model.maps import maps_network
from ballast.model.probe import probe_of
from ballast.model.saved import input_size


def own_backbone(model: keras.Model, train: Train) -> Backbone | None:
    """The exact backbone, if it is that of a model with a linear head; None for other models.

    Args:
        model: a saved model that was loaded.
        train: params of any training.
    """
    probe, exact = probe_of(model.layers[-1]), replace(train, backbone=EXACT_BACKBONE, weights=None)
    if probe is None or maps_network(probe.features) is None:
        return None
    backbone = read_backbone(exact, input_size(model), KERAS_DOWNLOADS)
    own, shipped = probe.features.get_weights(), backbone.load().get_weights()
    same = len(own) == len(shipped) and all(map(np.array_equal, own, shipped))
    return backbone if same else None
