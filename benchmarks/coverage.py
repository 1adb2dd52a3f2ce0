"""Simulate test sets: how often intervals hold the truth, and how often equal strategies differ.

    python -m benchmarks.coverage                    about 20 minutes on one core
    python -m benchmarks.coverage --draws 100        a quick look
    python -m benchmarks.coverage --csv cells.csv    every cell, not just the extremes
    python -m benchmarks.coverage --tables power calibration    these tables alone, in a minute

Draws --draws test sets for each cell: sizes of the classes, recalls, groups of photographs, their
correlation, training noise, number of trainings, two strategies that are equal or differ, and a
number of photographs by class that is given or left to chance. A photograph is classified correctly
where this sum is above 0: the probit of the recall, the offset of this training for this class
(--noise is its standard deviation), and a standard normal number, of which the share `correlation`
is common to a group. Of the group's part, 70 % is common to both strategies; of the photograph's,
50 % to both and 75 % to all trainings of one.

The truth is that of these two models with one training, and that of the strategies' mean recalls
with several. A cell with a coverage below 0.93, or a share of significant equal strategies above
0.055, is drawn again with other numbers, 10 and then 50 times as often, and the last result counts.

Prints two Markdown tables, each figure the worst of its row's cells; the cells that miss the
requirements; and the number of contradictions between words, p values and intervals. There is no
requirement for hints of equal strategies, so these are not a reason to draw a cell again; those of
a single recall are of the class that has the most. Then come small tables:

- `optimism` of the best of six equal strategies;
- `power`: the share of significant differences of a recall on as many independent photographs as
  are said to be needed, for the true rates and for 10 points whatever was seen;
- `calibration`: the calibration error of perfectly calibrated models, and what is shown beside it.
"""

import argparse
import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, softmax
from tabulate import tabulate

from ballast.comparison.contrasts import (
    FEWEST_DISCORDANT,
    SIGNIFICANCE,
    TEN_POINTS,
    Decision,
    Discordance,
    decide,
    difference,
    differences,
    discordances,
    effective_discordant,
    excludes_zero,
    p_value_of,
    photographs_needed,
    select,
)
from ballast.comparison.optimism import optimism
from ballast.scores.calibration import perfect_calibration_error
from ballast.scores.effective import Indices
from ballast.scores.estimates import Estimate, estimate
from ballast.scores.intervals import Interval
from ballast.scores.judged import Judged
from ballast.scores.metrics import calibration_error, reliability
from ballast.scores.predictions import Predictions
from ballast.scores.proportions import Array

TABLES = ("cells", "optimism", "power", "calibration")
LEAST_COVERAGE, MOST_SIGNIFICANT = 0.93, 0.055
TESTS: dict[str, list[int]] = {
    "5/1/7": [5, 1, 7],
    "3/10/30": [3, 10, 30],
    "10/10/10": [10, 10, 10],
    "5/20/35": [5, 20, 35],
    "ten of 1 to 5": [1, 2, 3, 4, 5] * 2,
    "40 each": [40, 40, 40],
    "200 each": [200, 200, 200],
}
RECALLS = {"low": [0.3, 0.5, 0.7], "mixed": [0.6, 0.8, 0.9], "high": [0.98, 0.95, 0.98]}
GAINS = [-0.8, 0.0, -0.4]  # probits by which the reference is worse, where strategies differ
GROUPS = [(1, 0.0), (4, 0.0), (4, 0.3), (4, 0.8), (8, 0.0), (8, 0.3), (8, 0.8)]
TRAININGS = [(1, 0.0), (1, 0.3), (1, 0.45), (5, 0.0), (5, 0.3), (5, 0.45)]
# Where classes are left to chance, few cells, and so many draws for each layout.
CHANCE_GROUPS, CHANCE_TRAININGS = [(1, 0.0), (4, 0.3), (8, 0.8)], [(1, 0.0), (5, 0.3)]
DRAWS_OF_LAYOUT = 40
OVERALL = ("accuracy", "balanced_accuracy")
CHECKED = 4  # test sets of each batch whose comparisons are checked for contradictions
# By chance, a share of 0.0526 exceeds 0.055 in 1 of 4 times 4,000 draws, in 1 of 16 times 20,000.
FACTORS = (1, 10, 50)
BATCH = 500  # test sets that are simulated at a time
# True shares of photographs that only the strategy, and only the reference, classifies correctly.
PAIRS = [(0.75, 0.0), (0.2, 0.0), (0.1, 0.0), (0.15, 0.05), (0.2, 0.1), (0.3, 0.2)]
LOOKED_AT = (1, 3, 10)
CLASSES, PHOTOGRAPHS = (3, 10), (13, 40, 200)
SHARPNESS = (1, 3, 10)  # standard deviations of the logits of perfectly calibrated models


class Cell(NamedTuple):
    """One setting of the simulation."""

    test: str
    recalls: str
    equal: bool  # whether both strategies have the same recalls
    group: int  # photographs in each group
    correlation: float
    trainings: int
    noise: float
    given: bool  # whether the number of photographs by class is given, not left to chance


class Batch(NamedTuple):
    """What the simulation of several test sets of one layout found."""

    draws: int
    held: dict[str, Array]  # shares of intervals that hold the truth, () or (k,)
    significant: dict[str, Array]  # shares of comparisons
    hints: dict[str, Array]  # the same, () or (k,), also of hints and significant ones together
    contradictory: list[bool]  # of the first comparisons


class Result(NamedTuple):
    """What the simulation of a cell found."""

    coverage: dict[str, float]  # by metric; of the classes, the lowest; "Δ" marks differences
    highest: dict[str, float]  # the same, of the classes the highest
    significant: dict[str, float]  # shares of comparisons; of recalls, in any class
    hints: dict[str, float]  # shares of comparisons; of recalls, the highest of a single class
    contradictions: int
    checked: int


def main() -> None:
    """Run the benchmark; print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=400, help="test sets of each cell")
    parser.add_argument("--tests", nargs="+", choices=TESTS, default=[*TESTS])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=[*TABLES])
    parser.add_argument("--csv", type=Path, help="file for every cell")
    arguments = parser.parse_args()
    if "cells" in arguments.tables:
        print_cells(arguments.tests, arguments.draws, arguments.csv)
    if "optimism" in arguments.tables:
        print_table([optimism_row(test) for test in arguments.tests])
    if "power" in arguments.tables:
        print_table(
            [power_row(*pair, tests) for pair, tests in itertools.product(PAIRS, LOOKED_AT)]
        )
    if "calibration" in arguments.tables:
        settings = itertools.product(CLASSES, PHOTOGRAPHS, SHARPNESS)
        print_table([calibration_row(*setting) for setting in settings])


def print_cells(tests: Sequence[str], draws: int, path: Path | None) -> None:
    """Simulate the cells of some test sets; print what was found, and write it to a file."""
    found = {cell: settled(cell, draws) for cell in cells() if cell.test in tests}
    print_table(coverage_rows(found))
    print_table(decision_rows(found))
    missed = [*misses(found)]
    print(*missed, sep="\n")
    checked = sum(result.checked for result in found.values())
    contradictions = sum(result.contradictions for result in found.values())
    print(f"{len(found)} cells, {len(missed)} misses.")
    print(f"{contradictions} contradictions in {checked} comparisons.\n")
    if path:
        write_cells(path, found)


def print_table(rows: Sequence[Mapping[str, str | float | None]]) -> None:
    """Print a Markdown table."""
    print(tabulate(rows, headers="keys", floatfmt=".3f", tablefmt="github"), end="\n\n")


def cells() -> Iterator[Cell]:
    """All settings."""
    for test, recalls in itertools.product(TESTS, RECALLS):
        for equal, group, training in itertools.product((True, False), GROUPS, TRAININGS):
            yield Cell(test, recalls, equal, *group, *training, True)
        for group, training in itertools.product(CHANCE_GROUPS, CHANCE_TRAININGS):
            yield Cell(test, recalls, False, *group, *training, False)


def settled(cell: Cell, draws: int) -> Result:
    """The result of a cell; of ever more draws while it misses a requirement."""
    for seed, factor in enumerate(FACTORS):
        result = measured(cell, factor * draws, seed)
        if not [*misses({cell: result})]:
            break
    return result


def measured(cell: Cell, draws: int, seed: int) -> Result:
    """Simulate one cell."""
    generator = np.random.default_rng([seed, *f"{cell}".encode()])
    layouts = 1 if cell.given else max(draws // DRAWS_OF_LAYOUT, 1)
    each = max(draws // layouts, 1)
    batches = [
        simulated(cell, min(BATCH, each - start), generator, layout)
        for layout in (drawn_layout(cell, generator) for _ in range(layouts))
        for start in range(0, each, BATCH)
    ]
    weights = [batch.draws for batch in batches]

    def average(parts: Sequence[dict[str, Array]]) -> dict[str, Array]:
        return {
            name: np.asarray(np.average([of[name] for of in parts], axis=0, weights=weights))
            for name in parts[0]
        }

    held = average([batch.held for batch in batches])
    significant = average([batch.significant for batch in batches])
    hints = average([batch.hints for batch in batches])
    wrong = [contradictory for batch in batches for contradictory in batch.contradictory]
    return Result(
        {name: float(of.min()) for name, of in held.items()},
        {name: float(of.max()) for name, of in held.items()},
        {name: float(of) for name, of in significant.items()},
        {name: float(of.max()) for name, of in hints.items()},
        sum(wrong),
        len(wrong),
    )


def drawn_layout(cell: Cell, generator: np.random.Generator) -> tuple[Indices, Indices]:
    """Class and group of each photograph, classes of at least one group."""
    totals = np.array(TESTS[cell.test])
    if not cell.given:
        groups = -(-totals // cell.group)
        while not (drawn := generator.multinomial(groups.sum(), groups / groups.sum())).all():
            pass
        totals = drawn * cell.group
    true = np.repeat(np.arange(len(totals)), totals)
    within = np.concatenate([np.arange(total) // cell.group for total in totals])
    return true, np.unique(true * true.size + within, return_inverse=True)[1]


def simulated(
    cell: Cell, draws: int, generator: np.random.Generator, layout: tuple[Indices, Indices]
) -> Batch:
    """Draw test sets of one layout."""
    true, groups = layout
    totals = np.array(TESTS[cell.test])
    expected = np.bincount(true) if cell.given else -(-totals // cell.group) * cell.group
    arms, recalls = drawn_arms(cell, true, groups, draws, generator)
    known = [truth(of, expected) for of in recalls]
    held = {name: holds(of, known[1][name]) for name, of in estimate(arms[1], true, groups).items()}
    pairs = discordances(arms[0], arms[1], true, groups)
    intervals = differences(pairs, arms[0], arms[1], true, groups)
    held |= {
        f"Δ {name}": holds(of, known[1][name] - known[0][name]) for name, of in intervals.items()
    }
    levels = dict.fromkeys(OVERALL, 1 - SIGNIFICANCE)
    levels["recall"] = 1 - SIGNIFICANCE / len(totals)
    corrected = {name: difference(of, levels[name]) for name, of in pairs.items()}
    significant = {name: are_significant(of, corrected[name]) for name, of in pairs.items()}
    shares = {name: significant[name].mean() for name in OVERALL}
    shares["recall"] = significant["recall"].any(axis=-1).mean()
    hints = {}
    for name in ("balanced_accuracy", "recall"):
        told = exclude_zero(intervals[name])
        hints[f"{name}: hint"] = np.asarray((told & ~significant[name]).mean(axis=0))
        hints[f"{name}: hint or significant"] = np.asarray(told.mean(axis=0))
    checks = [
        contradictory(
            select(pairs[name], place),
            interval_at(intervals[name], place),
            interval_at(corrected[name], place),
            1 - levels[name],
            bool(significant[name][place]),
        )
        for draw in range(min(CHECKED, draws))
        for name, place in (("balanced_accuracy", (draw,)), ("recall", (draw, draw % len(totals))))
    ]
    return Batch(draws, held, shares, hints, checks)


def drawn_arms(
    cell: Cell, true: Indices, groups: Indices, draws: int, generator: np.random.Generator
) -> tuple[list[Indices], list[Array]]:
    """Predicted classes of two strategies, (draws, s, n), and their true recalls, (draws, k)."""
    k, n, s = len(TESTS[cell.test]), len(true), cell.trainings
    normal, mix = generator.standard_normal, np.sqrt
    of_group, of_photograph = normal((draws, groups.max() + 1)), normal((draws, n))
    other = (true + generator.integers(1, k, (draws, n))) % k
    scale = mix(1 + cell.noise**2) if s > 1 else 1.0
    probits = ndtri(np.resize(RECALLS[cell.recalls], k)) * scale
    arms, recalls = [], []
    for worse in (not cell.equal, False):
        base = probits + worse * np.resize(GAINS, k)
        own = mix(0.7) * of_group + mix(0.3) * normal(of_group.shape)
        easy = mix(0.5) * of_photograph + mix(0.25) * normal((draws, n))
        shared = mix(cell.correlation) * own[:, groups] + mix(1 - cell.correlation) * easy
        chance = mix(0.25 * (1 - cell.correlation)) * normal((draws, s, n))
        offsets = base + cell.noise * normal((draws, s, k))
        right = offsets[..., true] + shared[:, None] + chance > 0
        arms.append(np.where(right, true, other[:, None]))
        recalls.append(
            ndtr(offsets[:, 0]) if s == 1 else np.broadcast_to(ndtr(base / scale), (draws, k))
        )
    return arms, recalls


def truth(recall: Array, photographs: NDArray[np.int64]) -> dict[str, Array]:
    """The metrics in the long run, of classes in these proportions; errors go to all others."""
    k = len(photographs)
    hits, errors = recall * photographs, (1 - recall) * photographs / (k - 1)
    assigned = hits + errors.sum(axis=-1, keepdims=True) - errors
    f1 = 2 * hits / (assigned + photographs)
    return {
        "accuracy": hits.sum(axis=-1) / photographs.sum(),
        "balanced_accuracy": recall.mean(axis=-1),
        "macro_f1": f1.mean(axis=-1),
        "worst_class_recall": recall.min(axis=-1),
        "recall": recall,
        "precision": hits / assigned,
        "f1": f1,
    }


def holds(found: Estimate, known: Array) -> Array:
    """The share of intervals that hold the truth, by class if there are classes."""
    return np.asarray(((found.low <= known + 1e-9) & (known - 1e-9 <= found.high)).mean(axis=0))


def exclude_zero(found: Estimate) -> NDArray[np.bool_]:
    """Which of many intervals exclude 0."""
    return np.asarray((found.low > 0) | (found.high < 0))


def are_significant(of: Discordance, corrected: Estimate) -> NDArray[np.bool_]:
    """Which of many comparisons `decide` calls significant."""
    return exclude_zero(corrected) & (effective_discordant(of) > FEWEST_DISCORDANT - 1e-9)


def interval_at(found: Estimate, place: tuple[int, ...]) -> Interval:
    """One of many intervals."""
    return Interval(float(found.value[place]), float(found.low[place]), float(found.high[place]))


def contradictory(
    of: Discordance, own: Interval, corrected: Interval, level: float, significant: bool
) -> bool:
    """Whether words, p value and intervals of a comparison contradict one another."""
    words, p_value = decide(own, corrected, float(effective_discordant(of)), True), p_value_of(of)
    return (
        significant != (words is Decision.SIGNIFICANT)
        or (words is Decision.NONE) == excludes_zero(own)
        or (words is Decision.SIGNIFICANT and not excludes_zero(corrected))
        or excludes_zero(own) != (p_value < SIGNIFICANCE)
        or excludes_zero(corrected) != (p_value < level)
    )


def optimism_row(test: str, draws: int = 100) -> dict[str, str | float]:
    """By how much the best of six equal strategies is too high, and what is estimated of it."""
    generator, row = np.random.default_rng(0), dict[str, str | float](test=test)
    true = np.repeat(np.arange(len(TESTS[test])), TESTS[test])
    classes, alone = [str(class_) for class_ in np.unique(true)], np.arange(len(true))
    for recall in (0.6, 0.8, 0.9):
        pairs = []
        for seed in range(draws):
            easy, chance = generator.standard_normal(len(true)), generator.standard_normal
            ability = ndtri(recall) + np.sqrt(0.5) * (easy + chance((6, 1, len(true))))
            guesses = np.where(ability > 0, true, (true + 1) % len(classes))
            strategies = [Judged(classes, true, alone, of) for of in guesses]
            recalls = [(guesses[:, 0, true == of] == of).mean(axis=-1) for of in np.unique(true)]
            excess = np.mean(recalls, axis=0).max() - recall
            pairs.append((excess, optimism(strategies, seed, draws=300)))
        row[f"{recall}: true"], row[f"{recall}: estimated"] = np.mean(pairs, axis=0).tolist()
    return row


def power_row(
    only_this: float, only_reference: float, looked_at: int, draws: int = 4000
) -> dict[str, str | float | None]:
    """How often as many photographs as are said to be needed make a difference significant."""
    unlimited, no_training = np.array(np.inf), np.array(0.0)
    true = Discordance(np.array(only_reference), np.array(only_this), unlimited, no_training, 1)
    needed = photographs_needed(true, looked_at)
    sizes = {"as seen": needed.as_seen, "10 points": None}
    if np.isclose(only_this - only_reference, TEN_POINTS):
        sizes["10 points"] = needed.ten_points
    row: dict[str, str | float | None] = {
        "only one is right, %": f"{100 * only_this:.0f} / {100 * only_reference:.0f}",
        "looked at": looked_at,
    }
    for name, size in sizes.items():
        row[f"{name}: photographs"] = size
        row[f"{name}: significant"] = size and share_significant(true, size, looked_at, draws)
    return row


def share_significant(of: Discordance, photographs: int, looked_at: int, draws: int) -> float:
    """The share of test sets of independent photographs on which a recall differs significantly."""
    generator, significant = np.random.default_rng([photographs, looked_at]), 0
    true, alone = np.zeros(photographs, int), np.arange(photographs)
    for start in range(0, draws, BATCH):
        place = generator.random((min(BATCH, draws - start), 1, photographs))
        # Class 1 is wrong: first this model's errors, then the reference's, then none.
        this = (place < of.only_reference).astype(int)
        reference = (place < of.only_reference + of.only_this).astype(int) - this
        pair = discordances(reference, this, true, alone)["recall"]
        corrected = difference(pair, 1 - SIGNIFICANCE / looked_at)
        significant += int(are_significant(pair, corrected).sum())
    return significant / draws


def calibration_row(
    classes: int, photographs: int, sharpness: float, draws: int = 1000
) -> dict[str, float]:
    """The calibration error of perfectly calibrated models, and what is shown beside it."""
    generator, names = np.random.default_rng(0), [f"{class_}" for class_ in range(classes)]
    found = []
    for seed in range(draws):
        logits = sharpness * generator.standard_normal((photographs, classes))
        probabilities = softmax(logits, axis=1)
        true = generator.multinomial(1, probabilities).argmax(axis=1)
        judged = Predictions(
            names, [""] * photographs, [names[class_] for class_ in true], probabilities
        )
        error = calibration_error(reliability([judged]))
        chance = perfect_calibration_error(probabilities, seed)
        confidence = probabilities.max(axis=1).mean()
        found.append((confidence, error, chance.mean, error > chance.highest + 1e-9))
    columns = "mean confidence", "error", "shown", "above the highest shown"
    means = np.mean(found, axis=0).tolist()
    return {
        "classes": classes,
        "photographs": photographs,
        **dict(zip(columns, means, strict=True)),
    }


def nothing_differs(cell: Cell) -> bool:
    """Whether a significant difference is an error; two models differ through their noise."""
    return cell.equal and (cell.trainings > 1 or not cell.noise)


def by_row(found: dict[Cell, Result]) -> Iterator[tuple[dict[str, str], dict[Cell, Result]]]:
    """The cells of each test set, size of groups and correlation."""
    for key in dict.fromkeys((cell.test, cell.group, cell.correlation) for cell in found):
        test, group, correlation = key
        named = {"test": test, "groups": f"{group}, {correlation:g}" if group > 1 else "1"}
        yield named, {cell: r for cell, r in found.items() if cell[0:1] + cell[3:5] == key}


def coverage_rows(found: dict[Cell, Result]) -> list[dict[str, str | float]]:
    """The lowest coverage of each interval."""
    return [
        {**row, **{name: min(r.coverage[name] for r in of.values()) for name in _names(of)}}
        for row, of in by_row(found)
    ]


def decision_rows(found: dict[Cell, Result]) -> list[dict[str, str | float]]:
    """The highest shares of significant differences and hints if equal, and the mean power."""
    rows: list[dict[str, str | float]] = []
    for row, of in by_row(found):
        errors = [r.significant for cell, r in of.items() if nothing_differs(cell)]
        hints = [r.hints for cell, r in of.items() if nothing_differs(cell)]
        power = [r.significant for cell, r in of.items() if not cell.equal]
        rows.append(
            {
                **row,
                **{f"{name}: equal": max(s[name] for s in errors) for name in errors[0]},
                **{name: max(s[name] for s in hints) for name in hints[0]},
                **{
                    f"{name}: differ": float(np.mean([s[name] for s in power]))
                    for name in errors[0]
                },
            }
        )
    return rows


def misses(found: dict[Cell, Result]) -> Iterator[str]:
    """The requirements that cells miss, one a line."""
    for cell, result in found.items():
        for name, share in result.coverage.items():
            if share < LEAST_COVERAGE:
                yield f"{name}: coverage {share:.3f} in {cell}"
        for name, share in result.significant.items():
            if nothing_differs(cell) and share > MOST_SIGNIFICANT:
                yield f"{name}: {share:.3f} significant in {cell}"


def write_cells(path: Path, found: dict[Cell, Result]) -> None:
    """Write every figure of every cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*Cell._fields, "figure", "lowest", "highest"])
        for cell, result in found.items():
            for name, share in result.coverage.items():
                writer.writerow([*cell, name, share, result.highest[name]])
            for name, share in result.significant.items():
                writer.writerow([*cell, f"significant {name}", share, share])
            for name, share in result.hints.items():
                writer.writerow([*cell, name, "", share])


def _names(found: dict[Cell, Result]) -> Sequence[str]:
    return [*next(iter(found.values())).coverage]


if __name__ == "__main__":
    main()
