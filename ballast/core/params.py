"""The schema of params.yaml: every knob, its type and its range."""

import re
import reprlib
import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

import msgspec
import yaml
from msgspec import Meta, Struct, inspect, structs

from ballast.core.errors import UserError

Policy = Literal["keep", "drop", "fatal"]
Flip = Literal["none", "horizontal", "vertical", "both"]
ExportFormat = Literal["tflite", "onnx"]
# What msgspec raises of a value of another type; the latter of half a surrogate pair.
OTHER_TYPE = (msgspec.ValidationError, UnicodeEncodeError)
# Descriptions are of the messages. No file can be called by a \0 or half a surrogate pair.
Text = Annotated[str, Meta(pattern=r"^[^\0\ud800-\udfff]*\Z", description="text")]
Name = Annotated[
    str, Meta(pattern=r"^[^\0\ud800-\udfff]+\Z", description="text of at least 1 character")
]
# What may be part of a dotted key, and of an experiment's name.
Word = Annotated[
    str, Meta(pattern=r"^[\w-]+\Z", description="text of letters, digits, _ and - alone")
]
Address = Annotated[
    str, Meta(pattern=r"^((tcp|tls)://\S+:\d+)?\Z", description="tcp://host:port or ''")
]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of params: unknown keys are errors, and no value is converted to another type."""


class Data(Section, frozen=True):
    """Which photographs to read, and the side in pixels to which they are resized."""

    raw: Name
    # Pillow refuses images of more than 178 by itself, and warns from 89.
    max_megapixels: Annotated[float, Meta(gt=0, le=89)]
    image_size: Annotated[int, Meta(ge=16, le=512)]


class Split(Section, frozen=True):
    """Fold `fold` of `folds` is the test set; a `val` share of the rest is for validation."""

    folds: Annotated[int, Meta(ge=2, le=1000)]
    fold: Annotated[int, Meta(ge=0, le=999)]
    val: Annotated[float, Meta(ge=0, lt=1)]
    group: Text  # a regular expression, or a .csv file in data.raw; or nothing
    near_duplicates: Annotated[int, Meta(ge=0, le=64)] | None  # bits of 256
    label_conflicts: Policy
    leakage: Policy


class Augment(Section, frozen=True):
    """Images per class as a multiple of the largest class, and the bounds of each transform."""

    factor: Annotated[int, Meta(ge=1, le=1000)]
    rotate: Annotated[float, Meta(ge=0, le=180)]  # degrees, each way
    flip: Flip
    zoom: Annotated[float, Meta(ge=0, le=0.5)]  # share of the size, each way
    shift: Annotated[float, Meta(ge=0, le=0.5)]  # share of the size, each way
    brightness: Share  # of white, each way
    contrast: Share  # of the contrast, each way
    saturation: Share  # of the saturation, each way
    hue: Annotated[float, Meta(ge=0, le=180)]  # degrees around the colour circle, each way
    shear: Annotated[float, Meta(ge=0, le=60)]  # degrees, each way
    blur: Annotated[float, Meta(ge=0, le=0.2)]  # share of the size, at most
    noise: Share  # of white, at most
    cutout: Share  # of the size, at most
    quality: Annotated[int, Meta(ge=1, le=100)]  # of the JPEG files
    quality_drop: Annotated[int, Meta(ge=0, le=99)]  # by which the quality may be lower
    pack: bool  # a few tar files in place of a file an image


class Strategy(Section, frozen=True):
    """Which of the prongs a strategy uses, and whether val_loss counts classes alike."""

    oversample: bool
    class_weights: Literal["none", "balanced", "effective"]
    balanced_batches: bool
    weight_power: Share = 1.0
    beta: Annotated[float, Meta(ge=0, lt=1)] = 0.99  # of effective class_weights
    logit_adjustment: Annotated[float, Meta(ge=0, le=4)] = 0.0  # tau; 0 for none
    balanced_val: bool = True


class Train(Section, frozen=True):
    """How the network is trained."""

    epochs: Count
    min_epochs: Count
    batch_size: Annotated[int, Meta(ge=1, le=65_536)]
    learning_rate: Annotated[float, Meta(gt=0, le=10)]
    patience: Count
    threads: Annotated[int, Meta(ge=1, le=256)]
    backbone: Name = "cnn"
    backbone_alpha: Annotated[float, Meta(gt=0, le=2)] = 1.0
    weights: Name = "none"
    fine_tune_epochs: Annotated[int, Meta(ge=0, le=100_000)] = 0
    fine_tune_layers: Count = 20
    fine_tune_rate: Annotated[float, Meta(gt=0, le=1)] = 0.1


class Runtime(Section, frozen=True):
    """How fast, not what: never tracked by DVC."""

    workers: Annotated[int, Meta(ge=0, le=1024)]  # files at a time; 0 for one a core
    engine: Name
    scheduler: Address
    image_store: Annotated[int, Meta(ge=0, le=1_048_576)]  # MiB, at most; 0 for none
    image_memory: Annotated[int, Meta(ge=0, le=2**24)]  # MiB


class Params(Section, frozen=True):
    """All of params.yaml."""

    seed: Annotated[int, Meta(ge=0, lt=2**32)]
    strategy: Name
    data: Data
    split: Split
    augment: Augment
    strategies: Annotated[dict[Word, Strategy], Meta(min_length=1)]
    train: Train
    export: list[ExportFormat]  # formats to keep the model in besides
    runtime: Runtime

    @property
    def active_strategy(self) -> Strategy:
        """The row of `strategies` that `strategy` names."""
        return self.strategies[self.strategy]


def as_dict(section: Section, without: Sequence[str] = ()) -> dict[str, Any]:
    """A section's values by key but for those `without`; of sections in it as mappings."""
    values: dict[str, Any] = msgspec.to_builtins(section)
    return {key: value for key, value in values.items() if key not in without}


def dotted(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Flatten nested mappings: {"data": {"raw": "x"}} becomes {"data.raw": "x"}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}{key}"
        flat |= dotted(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def parse_params(text: str) -> Params:
    """Check the text of a params.yaml.

    Args:
        text: YAML.

    Returns:
        The params, every one of its declared type and within its range.

    Raises:
        UserError: naming the first wrong key, what it holds and what would be right.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise no_yaml(error) from None
    # PyYAML's own readers of dates and numbers raise what they like.
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise UserError(f"params.yaml: cannot be read: {_short(str(error))}") from None
    if not isinstance(values, dict):
        raise UserError("params.yaml: must be a mapping of keys to values")
    try:
        params = msgspec.convert(values, Params)
    except OTHER_TYPE:
        raise UserError(f"params.yaml: {_first_problem(values, Params)}") from None
    if params.strategy not in params.strategies:
        raise UserError(
            f"params.yaml: strategy: {_shown(params.strategy)} is not one of the strategies:"
            f" {_short(', '.join(params.strategies))}"
        )
    if params.split.fold >= params.split.folds:
        raise UserError(
            f"params.yaml: split.fold: {params.split.fold} must be below split.folds,"
            f" which is {params.split.folds}"
        )
    _check_pattern(params.split.group)
    if params.train.backbone == "cnn" and params.train.weights != "none":
        raise UserError(
            "params.yaml: train.weights: the cnn is trained from scratch; must be none,"
            f" not {params.train.weights!r}"
        )
    if params.augment.quality_drop >= params.augment.quality:
        raise UserError(
            f"params.yaml: augment.quality_drop: {params.augment.quality_drop} must be below"
            f" augment.quality, which is {params.augment.quality}"
        )
    return params


def no_yaml(error: BaseException | None) -> UserError:
    """What to raise where params.yaml cannot be read: the place and the problem, in one line.

    Args:
        error: of PyYAML, or of ruamel.yaml, which is DVC's reader.
    """
    mark = getattr(error, "problem_mark", None)
    where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or getattr(error, "reason", "no YAML")
    return UserError(f"params.yaml{where}: {problem}")


def _check_pattern(group: str) -> None:
    if group.endswith(".csv"):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read otherwise
            re.compile(group)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(
            f"params.yaml: split.group: {_short(repr(group))} is no regular expression:"
            f" {_short(str(error))}"
        ) from None


def _first_problem(value: object, type_: Any, at: str = "") -> str:  # noqa: ANN401
    """Where a value is not of a type, and what would be right there.

    msgspec's own messages name no key of a mapping, and not what a Literal allows.
    """
    info = inspect.type_info(type_)
    below = f"{at}." if at else ""
    if isinstance(info, inspect.StructType) and isinstance(value, dict):
        fields = {field.name: field for field in structs.fields(type_)}
        # A misspelt key is both unknown and missing: the unknown one says what was typed.
        for key in value:
            if key not in fields:
                return f"{below}{_named(key)}: no such key{_known_keys(_named(key), [*fields])}"
        for name, field in fields.items():
            if name not in value and field.required:
                return f"{below}{name}: this key is missing"
            if name in value and not _is(value[name], field.type):
                return _first_problem(value[name], field.type, f"{below}{name}")
    if isinstance(info, inspect.DictType) and isinstance(value, dict):
        key_type, item_type = get_args(get_args(type_)[0])
        for key, item in value.items():
            if not _is(key, key_type):
                return _first_problem(key, key_type, f"{below}{_named(key)}")
            if not _is(item, item_type):
                return _first_problem(item, item_type, f"{below}{_named(key)}")
    return f"{at}: must be {_in_words(info)}, not {_shown(value)}"


def _is(value: object, type_: Any) -> bool:  # noqa: ANN401
    try:
        msgspec.convert(value, type_)
    except OTHER_TYPE:
        return False
    return True


def _in_words(info: inspect.Type) -> str:
    """What is right for a type: 'an integer from 1 to 1000'."""
    match info:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"an integer{_range_in_words(info)}"
        case inspect.FloatType():
            return f"a number{_range_in_words(info)}"
        case inspect.Metadata(extra_json_schema={"description": words}):
            return str(words)
        case inspect.LiteralType():
            *others, last = map(repr, info.values)
            return f"{', '.join(others)} or {last}"
        case inspect.UnionType():
            return " or ".join(map(_in_words, info.types))
        case inspect.NoneType():
            return "null"
        case inspect.ListType():
            return f"a list, each {_in_words(info.item_type)}"
        case inspect.DictType(min_length=int(length)):
            return f"a mapping of at least {length} key"
    return "a mapping of keys to values"


def _range_in_words(info: inspect.IntType | inspect.FloatType) -> str:
    if info.ge is not None and info.le is not None:
        return f" from {info.ge} to {info.le}"
    bounds = {"above": info.gt, "of at least": info.ge, "below": info.lt, "at most": info.le}
    words = [f"{word} {bound}" for word, bound in bounds.items() if bound is not None]
    return f" {' and '.join(words)}"


def _known_keys(unknown: str, known: Sequence[str]) -> str:
    """The keys that exist beside an unknown one, the likeliest first."""
    likely = get_close_matches(unknown, known, n=1)
    hint = f"; did you mean {likely[0]}?" if likely else ""
    return f"{hint} Keys here: {', '.join(known)}" if hint else f"; keys here: {', '.join(known)}"


def _named(key: object) -> str:
    return _short(key) if isinstance(key, str) else _shown(key)


def _shown(value: object) -> str:
    try:
        return _short(reprlib.repr(value))  # bounded, however deep the value is
    except ValueError:  # of an integer of more digits than Python writes out
        return "one of so many digits"


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
