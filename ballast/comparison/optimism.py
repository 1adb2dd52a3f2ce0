"""By how much the figure of the best of several strategies is too high."""

from collections.abc import Sequence

import numpy as np

from ballast.scores.effective import group_sums, quotient
from ballast.scores.judged import Judged
from ballast.scores.proportions import Array

DRAWS = 2000


def optimism(strategies: Sequence[Judged], seed: int, draws: int = DRAWS) -> float:
    """Estimate how much too high the best strategy's balanced accuracy is expected to be.

    The best of several strategies is partly the one with the most luck. In each draw, groups of
    photographs are resampled within each class, and trainings within each strategy; the estimate is
    the mean of the winner's drawn balanced accuracy less the same strategy's own expectation (Efron
    and Tibshirani 1993, An Introduction to the Bootstrap, section 17.6). Observed figures differ by
    luck already, so the expectations are the observed figures, shrunk towards their mean (James and
    Stein 1961). `python -m benchmarks.coverage` compares the estimate with the true excess of six
    equal strategies. A class of a single group cannot be resampled, so its luck is left out, and
    the estimate is too low.

    Args:
        strategies: at least one, all of the same photographs.
        seed: seed of the draws, 0 or more.
        draws: number of draws.

    Returns:
        The expected excess, 0 or more, between 0 and 1; 0 for a single strategy.
    """
    if len(strategies) < 2:
        return 0.0
    generator, true, groups = np.random.default_rng(seed), strategies[0].true, strategies[0].groups
    values, drawn = np.zeros(len(strategies)), np.zeros((draws, len(strategies)))
    chosen = [_weights(generator, draws, len(of.predicted)) for of in strategies]
    tested = np.unique(true)
    for class_ in tested:
        members = np.flatnonzero(true == class_)
        right = np.concatenate([of.predicted[:, members] == class_ for of in strategies])
        hits = group_sums(right.astype(float), groups[members])  # (strategies x trainings, groups)
        sizes = group_sums(np.ones(len(members)), groups[members])
        weights = _weights(generator, draws, len(sizes))
        mean = hits.sum(axis=-1) / len(members)
        # A resample of m groups varies by (m - 1) / m of what it should.
        scale = np.sqrt(len(sizes) / max(len(sizes) - 1, 1))
        recalls = mean + scale * ((weights @ hits.T) / (weights @ sizes)[:, None] - mean)
        start = 0
        for place, of in enumerate(strategies):
            rows = slice(start, start := start + len(of.predicted))
            values[place] += right[rows].mean() / len(tested)
            drawn[:, place] += (recalls[:, rows] * chosen[place]).sum(axis=1) / len(tested)
    noise = drawn - values
    centred = noise - noise.mean(axis=1, keepdims=True)
    spread = values - values.mean()
    luck = float(quotient((centred**2).sum(axis=1).mean(), (spread**2).sum(), 1.0))
    expected = values.mean() + spread * max(0.0, 1 - luck)
    best = (expected + noise).argmax(axis=1)
    return max(0.0, float(noise[np.arange(draws), best].mean()))


def _weights(generator: np.random.Generator, draws: int, n: int) -> Array:
    """Shares of n things in resamples of n with replacement, shape (draws, n)."""
    return generator.multinomial(n, np.full(n, 1 / n), draws) / n
