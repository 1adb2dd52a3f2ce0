"""params.yaml: right ones are taken as they are, wrong ones are named with what would be right."""

from pathlib import Path

import pytest
import yaml

from ballast.errors import UserError
from ballast.params import parse_params

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")


def changed(key: str, value: object) -> str:
    params = yaml.safe_load(TEXT)
    *sections, last = key.split(".")
    section = params
    for name in sections:
        section = section[name]
    section[last] = value
    return yaml.safe_dump(params)


def without(key: str) -> str:
    params = yaml.safe_load(TEXT)
    *sections, last = key.split(".")
    section = params
    for name in sections:
        section = section[name]
    del section[last]
    return yaml.safe_dump(params)


def test_the_shipped_params_are_right() -> None:
    params = parse_params(TEXT)
    assert params.seed == 42
    assert params.augment.factor == 3
    assert params.active_strategy == params.strategies["balanced"]


def test_the_defaults_of_the_design_are_shipped() -> None:
    train = parse_params(TEXT).train
    assert (train.epochs, train.batch_size, train.learning_rate, train.patience) == (
        100,
        24,
        0.001,
        15,
    )


def test_keys_of_a_strategy_that_are_left_out_have_defaults() -> None:
    weights = parse_params(TEXT).strategies["weights"]
    assert (weights.weight_power, weights.beta, weights.logit_adjustment) == (1.0, 0.99, 0.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed("augment.factr", 3), ["augment.factr", "no such key", "did you mean factor?"]),
        (TEXT.replace("seed: 42", "seed: 2020-13-45"), ["params.yaml: cannot be read"]),
        (TEXT.replace("seed: 42", "seed: !!int abc"), ["params.yaml: cannot be read"]),
        ("[" * 5000, ["params.yaml: cannot be read"]),
        (changed("seed", "x" * 20_000), ["params.yaml: seed: must be an integer, not 'xxx", "..."]),
        (changed("split.group", "a{99999999999999}"), ["split.group", "no regular expression"]),
        (changed("data.raw", ""), ["data.raw: must have at least 1 character"]),
        (changed("augment.quality_drop", 90), ["augment.quality_drop", "90", "below", "quality"]),
        (changed("split.group", "(a"), ["split.group", "(a", "no regular expression"]),
        (changed("split.leakage", "no"), ["split.leakage", "'keep', 'drop' or 'fatal'", "no"]),
        (changed("sede", 1), ["sede", "no such key", "did you mean seed?"]),
        (changed("strategies.baseline.power", 1), ["strategies.baseline.power", "weight_power"]),
        (changed("strategies.weights.class_weights", "cui"), ["'effective'", "not 'cui'"]),
        (changed("strategies.effective.beta", 1), ["strategies.effective.beta", "less than 1"]),
        (changed("strategies.weights.logit_adjustment", -1), ["logit_adjustment", "equal to 0"]),
        (without("train.epochs"), ["train.epochs", "missing"]),
        (changed("augment.factor", 0), ["augment.factor", "greater than or equal to 1", "not 0"]),
        (changed("augment.factor", "3"), ["augment.factor", "integer", "not '3'"]),
        (changed("augment.factor", 2.5), ["augment.factor", "integer", "2.5"]),
        (changed("seed", True), ["seed", "integer", "True"]),
        (changed("split.val", 1.0), ["split.val", "less than 1"]),
        (changed("split.fold", 5), ["split.fold", "5", "below split.folds"]),
        (changed("augment.flip", "diagonal"), ["augment.flip", "'horizontal'", "diagonal"]),
        (changed("train.learning_rate", float("nan")), ["train.learning_rate", "not nan"]),
        (TEXT.replace("  effective:", "  my own:"), ["strategies.my own", "match", "[\\w-]+"]),
        (changed("strategy", "balancd"), ["strategy", "balancd", "baseline", "balanced"]),
        (changed("train", None), ["train", "not None"]),
        ("seed: [1", ["line 1"]),
        ("", ["mapping"]),
        ("- 1", ["mapping"]),
    ],
)
def test_what_is_wrong_is_named_in_one_line(text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        parse_params(text)
    message = str(caught.value)
    assert message.startswith("params.yaml")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_yaml_is_never_executed(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    with pytest.raises(UserError):
        parse_params(f"seed: !!python/object/apply:pathlib.Path.touch ['{trace}']")
    assert not trace.exists()
