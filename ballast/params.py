"""The schema of params.yaml: every knob, its type and its range."""

import re
import warnings
from difflib import get_close_matches
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from ballast.errors import UserError

Policy = Literal["keep", "drop", "fatal"]
Flip = Literal["none", "horizontal", "vertical", "both"]
ExportFormat = Literal["tflite", "onnx"]
Name = Annotated[str, StringConstraints(min_length=1)]
# What may be part of a dotted key, and of an experiment's name.
Word = Annotated[str, StringConstraints(pattern=r"^[\w-]+$")]


class Section(BaseModel):
    """A group of params: unknown keys are errors, and no value is converted to another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Data(Section):
    """Which photographs to read, and the side in pixels to which they are resized."""

    raw: Name
    # Pillow refuses images of more than 178 by itself, and warns from 89.
    max_megapixels: float = Field(gt=0, le=89)
    image_size: int = Field(ge=16, le=512)


class Split(Section):
    """Fold `fold` of `folds` is the test set; a `val` share of the rest is for validation."""

    folds: int = Field(ge=2, le=1000)
    fold: int = Field(ge=0)
    val: float = Field(ge=0, lt=1)
    group: str = Field(description="a regular expression, or a .csv file in data.raw; or nothing")
    near_duplicates: int | None = Field(ge=0, le=64, description="bits of 256")
    label_conflicts: Policy
    leakage: Policy


class Augment(Section):
    """Images per class as a multiple of the largest class, and the bounds of each transform."""

    factor: int = Field(ge=1, le=1000)
    rotate: float = Field(ge=0, le=180, description="degrees, each way")
    flip: Flip
    zoom: float = Field(ge=0, le=0.5, description="share of the size, each way")
    shift: float = Field(ge=0, le=0.5, description="share of the size, each way")
    brightness: float = Field(ge=0, le=1, description="share of white, each way")
    contrast: float = Field(ge=0, le=1, description="share of the contrast, each way")
    saturation: float = Field(ge=0, le=1, description="share of the saturation, each way")
    hue: float = Field(ge=0, le=180, description="degrees around the colour circle, each way")
    shear: float = Field(ge=0, le=60, description="degrees, each way")
    blur: float = Field(ge=0, le=0.2, description="share of the size, at most")
    noise: float = Field(ge=0, le=1, description="share of white, at most")
    cutout: float = Field(ge=0, le=1, description="share of the size, at most")
    quality: int = Field(ge=1, le=100, description="JPEG quality")
    quality_drop: int = Field(ge=0, le=99, description="by which the quality may be lower")
    pack: bool = Field(description="a few tar files in place of a file an image")


class Strategy(Section):
    """Which of the prongs a strategy uses, and whether val_loss counts classes alike."""

    oversample: bool
    class_weights: Literal["none", "balanced", "effective"]
    balanced_batches: bool
    weight_power: float = Field(default=1.0, ge=0, le=1)
    beta: float = Field(default=0.99, ge=0, lt=1, description="of effective class_weights")
    logit_adjustment: float = Field(default=0.0, ge=0, le=4, description="tau; 0 for none")
    balanced_val: bool = True


class Train(Section):
    """How the network is trained."""

    epochs: int = Field(ge=1, le=100_000)
    min_epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=65_536)
    learning_rate: float = Field(gt=0, le=10)
    patience: int = Field(ge=1, le=100_000)
    threads: int = Field(ge=1, le=256)
    backbone: Name = "cnn"
    backbone_alpha: float = Field(default=1.0, gt=0, le=2)
    weights: Name = "none"
    fine_tune_epochs: int = Field(default=0, ge=0, le=100_000)
    fine_tune_layers: int = Field(default=20, ge=1, le=100_000)
    fine_tune_rate: float = Field(default=0.1, gt=0, le=1)


class Runtime(Section):
    """How fast, not what: never tracked by DVC."""

    workers: int = Field(ge=0, le=1024, description="files at a time; 0 for one a core")
    engine: Name
    scheduler: str = Field(pattern=r"^((tcp|tls)://\S+:\d+)?$", description="tcp://host:port")
    image_store: int = Field(ge=0, le=1_048_576, description="MiB, at most; 0 for none")
    image_memory: int = Field(ge=0, le=2**24, description="MiB")


class Params(Section):
    """All of params.yaml."""

    seed: int = Field(ge=0, lt=2**32)
    strategy: Name
    data: Data
    split: Split
    augment: Augment
    strategies: dict[Word, Strategy] = Field(min_length=1)
    train: Train
    export: list[ExportFormat] = Field(description="formats to keep the model in besides")
    runtime: Runtime

    @property
    def active_strategy(self) -> Strategy:
        """The row of `strategies` that `strategy` names."""
        return self.strategies[self.strategy]


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
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "no YAML"
        raise UserError(f"params.yaml{where}: {problem}") from None
    # PyYAML's own readers of dates and numbers raise what they like.
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise UserError(f"params.yaml: cannot be read: {_short(str(error))}") from None
    if not isinstance(values, dict):
        raise UserError("params.yaml: must be a mapping of keys to values")
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        raise UserError(_first_problem(error)) from None
    if params.strategy not in params.strategies:
        known = ", ".join(params.strategies)
        raise UserError(
            f"params.yaml: strategy: {params.strategy!r} is not one of the strategies: {known}"
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


def _first_problem(error: ValidationError) -> str:
    """The most telling of pydantic's problems, as one line."""
    # A misspelt key is both unknown and missing: the unknown one says what was typed.
    problems = sorted(error.errors(), key=lambda p: p["type"] != "extra_forbidden")
    problem = problems[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"params.yaml: {key}: no such key{_known_keys(problem['loc'])}"
    if problem["type"] == "missing":
        return f"params.yaml: {key}: this key is missing"
    return f"params.yaml: {key}: {_wanted(problem)}, not {_short(repr(problem['input']))}"


def _known_keys(location: tuple[int | str, ...]) -> str:
    """The keys that exist beside an unknown one, the likeliest first."""
    section: type[BaseModel] = Params
    for part in location[:-1]:
        if section is Params and part == "strategies":
            section = Strategy
        elif part in section.model_fields:
            annotation = section.model_fields[str(part)].annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                section = annotation
    known = list(section.model_fields)
    likely = get_close_matches(str(location[-1]), known, n=1)
    hint = f"; did you mean {likely[0]}?" if likely else ""
    return f"{hint} Keys here: {', '.join(known)}" if hint else f"; keys here: {', '.join(known)}"


def _wanted(problem: ErrorDetails) -> str:
    """What pydantic wanted, in a user's words: 'must be greater than or equal to 1'."""
    words = problem["msg"].replace("a valid integer", "an integer").replace("valid ", "")
    return re.sub(r"^\w+ should", "must", words)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
