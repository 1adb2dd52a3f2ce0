"""params.yaml: valid values are accepted; errors name the key and the valid range."""

from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import modify_yaml

from ballast.core.errors import UserError
from ballast.core.params import Labels, as_dict, dotted, parse_params, with_values

TEXT = (Path(__file__).parents[3] / "params.yaml").read_text(encoding="utf-8")


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
    assert params.augment.factor == 1
    assert params.active_strategy == params.strategies["balanced"]


def test_the_defaults_of_the_design_are_shipped() -> None:
    train = parse_params(TEXT).train
    assert (train.epochs, train.batch_size, train.learning_rate, train.patience) == (
        100,
        24,
        0.001,
        15,
    )


def test_a_table_of_labels_is_a_name_or_a_mapping() -> None:
    assert parse_params(TEXT).data.label_table is None
    assert parse_params(without("data.labels")).data.label_table is None
    named = parse_params(changed("data.labels", "a.csv")).data
    assert named.label_table == Labels(table="a.csv")
    columns = {"table": "a.csv", "class": "dx", "names": {"1.10": "mole"}}
    mapped = parse_params(changed("data.labels", columns)).data
    assert mapped.label_table == Labels(table="a.csv", class_="dx", names={"1.10": "mole"})
    assert as_dict(mapped)["labels"]["class"] == "dx"


def test_keys_of_a_strategy_that_are_left_out_have_defaults() -> None:
    weights = parse_params(TEXT).strategies["weights"]
    assert (weights.weight_power, weights.beta, weights.logit_adjustment) == (1.0, 0.99, 0.0)


def test_values_of_a_text_are_replaced_by_key() -> None:
    found = with_values(TEXT, {"train.learning_rate": 0.5, "strategies.balanced.beta": 0.9})
    assert (found.train.learning_rate, found.strategies["balanced"].beta) == (0.5, 0.9)
    with pytest.raises(UserError, match=r"seed: must be an integer .* not {'x': 1}"):
        with_values(TEXT, {"seed.x": 1})
    with pytest.raises(UserError, match=r"trian: unknown key; did you mean train\?"):
        with_values(TEXT, {"trian.epochs": 1})


def test_a_small_number_is_one_as_dvc_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT, encoding="utf-8")
    apply_overrides(path, ["train.learning_rate=0.00001"])
    text = path.read_text(encoding="utf-8")
    assert "learning_rate: 1e-05" in text
    assert parse_params(text).train.learning_rate == 1e-5


def test_dvc_leaves_the_shipped_file_as_it_is(tmp_path: Path) -> None:
    # dvc exp run --set-param writes the file anew; `key: null` would become `key:`.
    path = tmp_path / "params.yaml"
    path.write_text(TEXT, encoding="utf-8")
    with modify_yaml(path) as values:
        values["strategy"] = values["strategy"]
    assert path.read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            changed("augment.factr", 3),
            "augment.factr: unknown key; did you mean factor? Valid keys: ",
        ),
        (changed("sede", 1), "sede: unknown key; did you mean seed? Valid keys: seed, strategy, "),
        (
            changed("strategies.weights.exponent", 1),
            "strategies.weights.exponent: unknown key; valid keys",
        ),
        (changed("data", {"raw": "photos", "size": 64}), "data.size: unknown key"),
        (f"{TEXT}\n1: 2", "1: unknown key"),
        (f'{TEXT}\n"\\ud800": 2', "\ud800: unknown key"),
        (f"{TEXT}\n? 0x{'f' * 6000}\n: 2", "a number with too many digits: unknown key"),
        (TEXT.replace("flip: horizontal", 'flip: "\\ud800"'), "augment.flip: must be 'both', "),
        (
            TEXT.replace("data/sample", '"a\\ud800"'),
            "data.raw: must be text of at least 1 character, ",
        ),
        (
            TEXT.replace("group: #", 'group: "\\0.csv" #'),
            "split.group: must be text of at least 1 character, or null, not '\\x00.csv'",
        ),
        (
            TEXT.replace("fold: 0 ", f"fold: 0x{'f' * 6000} "),
            "split.fold: must be an integer from 0 to 999, ",
        ),
        (
            changed("strategies", {2024: {}}),
            "strategies.2024: must be text of only letters, digits, _ and -, ",
        ),
        (changed("strategy", "x" * 10_000), "strategy: 'xxx"),
        (without("train.epochs"), "train.epochs: this key is missing"),
        (changed("train", {}), "train.epochs: this key is missing"),
        (changed("train", None), "train: must be a mapping of keys to values, not null"),
        (changed("data.raw", None), "data.raw: must be text of at least 1 character, not null"),
        (changed("data.raw", ""), "data.raw: must be text of at least 1 character, not ''"),
        (
            changed("split.group", 1),
            "split.group: must be text of at least 1 character, or null, not 1",
        ),
        (changed("augment.factor", 0), "augment.factor: must be an integer from 1 to 1000, not 0"),
        (
            changed("augment.factor", "3"),
            "augment.factor: must be an integer from 1 to 1000, not '3'",
        ),
        (
            changed("augment.factor", 2.5),
            "augment.factor: must be an integer from 1 to 1000, not 2.5",
        ),
        (
            changed("seed", True),
            "seed: must be an integer of at least 0 and below 4294967296, not true",
        ),
        (
            changed("seed", "x" * 20_000),
            "seed: must be an integer of at least 0 and below 4294967296, not 'xxx",
        ),
        (
            changed("split.val", 1.0),
            "split.val: must be a number of at least 0 and below 1, not 1.0",
        ),
        (
            changed("split.near_duplicates", 65),
            "split.near_duplicates: must be an integer from 0 to 64, or null, not 65",
        ),
        (
            changed("train.learning_rate", float("nan")),
            "train.learning_rate: must be a number above 0 and at most 10, not nan",
        ),
        (
            changed("train.learning_rate", float("inf")),
            "train.learning_rate: must be a number above 0 and at most 10, not inf",
        ),
        (
            changed("data.max_megapixels", 10**400),
            "data.max_megapixels: must be a number above 0 and at most 89, not 1000",
        ),
        (
            changed("data.range", [0, 1, 2]),
            "data.range: must be [LOW, HIGH], two numbers, or null, not [0, 1, 2]",
        ),
        (
            changed("data.range", [4095, 0]),
            "data.range: must be [LOW, HIGH] with LOW below HIGH, not [4095.0, 0.0]",
        ),
        (
            changed("data.range", [0, float("inf")]),
            "data.range: must be [LOW, HIGH] with LOW below HIGH, not [0.0, inf]",
        ),
        (changed("augment.pack", "yes"), "augment.pack: must be true or false, not 'yes'"),
        (
            changed("split.leakage", "no"),
            "split.leakage: must be 'drop', 'fatal' or 'keep', not 'no'",
        ),
        (
            changed("strategies.effective.beta", 1),
            "strategies.effective.beta: must be a number of at least 0 and below 1, not 1",
        ),
        (
            changed("strategies.weights.class_weights", "none"),
            "strategies.weights.class_weights: must be 'balanced' or 'effective', or null, not"
            " 'none'",
        ),
        (changed("strategies", {}), "strategies: must be a mapping of at least 1 key, not {}"),
        (
            changed("augment.flip", True),
            "augment.flip: must be 'both', 'horizontal' or 'vertical', or null, not true",
        ),
        (
            changed("data.exclude", [None, False]),
            "data.exclude: must be a list of text of at least 1 character, not [null, false]",
        ),
        (changed("strategy", None), "strategy: null is not one of the strategies: balanced, "),
        (changed("strategy", ""), "strategy: '' is not one of the strategies: balanced, "),
        (changed("strategy", True), "strategy: true is not one of the strategies: balanced, "),
        (
            changed("cross_validation.reference", None),
            "cross_validation.reference: null is not one of the strategies: balanced, ",
        ),
        (
            changed("strategies.mine", 3),
            "strategies.mine: must be a mapping of keys to values, not 3",
        ),
        (
            TEXT.replace("  effective:", "  my own:"),
            "strategies.my own: must be text of only letters, digits, _ and -, not 'my own'",
        ),
        (
            changed("strategies.mine\n", {}),
            "strategies.mine\n: must be text of only letters, digits, _ and -, not 'mine\\n'",
        ),
        (
            changed("export", ["tflit"]),
            "export: must be a list of 'onnx' or 'tflite', not ['tflit']",
        ),
        (
            changed("runtime.scheduler", "here"),
            "runtime.scheduler: must be tcp://host:port, or null, not 'here'",
        ),
        (
            changed("strategy", "balancd"),
            "strategy: 'balancd' is not one of the strategies: balanced, ",
        ),
        (changed("split.fold", 5), "split.fold: 5 must be below split.folds, which is 5"),
        (
            changed("augment.quality_drop", 90),
            "augment.quality_drop: 90 must be below augment.quality, which is 90",
        ),
        (
            changed("data.labels", {"table": "a.csv", "clas": "dx"}),
            "data.labels.clas: unknown key; did you mean class? Valid keys: table, file, class,",
        ),
        (changed("data.labels", {"class": "dx"}), "data.labels.table: this key is missing"),
        (
            changed("data.labels", {"table": "a.csv", "names": {1: "one"}}),
            "data.labels.names.1: must be text, in quotes if it is a number, not 1",
        ),
        (
            changed("data.labels", 3),
            "data.labels: must be text of at least 1 character, or a mapping of keys to values, or",
        ),
        (
            changed("split.group", "(a"),
            "split.group: '(a' is not a valid regular expression: missing )",
        ),
        (
            changed("split.group", "a{99999999999999}"),
            "split.group: 'a{99999999999999}' is not a valid regular expression",
        ),
        (
            changed("train.backbone", "cnn").replace("  weights: null", "  weights: imagenet"),
            "train.weights: the cnn is trained from scratch; must be null",
        ),
        (
            changed("train.weights", "elsewhere/my.weights.h5"),
            "train.weights: must be imagenet or pretrained/FILE, or null, not 'elsewhere/my.",
        ),
        (
            changed("train.backbone", "../my.keras"),
            "train.backbone: must be the name of a network, or pretrained/FILE, not '../my.keras'",
        ),
        (
            changed("train.backbone", "pretrained/a.keras").replace(
                "  weights: null", "  weights: imagenet"
            ),
            "train.weights: 'pretrained/a.keras' contains its own weights; must be null, not",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(text: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_params(text)
    message = str(caught.value)
    assert message.startswith(f"params.yaml: {problem}")
    assert len(message) < 300


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TEXT.replace("seed: 42", "seed: 2020-13-45"), ": cannot be read: month must be in 1..12"),
        (
            TEXT.replace("seed: 42", "seed: !!int abc"),
            ": cannot be read: invalid literal for int()",
        ),
        ("[" * 5000, ": cannot be read: maximum recursion depth exceeded"),
        (f"{TEXT}\0", ": special characters are not allowed"),
        (
            f"{TEXT}\n? [a, b]\n: 2",
            f" line {TEXT.count(chr(10)) + 2}, column 3: found unhashable key",
        ),
        ("seed: [1", " line 1, column 9: expected ',' or ']'"),
        (
            TEXT.replace("seed: 42", "<<<<<<< HEAD\nseed: 42\n=======\nseed: 1\n>>>>>>> other"),
            f" line {TEXT[: TEXT.index('seed: 42')].count(chr(10)) + 1}: git's conflict markers;"
            " keep one side of each conflict, and remove the markers",
        ),
        ("", ": must be a mapping of keys to values"),
        ("- 1", ": must be a mapping of keys to values"),
    ],
)
def test_what_is_no_yaml_of_params_is_told(text: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_params(text)
    assert str(caught.value).startswith(f"params.yaml{problem}")


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        (
            "train.fine_tune_epochs",
            1,
            "efficientnet_lite0 computes in whole numbers and cannot be fine-tuned; must be 0,"
            " not 1",
        ),
        ("data.image_size", 16, "must be 32 or more for efficientnet_lite0, not 16"),
        ("train.weights", "imagenet", "'efficientnet_lite0' contains its own weights; must be"),
    ],
)
def test_what_the_exact_backbone_cannot_do_is_one_line(
    key: str, value: object, problem: str
) -> None:
    with pytest.raises(UserError) as caught:
        parse_params(changed(key, value))
    assert str(caught.value).startswith(f"params.yaml: {key}: {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("train", "pretrained", "head"),
    [
        ({}, True, True),
        ({"backbone": "cnn"}, False, False),
        ({"backbone": "mobilenet_v2"}, False, False),
        ({"backbone": "mobilenet_v2", "weights": "imagenet"}, True, True),
        ({"backbone": "pretrained/mine.keras"}, True, True),
        ({"backbone": "pretrained/mine.keras", "fine_tune_epochs": 1}, True, False),
    ],
)
def test_a_linear_head_is_all_that_is_fitted_on_weights_that_stay(
    train: dict[str, object], pretrained: bool, head: bool
) -> None:
    params = yaml.safe_load(TEXT)
    params["train"] |= train
    found = parse_params(yaml.safe_dump(params)).train
    assert (found.is_pretrained, found.has_linear_head) == (pretrained, head)


def test_a_value_that_is_huge_when_written_out_is_told_in_short() -> None:
    nested = "&a0 [x, x, x, x, x, x, x, x, x]"
    for depth in range(9):  # "billion laughs": a few lines that stand for 9**10 values
        nested = f"&a{depth + 1} [{nested}, {', '.join([f'*a{depth}'] * 8)}]"
    for value in (nested, "&a [*a]", "&a {b: *a}", f"0x{'f' * 20_000}"):
        with pytest.raises(UserError, match="seed: must be an integer") as caught:
            parse_params(TEXT.replace("seed: 42", f"seed: {value}"))
        assert len(str(caught.value)) < 200


def test_numbers_of_a_float_are_floats_whether_or_not_they_have_a_point() -> None:
    params = parse_params(changed("augment.rotate", 15))
    assert repr(as_dict(params)["augment"]["rotate"]) == "15.0"


def test_yaml_is_never_executed(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    with pytest.raises(UserError):
        parse_params(f"seed: !!python/object/apply:pathlib.Path.touch ['{trace}']")
    assert not trace.exists()


def test_keys_are_dotted() -> None:
    assert dotted({"a": {"b": {"c": 1}, "d": None}, "e": ""}) == {"a.b.c": 1, "a.d": None, "e": ""}
