"""Balancing methods have their meaning for a head, too, and its outputs describe it."""

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from stripes import PLAIN

from ballast.core.manifest import AugmentedRow, Row
from ballast.model.head_fitting import Head, fit_head
from ballast.model.head_strategy import (
    LEAST_NORM,
    Terms,
    fit_probe,
    head_choice,
    solver_history,
    source_groups,
)

COUNTS = np.array([6, 18, 36])
ONES = np.ones(3)


@pytest.fixture(scope="module")
def terms() -> Terms:
    """Whole-number features of three overlapping classes; every photograph is its own group."""
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), COUNTS)
    lifted = np.arange(20) % 3 == labels[:, None]
    features = np.rint(np.exp(random.normal(1, 1, (len(labels), 20)) + 0.7 * lifted))
    return Terms(features.astype(np.float32), labels, np.arange(len(labels)))


def fitted(
    terms: Terms, *, class_weights: NDArray[np.float64] = ONES, **strategy: float | bool
) -> Head:
    return fit_probe(terms, class_weights, replace(PLAIN, **strategy))


def chosen(terms: Terms, index: NDArray[np.int64]) -> Terms:
    return Terms(terms.features[index], terms.labels[index], terms.groups[index])


def same(one: Head, other: Head) -> bool:
    return np.array_equal(one.weights, other.weights) and np.array_equal(one.bias, other.bias)


def test_without_balance_every_term_has_the_same_weight(terms: Terms) -> None:
    features, n = terms.features.astype(np.float64), len(terms.labels)
    expected = fit_head(
        features, terms.labels, terms.groups, np.ones(n), np.zeros(3), balanced=False
    )
    assert same(fitted(terms, balanced_val=False), expected)


def test_balanced_batches_are_balanced_class_weights_and_repeated_images(terms: Terms) -> None:
    batches = fitted(terms, balanced_batches=True)
    assert same(batches, fitted(terms, class_weights=60 / (3 * COUNTS)))
    index = np.repeat(np.arange(60), (36 // COUNTS)[terms.labels])
    assert same(batches, fitted(chosen(terms, index)))
    assert not same(batches, fitted(terms))


def test_logit_adjustment_makes_up_for_what_is_not_balanced_yet(terms: Terms) -> None:
    plain, adjusted = fitted(terms), fitted(terms, logit_adjustment=1.0)
    assert not same(plain, adjusted)
    balanced = fitted(terms, balanced_batches=True)
    assert same(fitted(terms, balanced_batches=True, logit_adjustment=1.0), balanced), "not twice"


def test_a_strategy_that_does_not_judge_classes_alike_has_no_tau(terms: Terms) -> None:
    assert fitted(terms, balanced_val=False).calibration.tau == 0
    assert fitted(terms).calibration.tau > 0


def test_images_belong_to_the_group_of_their_photograph() -> None:
    rows = [
        Row(path, "cat", "train", group, "", 1, 1)
        for path, group in (("a.png", "one"), ("b.png", "two"), ("c.png", "one"))
    ]
    images = [
        AugmentedRow(f"{place}.jpg", "cat", source, place, "")
        for place, source in enumerate(["c.png", "a.png", "b.png", "b.png", "a.png"])
    ]
    assert source_groups(images, rows).tolist() == [0, 0, 1, 1, 0]


def test_the_history_is_of_the_solver_and_ends_at_the_optimum(terms: Terms) -> None:
    history = solver_history(fitted(terms))
    assert list(history) == ["loss", "gradient_norm"]
    assert history["loss"][0] == pytest.approx(np.log(3), abs=5e-3)
    assert history["loss"][-1] == min(history["loss"])
    assert history["gradient_norm"][-1] == LEAST_NORM < min(history["gradient_norm"][:-1])


def test_the_history_leaves_out_what_depends_on_the_processor(terms: Terms) -> None:
    head = fitted(terms)
    noise = [step._replace(gradient_norm=step.gradient_norm * (1 + 1e-9)) for step in head.steps]
    noise.append(noise[-1]._replace(gradient_norm=1e-15))
    assert solver_history(head._replace(steps=noise)) == solver_history(head)


def test_the_choice_of_a_head_is_written_by_strength(terms: Terms) -> None:
    head = fitted(terms)
    choice = head_choice(head)
    assert list(choice) == ["strength", "scale", "tau", "losses"]
    assert list(choice["losses"]) == ["1", "0.1", "0.01"]
    assert choice["losses"][f"{choice['strength']:g}"] == min(choice["losses"].values())
    alone = chosen(terms, np.arange(5, 60))  # one photograph of the first class
    assert head_choice(fitted(alone))["losses"] == {}
