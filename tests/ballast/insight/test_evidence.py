"""Evidence maps add up to the logits, to the bit on any processor, and their cells are compared."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ballast.insight.evidence import (
    centred,
    evidence_maps,
    evidence_scale,
    strengths,
)
from ballast.model.cnn import build_cnn
from ballast.model.efficientnet_lite0 import read_network
from ballast.model.efficientnet_lite0_keras import build_features
from ballast.model.head_fitting import GRID
from ballast.model.logits import Floats, linear_logits
from ballast.model.maps import feature_maps, maps_network
from ballast.model.probe import build_probe, probe_of
from ballast.model.weight_files import EXACT_WEIGHTS

SIZE = 64


def case(seed: int, n: int, side: int, d: int, k: int) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Maps, weights and bias as the exact backbone and a Head have them."""
    random = np.random.default_rng(seed)
    maps = random.integers(0, 256, (n, side, side, d), dtype=np.uint8)
    maps[random.random(maps.shape) < 0.7] = 0
    weights = np.rint(random.normal(0, 4000, (d, k))) * GRID
    return maps, weights, np.rint(random.normal(0, 500, k)) * GRID


cases = st.builds(
    case,
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(1, 40),
    st.integers(2, 7),
)


@given(cases)
def test_the_cells_and_the_bias_add_up_to_the_logits(
    made: tuple[NDArray[np.uint8], Floats, Floats],
) -> None:
    maps, weights, bias = made
    features = maps.sum(axis=(1, 2), dtype=np.float64)
    found = evidence_maps(maps, weights).sum(axis=(1, 2)) + centred(bias)
    logits = linear_logits(features, weights, bias)
    assert found == pytest.approx(centred(logits), rel=1e-12, abs=1e-11)
    odds = np.exp(found - found.max(axis=1, keepdims=True))
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert odds == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(cases)
def test_evidence_for_one_class_is_evidence_against_the_others(
    made: tuple[NDArray[np.uint8], Floats, Floats],
) -> None:
    maps, weights, _ = made
    assert evidence_maps(maps, weights).sum(axis=3) == pytest.approx(0, abs=1e-11)


@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_summation_changes_no_bit(
    made: tuple[NDArray[np.uint8], Floats, Floats], random: Random
) -> None:
    maps, weights, _ = made
    order = [*range(len(weights))]
    random.shuffle(order)
    found = evidence_maps(maps[..., order], weights[order])
    assert np.array_equal(found, evidence_maps(maps, weights))


def test_a_photograph_without_features_has_no_evidence() -> None:
    nothing = np.zeros((1, 2, 2, 5), dtype=np.uint8)
    assert not evidence_maps(nothing, np.ones((5, 3))).any()


def test_maps_are_compared_on_the_scale_of_the_typical_one() -> None:
    shown = [np.array([[0.5, -3.0]]), np.array([[2.0, 1.0]]), np.array([[0.1, 9.0]])]
    scale = evidence_scale(shown)
    assert scale == 2.0
    assert evidence_scale([]) == 0.0
    assert strengths(np.array([[-1.0, 0.0, 1.0, 2.0, 3.0]]), scale).tolist() == [
        [0, 0, 128, 255, 255]
    ]
    assert not strengths(np.array([[1.0]]), 0.0).any()


def test_the_maps_of_a_backbone_and_of_a_model_add_up_to_its_features() -> None:
    backbone = build_features(read_network(EXACT_WEIGHTS), SIZE)
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    probe = probe_of(build_probe(backbone, np.ones((1280, 2)), np.zeros(2)))
    assert probe is not None
    networks = maps_network(backbone), maps_network(probe.features)
    assert [network and network.output.shape for network in networks] == [(None, 2, 2, 1280)] * 2
    assert networks[1] is not None
    maps = feature_maps(networks[1], pixels)
    expected = np.asarray(backbone.predict_on_batch(pixels))
    assert np.array_equal(maps.sum(axis=(1, 2), dtype=np.float32), expected)


def test_another_network_has_no_exact_maps() -> None:
    assert maps_network(build_cnn(16, 3)) is None
