"""Every photograph is judged, by heads that saw neither it nor a variant of it."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from ballast.balance.oversampling import plan_rounds
from ballast.core.errors import UserError
from ballast.core.manifest import Row, Subset
from ballast.core.params import EXACT_LEAST_SIZE, Params, parse_params
from ballast.core.store import ContentStore
from ballast.dataset.folds import Trial, fold_trials, given_trial
from ballast.model import cross_validation
from ballast.model.cross_validation import (
    _data,
    cross_validate,
    judgements_of,
)
from ballast.model.features import Backbone, read_backbone
from ballast.model.inputs import ImageFiles
from ballast.scores.predictions import Judgements
from ballast.workers.processes import Engine, each

ROOT = Path(__file__).parents[3]
SIZE = 16
COUNTS = {"red": 3, "green": 8, "blue": 12}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of noise, each class in its own colour."""
    folder, random = tmp_path_factory.mktemp("raw"), np.random.default_rng(1)
    for channel, (name, count) in enumerate(COUNTS.items()):
        (folder / name).mkdir()
        for number in range(count):
            pixels = random.integers(0, 60, (SIZE, SIZE, 3), np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def rows(raw: Path) -> list[Row]:
    """Their manifest: each is a group of its own, and the last of each class is for testing."""
    rows = []
    for path in sorted(raw.rglob("*.png")):
        name, digest = path.parent.name, hashlib.sha256(path.read_bytes()).hexdigest()
        split: Subset = "test" if path.stem == f"{COUNTS[name] - 1}" else "train"
        rows.append(Row(f"{name}/{path.name}", name, split, digest[:12], digest, SIZE, SIZE))
    return rows


@pytest.fixture
def params(raw: Path) -> Params:
    shipped = parse_params((ROOT / "params.yaml").read_text(encoding="utf-8"))
    here = replace(shipped.data, raw=str(raw), image_size=SIZE)
    return replace(shipped, data=here, runtime=replace(shipped.runtime, workers=1))


def colours(
    _: Backbone,
    images: ImageFiles,
    sha256: list[str],
    store: ContentStore,  # noqa: ARG001  # as image_features has it
    engine: Engine,  # noqa: ARG001
) -> NDArray[np.float32]:
    """Take the place of image_features: the mean colours on a grid of 4 by 4 places."""
    found = []
    for place in range(len(sha256)):
        pixels = np.asarray(Image.open(io.BytesIO(images.read(place))), np.float32)
        found.append(pixels.reshape(4, 4, 4, 4, 3).mean(axis=(1, 3)).ravel())
    return np.stack(found)


class Judge:
    """Cross-validates with colours as features, and notes what each head was fitted to."""

    def __init__(self, params: Params, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the backbone, and listen."""
        self.params, self.folder = params, folder
        self.plans: list[Sequence[tuple[Row, int]]] = []
        monkeypatch.setattr(cross_validation, "image_features", colours)
        monkeypatch.setattr(cross_validation, "plan_rounds", self.plan)

    def plan(self, rows: list[Row], targets: Mapping[str, int]) -> Sequence[tuple[Row, int]]:
        """Plan as without the test."""
        self.plans.append(plan_rounds(rows, targets))
        return self.plans[-1]

    def __call__(self, trials: Mapping[int, Sequence[Trial]], *names: str) -> Judgements:
        """Cross-validate strategies."""
        strategies = {name: self.params.strategies[name] for name in names}
        backbone = read_backbone(self.params.train, EXACT_LEAST_SIZE, Path("nowhere"))
        store = ContentStore(self.folder, 10)
        found = cross_validate(trials, strategies, self.params, backbone, store)
        self.heads = {
            (name, seed): judged.heads for name, of in found.items() for seed, judged in of.items()
        }
        return judgements_of(found)


@pytest.fixture
def judge(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    return Judge(params, tmp_path, monkeypatch)


def test_the_folds_of_a_seed_judge_every_photograph_once(rows: list[Row]) -> None:
    for trial in (trials := fold_trials(rows, 3, 1)):
        assert {*trial.train}.isdisjoint(trial.judged)
        assert len(trial.train) + len(trial.judged) == len(rows)
    assert sorted(row for trial in trials for row in trial.judged) == sorted(rows)


def test_a_given_test_folder_is_all_that_is_judged(rows: list[Row]) -> None:
    trial = given_trial(rows)
    assert {row.split for row in trial.judged} == {"test"}
    assert {row.split for row in trial.train} == {"train"}


def test_every_strategy_and_seed_predicts_every_photograph(rows: list[Row], judge: Judge) -> None:
    trials = {seed: fold_trials(rows, 3, seed) for seed in (1, 2)}
    found = judge(trials, "baseline", "balanced")
    assert {name: list(by_seed) for name, by_seed in found.items()} == {
        "baseline": [1, 2],
        "balanced": [1, 2],
    }
    for predictions in (p for by_seed in found.values() for p in by_seed.values()):
        assert predictions.paths == sorted(row.path for row in rows)
        assert predictions.true == [path.split("/")[0] for path in predictions.paths]
        assert predictions.probabilities.sum(axis=1) == pytest.approx(np.ones(len(rows)))
    balanced = found["balanced"][1]
    assert balanced.predicted == balanced.true, "colours are easy to tell apart"
    assert {pair: len(heads) for pair, heads in judge.heads.items()} == dict.fromkeys(
        judge.heads, 3
    )


def test_images_and_heads_have_progress_bars(
    rows: list[Row], judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[str, list[int]] = {}

    def note(items: Iterable[Any], total: int, name: str) -> Iterator[Any]:
        done = [*items]
        assert len(done) == total
        shown.setdefault(name, []).append(total)
        return iter(done)

    monkeypatch.setattr(cross_validation, "with_progress", note)
    judge({seed: fold_trials(rows, 3, seed) for seed in (1, 2)}, "baseline", "balanced")
    assert shown["heads"] == [2 * 2 * 3]
    assert len(shown["images"]) == 2, "one for each seed"


def test_no_head_saw_what_it_judges_nor_a_variant_of_it(rows: list[Row], judge: Judge) -> None:
    trials = fold_trials(rows, 3, 1)
    judge({1: trials}, "balanced")
    for plan, trial in zip(judge.plans, trials, strict=True):
        assert sum(rounds for _, rounds in plan) > len(plan), "there are variants"
        assert {row.group for row, _ in plan}.isdisjoint(row.group for row in trial.judged)


def test_a_fold_judges_the_same_alone_and_among_others(rows: list[Row], judge: Judge) -> None:
    trials = fold_trials(rows, 3, 1)
    every, alone = (judge({1: some}, "balanced")["balanced"][1] for some in (trials, trials[:1]))
    places = [every.paths.index(path) for path in alone.paths]
    assert np.array_equal(every.probabilities[places], alone.probabilities)


@pytest.mark.parametrize(("most", "there"), [(2**26, "threading"), (1000, "local")])
def test_an_engine_fits_the_same_heads_unless_their_features_are_too_many_to_send(
    rows: list[Row], judge: Judge, monkeypatch: pytest.MonkeyPatch, most: int, there: str
) -> None:
    trials = {seed: fold_trials(rows, 3, seed) for seed in (1, 2)}
    here = judge(trials, "baseline", "balanced")
    expected = judge.heads
    asked: list[str] = []

    def noted(*arguments: Any) -> Iterator[Any]:  # noqa: ANN401  # as of each
        asked.append(arguments[2].name)
        return each(*arguments)

    monkeypatch.setattr(cross_validation, "each", noted)
    monkeypatch.setattr(cross_validation, "SENT", most)
    runtime = replace(judge.params.runtime, engine="threading", workers=2)
    judge.params = replace(judge.params, runtime=runtime)
    found = judge(trials, "baseline", "balanced")
    assert asked == [there, there], "once for each seed"
    for (key, heads), others in zip(expected.items(), judge.heads.values(), strict=True):
        for one, other in zip(heads, others, strict=True):
            assert np.array_equal(one.weights, other.weights), key
            assert np.array_equal(one.bias, other.bias), key
    for name, seed in judge.heads:
        probabilities = here[name][seed].probabilities
        assert np.array_equal(found[name][seed].probabilities, probabilities)


def test_an_image_is_read_from_the_store_again_and_checked(tmp_path: Path) -> None:
    store = ContentStore(tmp_path, 10)
    record = store.add("a" * 64, {0: b"an image"})[0]
    assert _data(record) == b"an image"
    light = record._replace(data=b"")
    assert _data(light) == b"an image"
    Path(record.path).write_bytes(b"another")
    with pytest.raises(UserError, match=f"^{record.path}: removed or changed by another run"):
        _data(light)
    Path(record.path).unlink()
    with pytest.raises(UserError, match="run this again"):
        _data(light)
