"""The head has scikit-learn's optimum, and what must not change it does not."""

import os
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from ballast.model import head_loss
from ballast.model.head_fitting import (
    EXACT,
    FIXED_SCALE,
    FIXED_STRENGTH,
    FIXED_TAU,
    GRID,
    Head,
    Labels,
    fit_head,
    held_out_probabilities,
    optimum,
    penalty_of,
)
from ballast.model.head_loss import unit_length
from ballast.model.logits import Floats, linear_logits, linear_probabilities

NONE = np.zeros(3)
# Fits a head in its own process, for settings that must precede the import of NumPy.
ELSEWHERE = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from ballast.model.head_fitting import fit_head
from ballast.model.head_strategy import solver_history
labels = np.repeat(np.arange(3), [5, 30, 60])
for seed in range(8):
    noise = np.random.default_rng(seed).normal(0, 1, (95, 400))
    features = np.rint(np.exp(noise + (np.arange(400) % 3 == labels[:, None])))
    head = fit_head(features, labels, np.arange(95), np.ones(95), np.zeros(3), balanced=True)
    print(hashlib.sha256(head.weights.tobytes() + head.bias.tobytes()).hexdigest())
    print(solver_history(head))
"""


class AtOnce(NamedTuple):
    """A head of features that are one block, and the probabilities of photographs held out."""

    features: Floats
    labels: Labels
    head: Head
    apart: Floats


def drawn(counts: list[int], d: int = 40, seed: int = 1) -> tuple[Floats, Labels]:
    """Whole-number features of overlapping classes."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    lifted = np.arange(d) % len(counts) == labels[:, None]
    return np.rint(np.exp(random.normal(1, 1, (len(labels), d)) + 0.7 * lifted)), labels


def fitted(
    features: NDArray[Any], labels: Labels, classes: int = 3, *, balanced: bool = True
) -> Head:
    n = len(labels)
    weights = 1 / np.bincount(labels, minlength=classes)[labels] if balanced else np.ones(n)
    return fit_head(features, labels, np.arange(n), weights, np.zeros(classes), balanced=balanced)


@pytest.mark.parametrize("d", [40, 400])  # fewer and more features than terms
@pytest.mark.parametrize("penalty", [1e-1, 1e-3, 1e-5])
def test_the_optimum_is_that_of_scikit_learn(d: int, penalty: float) -> None:
    features, labels = drawn([5, 30, 60], d)
    unit, weights = unit_length(features), (1 / np.bincount(labels))[labels]
    found = optimum(unit, labels, weights, penalty, NONE)
    strength = 1 / (penalty * weights.sum())
    theirs = LogisticRegression(C=strength, tol=1e-12, max_iter=1000, solver="newton-cholesky")
    theirs.fit(unit, labels, sample_weight=weights)
    assert found.weights == pytest.approx(theirs.coef_.T, abs=1e-6)
    bias = theirs.intercept_ - theirs.intercept_.mean()
    assert found.bias == pytest.approx(bias, abs=1e-6)


@pytest.mark.parametrize("penalty", [1e-1, 1e-3, 1e-5])
def test_the_solver_ends_at_a_gradient_of_nearly_nothing(penalty: float) -> None:
    features, labels = drawn([5, 30, 60])
    steps = optimum(unit_length(features), labels, np.ones(95), penalty, NONE).steps
    assert steps[0].loss == pytest.approx(np.log(3))
    assert steps[-1].gradient_norm < 10 * EXACT
    assert all(later.loss <= earlier.loss + 1e-12 for earlier, later in pairwise(steps))


def test_a_weight_is_a_repetition() -> None:
    features, labels = drawn([5, 30, 60])
    times = np.array([12, 2, 1])[labels]
    unit = unit_length(features)
    weighted = optimum(unit, labels, times.astype(float), 1e-3, NONE)
    index = np.repeat(np.arange(95), times)
    repeated = optimum(unit[index], labels[index], np.ones(len(index)), 1e-3, NONE)
    assert weighted.weights == pytest.approx(repeated.weights, abs=1e-9)
    assert weighted.bias == pytest.approx(repeated.bias, abs=1e-9)


def test_repeated_photographs_and_scaled_weights_give_the_same_head() -> None:
    features, labels = drawn([5, 30, 60])
    once = fitted(features, labels)
    groups = np.tile(np.arange(95), 2)
    weights = 7 / np.bincount(labels)[labels]
    twice = fit_head(
        np.tile(features, (2, 1)), np.tile(labels, 2), groups, np.tile(weights, 2), NONE,
        balanced=True,
    )  # fmt: skip
    assert np.array_equal(once.weights, twice.weights)
    assert np.array_equal(once.bias, twice.bias)


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_offsets_are_logit_adjustment(tau: float) -> None:
    features, labels = drawn([5, 30, 60], d=6)
    unit, offsets = unit_length(features), tau * np.log(np.array([5, 30, 60]) / 95)

    def loss(flat: Floats) -> float:
        slopes, bias = flat[:18].reshape(6, 3), flat[18:]
        logs = log_softmax(unit @ slopes + bias + offsets, axis=1)
        return float((slopes**2).sum() * 1e-2 / 2 - logs[np.arange(95), labels].mean())

    direct = minimize(loss, np.zeros(21), method="BFGS", options={"gtol": 1e-8}).x
    found = optimum(unit, labels, np.ones(95), 1e-2, offsets)
    assert found.weights == pytest.approx(direct[:18].reshape(6, 3), abs=1e-4)
    assert found.bias == pytest.approx(direct[18:] - direct[18:].mean(), abs=1e-4)


def test_weights_and_bias_are_on_the_grid_and_logits_exact() -> None:
    features, labels = drawn([5, 30, 60])
    head = fitted(features, labels)
    for values in (head.weights, head.bias):
        assert np.array_equal(np.rint(values / GRID) * GRID, values)
    order = np.random.default_rng(2).permutation(40)
    shuffled = Head(head.weights[order], head.bias, head.calibration, head.steps)
    assert np.array_equal(
        linear_logits(features, head.weights, head.bias),
        linear_logits(features[:, order], shuffled.weights, shuffled.bias),
    )


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("kernel", ["Haswell", "SkylakeX", "Prescott", "Zen"])
def test_head_and_history_have_the_same_bytes_under_every_kernel(
    kernel: str, threads: str, pytestconfig: pytest.Config
) -> None:
    if kernel == "SkylakeX" and "avx512f" not in _cpu_flags():
        pytest.skip("this processor has no AVX-512")

    def digest(**settings: str) -> str:
        command = [sys.executable, "-c", ELSEWHERE, str(pytestconfig.rootpath)]
        run = subprocess.run(
            command, env={**os.environ, **settings}, capture_output=True, text=True, check=True
        )
        return run.stdout

    here = digest(OPENBLAS_NUM_THREADS="1")
    assert digest(OPENBLAS_CORETYPE=kernel, OPENBLAS_NUM_THREADS=threads) == here


def test_a_strategy_that_balances_finds_the_rare_class_more_often() -> None:
    features, labels = drawn([5, 60, 120], seed=3)
    new, truth = drawn([200, 200, 200], seed=4)

    def recall(*, balanced: bool) -> NDArray[np.float64]:
        head = fitted(features, labels, balanced=balanced)
        predicted = linear_logits(new, head.weights, head.bias).argmax(axis=1)
        return np.array([np.mean(predicted[truth == c] == c) for c in range(3)])

    assert recall(balanced=True)[0] > recall(balanced=False)[0] + 0.2
    assert recall(balanced=True).mean() > recall(balanced=False).mean()


def test_without_balance_tau_is_0() -> None:
    assert fitted(*drawn([5, 30, 60]), balanced=False).calibration.tau == 0


def test_a_class_of_one_photograph_takes_the_fixed_values() -> None:
    head = fitted(*drawn([1, 12, 35]))
    assert head.calibration == (FIXED_STRENGTH, FIXED_SCALE, FIXED_TAU, {})
    assert np.isfinite(head.weights).all()


def test_variants_are_held_out_with_their_photograph() -> None:
    # Random features: a variant left in training would reveal the class of its photograph.
    random = np.random.default_rng(1)
    photographs = np.rint(random.exponential(100, (40, 300)))
    features, labels = np.tile(photographs, (3, 1)), np.tile(np.repeat([0, 1], 20), 3)
    head = fit_head(
        features, labels, np.tile(np.arange(40), 3), np.ones(120), np.zeros(2), balanced=True
    )
    assert min(head.calibration.losses.values()) > 0.6


def test_the_penalty_goes_by_groups() -> None:
    assert penalty_of(0.1, np.array([0, 0, 1, 2, 2])) == pytest.approx(1 / 30)


def test_same_features_with_other_labels_are_equally_likely() -> None:
    features = np.ones((30, 8))
    head = fitted(features, np.repeat([0, 1, 2], 10))
    found = linear_probabilities(features, head.weights, head.bias)
    assert found == pytest.approx(np.full((30, 3), 1 / 3), abs=1e-3)


def test_features_of_zeros_leave_the_bias() -> None:
    head = fitted(np.zeros((20, 8)), np.repeat([0, 1], [5, 15]), 2, balanced=False)
    assert not head.weights.any()
    assert np.isfinite(linear_probabilities(np.zeros((1, 8)), head.weights, head.bias)).all()


def test_200_classes() -> None:
    features, labels = drawn([2] * 200, d=50)
    head = fitted(features, labels, 200)
    found = linear_probabilities(features, head.weights, head.bias)
    assert found.sum(axis=1) == pytest.approx(np.ones(400))


@pytest.fixture(scope="module", params=[95, 1200])  # of few terms, the features are reduced first
def at_once(request: pytest.FixtureRequest) -> AtOnce:
    n: int = request.param
    features, labels = drawn([n // 19, 6 * n // 19, 12 * n // 19], d=200)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(head_loss, "BLOCK", n)
        head = fitted(features, labels)
        return AtOnce(features, labels, head, held_out(labels, np.arange(len(labels)), features))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint16])
@pytest.mark.parametrize(("cores", "held"), [(1, 2**27), (3, 0)])
def test_the_head_does_not_depend_on_blocks_parts_cores_and_memory(
    monkeypatch: pytest.MonkeyPatch, at_once: AtOnce, dtype: type, cores: int, held: int
) -> None:
    features, labels, expected, apart = at_once
    monkeypatch.setattr(head_loss, "BLOCK", 50)
    monkeypatch.setattr(head_loss, "PART", 90)
    monkeypatch.setattr(head_loss, "HELD", held)
    monkeypatch.setattr(head_loss, "cpu_count", lambda: cores)
    converted: NDArray[Any] = features.clip(max=60_000).astype(dtype)
    assert np.array_equal(converted, features)
    head = fitted(converted, labels)
    assert np.array_equal(head.weights, expected.weights)
    assert np.array_equal(head.bias, expected.bias)
    assert head.calibration == expected.calibration
    assert np.array_equal(held_out(labels, np.arange(len(labels)), converted), apart)


def test_features_are_not_copied() -> None:
    features, labels = drawn([1000, 1000, 2000], d=1000)
    whole = features.clip(max=60_000).astype(np.uint16)
    tracemalloc.start()
    fitted(whole, labels)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < features.nbytes / 2  # of a copy in float64


def test_a_class_without_weight_is_an_error() -> None:
    features, labels = drawn([5, 30, 60])
    with pytest.raises(ValueError, match="weight above 0"):
        optimum(unit_length(features), labels, (labels > 0).astype(float), 1e-3, NONE)


def _cpu_flags() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""


def held_out(labels: Labels, groups: Labels, features: NDArray[Any]) -> Floats:
    ones, k = np.ones(len(labels)), int(labels.max()) + 1
    head = fit_head(features, labels, groups, ones, np.zeros(k), balanced=True)
    every = np.arange(len(labels))
    found = held_out_probabilities(
        features, labels, groups, ones, np.zeros(k), head.calibration, every
    )
    some = every[::-3]
    of_some = held_out_probabilities(
        features, labels, groups, ones, np.zeros(k), head.calibration, some
    )
    assert np.allclose(of_some, found[some], atol=1e-12, equal_nan=True)
    return found


def test_held_out_probabilities_do_not_know_the_term_s_label() -> None:
    features, labels = drawn([10, 30, 55])
    groups = np.arange(95)
    before = held_out(labels, groups, features)
    assert np.allclose(before.sum(axis=1), 1)
    assert (before.argmax(axis=1) == labels).mean() > 0.7
    swapped = features.copy()
    swapped[3] = features[90]  # a photograph of another class, labelled as this one
    assert held_out(labels, groups, swapped)[3].argmax() == labels[90]


def test_terms_of_a_group_are_held_out_together() -> None:
    features, labels = drawn([10, 30, 55])
    twice = np.concatenate([features, features])
    groups = np.concatenate([np.arange(95), np.arange(95)])
    once = held_out(labels, np.arange(95), features)
    both = held_out(np.concatenate([labels, labels]), groups, twice)
    assert np.array_equal(both[:95], both[95:])
    assert np.allclose(both[:95], once, atol=1e-3)


def test_the_only_group_of_a_class_is_never_held_out() -> None:
    features, labels = drawn([3, 30, 55])
    groups = np.concatenate([[0, 0, 0], np.arange(1, 86)])
    found = held_out(labels, groups, features)
    assert np.isnan(found[:3]).all()
    assert not np.isnan(found[-1]).any()
