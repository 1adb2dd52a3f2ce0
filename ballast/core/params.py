"""The schema of params.yaml: every key with its type and range."""

import re
import reprlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import yaml
from msgspec import Meta, Struct, inspect, structs

from ballast.core.errors import UserError
from ballast.core.files import refuse_conflict
from ballast.core.greys import Range, as_range
from ballast.core.paths import PARAMS

Policy = Literal["keep", "drop", "fatal"]
Flip = Literal["horizontal", "vertical", "both"]
ExportFormat = Literal["tflite", "onnx"]
# What msgspec raises on a value of another type; the latter on half a surrogate pair.
OTHER_TYPE = (msgspec.ValidationError, UnicodeEncodeError)
# `words` name a type in messages; `description` says what a key does (docs/params.md).
# No file name contains a \0 or half a surrogate pair.
Name = Annotated[
    str,
    Meta(pattern=r"^[^\0\ud800-\udfff]+\Z", extra={"words": "text of at least 1 character"}),
]
# Allowed in a dotted key and in an experiment's name.
Word = Annotated[
    str, Meta(pattern=r"^[\w-]+\Z", extra={"words": "text of only letters, digits, _ and -"})
]
Address = Annotated[
    str,
    Meta(pattern=r"^(tcp|tls)://\S+:\d+\Z", extra={"words": "tcp://host:port"}),
]
# dvc.yaml depends on this folder, so DVC notices changes to the files in it alone.
PRETRAINED = "pretrained/"
EXACT_BACKBONE = "efficientnet_lite0"  # in whole numbers: the same features on every processor
EXACT_LEAST_SIZE = 32  # below, its last map would be padding for the most part
Backbone = Annotated[
    str,
    Meta(
        pattern=rf"^([\w-]+|{PRETRAINED}[^\0\ud800-\udfff]+)\Z",
        extra={"words": f"the name of a network, or {PRETRAINED}FILE"},
    ),
]
Weights = Annotated[
    str,
    Meta(
        pattern=rf"^(imagenet|{PRETRAINED}[^\0\ud800-\udfff]+)\Z",
        extra={"words": f"imagenet or {PRETRAINED}FILE"},
    ),
]
Label = Annotated[
    str,
    Meta(min_length=1, extra={"words": "text, in quotes if it is a number"}),
]
GreyRange = Annotated[
    list[float],
    Meta(min_length=2, max_length=2, extra={"words": "[LOW, HIGH], two numbers"}),
]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of params: unknown keys are errors, and values are not converted between types."""


class Labels(Section, frozen=True):
    """A table of classes, and the columns that its header alone does not tell."""

    table: Name
    file: Name | None = None
    class_: Name | None = msgspec.field(default=None, name="class")
    split: Name | None = None
    group: Name | None = None
    names: Annotated[dict[Label, Name], Meta(description="classes by label")] = {}


class Data(Section, frozen=True):
    """Which photographs to read, and the size to which they are resized."""

    raw: Annotated[
        Name,
        Meta(
            description="folder of photographs: one subfolder per class; or train/, test/ and,"
            " optionally, val/ with one subfolder per class each; see docs/your-photographs.md"
        ),
    ]
    # Pillow itself warns above 89 and refuses images above 178.
    max_megapixels: Annotated[
        float,
        Meta(
            gt=0,
            le=89,
            description="maximum size of a photograph, in megapixels; larger ones are rejected,"
            " except JPEGs of up to 300 that are not progressive, of which less is decoded",
        ),
    ]
    image_size: Annotated[
        int,
        Meta(
            ge=16,
            le=512,
            description="side of the network's square input, in pixels; photographs are resized to"
            " it without cropping",
        ),
    ]
    exclude: Annotated[
        list[Name],
        Meta(
            description="patterns of files that are no photographs, as in .gitignore, relative to"
            " `raw`"
        ),
    ] = []
    labels: Annotated[
        Name | Labels | None,
        Meta(
            description="table in data.raw that has the classes, in place of class folders: a .csv,"
            " .tsv or .jsonl file, or a pattern such as `*/metadata.csv`; null for none; a mapping"
            " of table, file, class, split, group and names also names its columns; see"
            " docs/labels.md"
        ),
    ] = None
    range: Annotated[
        GreyRange | None,
        Meta(
            description="values of deep greys (images of one channel with more than 8 bits) that"
            " become black and white; null: the smallest and the largest in any photograph; see"
            " docs/your-photographs.md"
        ),
    ] = None

    @property
    def label_table(self) -> Labels | None:
        """The table of classes, if there is one."""
        return Labels(table=self.labels) if isinstance(self.labels, str) else self.labels

    @property
    def greys(self) -> Range | None:
        """The range, if one is set."""
        return as_range(self.range)


class Split(Section, frozen=True):
    """How photographs are split into training, validation and test sets without leaks."""

    folds: Annotated[
        int, Meta(ge=2, le=1000, description="number of folds that the photographs are split into")
    ]
    fold: Annotated[
        Annotated[int, Meta(ge=0, le=999)] | None,
        Meta(
            description="fold used as the test set, counted from 0, below `folds`; null: none, so"
            " that the model is trained on all photographs, and cross-validation alone judges it;"
            " unused if data.raw has a test folder",
        ),
    ]
    val: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="share of the other photographs used for validation; above 0, every class"
            " that can spare a group gives at least one; unused if data.raw has a val folder",
        ),
    ]
    group: Annotated[
        Name | None,
        Meta(
            description="groups of photographs to keep in the same set: a regular expression on the"
            " path, or the name of a .csv file in data.raw; null for none; see docs/leaks.md"
        ),
    ]
    near_duplicates: Annotated[
        Annotated[int, Meta(ge=0, le=64)] | None,
        Meta(
            description="maximum difference between near duplicates, in bits of a 256-bit"
            " perceptual hash; null: only identical files are duplicates; see docs/leaks.md"
        ),
    ]
    label_conflicts: Annotated[
        Policy,
        Meta(
            description="what to do with a picture in two classes: report it (keep), leave out all"
            " of its copies (drop) or stop (fatal); see docs/leaks.md"
        ),
    ]
    leakage: Annotated[
        Policy,
        Meta(
            description="what to do with a picture or group in two sets of a given split: report it"
            " (keep), keep only the copies in test, else those in val (drop), or stop (fatal); see"
            " docs/leaks.md"
        ),
    ]


class Augment(Section, frozen=True):
    """How many training images to make from the photographs, and the bounds of each transform."""

    factor: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="images per class, as a multiple of the largest class; without"
            " oversampling, of the class itself",
        ),
    ]
    rotate: Annotated[
        float, Meta(ge=0, le=180, description="maximum rotation either way, in degrees")
    ]
    flip: Annotated[
        Flip | None,
        Meta(description="directions in which images are mirrored at random; null for none"),
    ]
    zoom: Annotated[
        float, Meta(ge=0, le=0.5, description="maximum zoom in or out, as a share of the size")
    ]
    shift: Annotated[
        float,
        Meta(
            ge=0,
            le=0.5,
            description="maximum shift along each axis, either way, as a share of the side",
        ),
    ]
    brightness: Annotated[
        Share, Meta(description="maximum change of brightness, up or down, as a share of white")
    ]
    contrast: Annotated[
        Share,
        Meta(description="maximum change of contrast, up or down, as a share of the contrast"),
    ]
    saturation: Annotated[
        Share,
        Meta(description="maximum change of saturation, up or down, as a share of the saturation"),
    ]
    hue: Annotated[
        float,
        Meta(
            ge=0,
            le=180,
            description="maximum shift around the colour circle, either way, in degrees",
        ),
    ]
    shear: Annotated[
        float,
        Meta(ge=0, le=60, description="maximum lean of vertical lines, either way, in degrees"),
    ]
    blur: Annotated[
        float,
        Meta(
            ge=0,
            le=0.2,
            description="maximum standard deviation of the Gaussian blur, as a share of the side",
        ),
    ]
    noise: Annotated[
        Share,
        Meta(description="maximum standard deviation of the noise, as a share of white"),
    ]
    cutout: Annotated[
        Share,
        Meta(description="maximum side of a grey square over the image, as a share of the image's"),
    ]
    quality: Annotated[int, Meta(ge=1, le=100, description="JPEG quality of the training images")]
    quality_drop: Annotated[
        int,
        Meta(
            ge=0, le=99, description="maximum random reduction of the JPEG quality; below `quality`"
        ),
    ]
    pack: Annotated[
        bool,
        Meta(
            description="write the training images to a few tar files, which DVC transfers faster"
            " than one file per image; see docs/packing.md"
        ),
    ]


class Strategy(Section, frozen=True):
    """Which balancing methods a strategy combines; docs/strategies.md has the formulas."""

    oversample: Annotated[
        bool, Meta(description="augment every class to `augment.factor` times the largest class")
    ]
    class_weights: Annotated[
        Literal["balanced", "effective"] | None,
        Meta(
            description="weights of the classes in the loss: all 1 (null), by the inverse frequency"
            " (balanced) or by the effective number of images (effective)"
        ),
    ]
    balanced_batches: Annotated[
        bool,
        Meta(description="draw equally many images of every class, within one, for each batch"),
    ]
    weight_power: Annotated[
        Share,
        Meta(description="exponent on the class weights; 0 switches them off"),
    ] = 1.0
    beta: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="β of the effective class weights; 0 gives equal weights, values near 1 the"
            " balanced ones",
        ),
    ] = 0.99
    logit_adjustment: Annotated[
        float,
        Meta(ge=0, le=4, description="strength τ of the logit adjustment; 0 switches it off"),
    ] = 0.0
    balanced_val: Annotated[
        bool, Meta(description="give every class the same weight in val_loss")
    ] = True


class Train(Section, frozen=True):
    """How the network is trained."""

    epochs: Annotated[Count, Meta(description="maximum number of epochs")]
    min_epochs: Annotated[
        Count, Meta(description="first epoch, counted from 1, that may be selected as the best")
    ]
    batch_size: Annotated[int, Meta(ge=1, le=65_536, description="images per batch")]
    learning_rate: Annotated[
        float,
        Meta(
            gt=0,
            le=10,
            description="initial learning rate of Adam; halved after `patience` / 3 epochs without"
            " a lower training loss",
        ),
    ]
    patience: Annotated[
        Count, Meta(description="epochs without a lower val_loss after which training stops")
    ]
    threads: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="TensorFlow's threads; they affect the weights, so the number is fixed and"
            " does not follow the machine's cores",
        ),
    ]
    backbone: Annotated[
        Backbone,
        Meta(
            description="network: efficientnet_lite0 (pretrained, the same on every processor), cnn"
            " (small, trained from scratch), a Keras application such as mobilenet_v2, or a saved"
            " Keras model in pretrained/; see docs/backbones.md"
        ),
    ] = EXACT_BACKBONE
    backbone_alpha: Annotated[
        float, Meta(gt=0, le=2, description="width multiplier of a MobileNet; 1 for all others")
    ] = 1.0
    weights: Annotated[
        Weights | None,
        Meta(
            description="initial weights of a Keras application: null (trained from scratch),"
            " imagenet or a file in pretrained/; see docs/backbones.md"
        ),
    ] = None
    fine_tune_epochs: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="maximum number of epochs that train the backbone's top layers after the"
            " head; 0 for none",
        ),
    ] = 0
    fine_tune_layers: Annotated[
        Count, Meta(description="number of top layers with weights to fine-tune")
    ] = 20
    fine_tune_rate: Annotated[
        float,
        Meta(gt=0, le=1, description="learning rate of fine-tuning, as a share of `learning_rate`"),
    ] = 0.1
    kept_photographs: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="maximum number of training photographs whose features the model file keeps"
            " if it has a linear head, to tell photographs that are unlike them; 0 for none. The"
            " file keeps no names and no pixels",
        ),
    ] = 2000

    @property
    def is_pretrained(self) -> bool:
        """Whether the backbone comes with weights, and is frozen until it is fine-tuned."""
        exact, saved = self.backbone == EXACT_BACKBONE, self.backbone.startswith(PRETRAINED)
        return exact or saved or self.weights is not None

    @property
    def has_linear_head(self) -> bool:
        """Whether a linear head on frozen features is all that is fitted: nothing stops early."""
        return self.is_pretrained and self.fine_tune_epochs == 0


# Of no effect where a linear head is all that is fitted: a solver finds its only optimum.
UNUSED_BY_LINEAR_HEADS = frozenset(
    {
        "split.val",
        "train.batch_size",
        "train.epochs",
        "train.fine_tune_layers",
        "train.fine_tune_rate",
        "train.learning_rate",
        "train.min_epochs",
        "train.patience",
    }
)


class CrossValidation(Section, frozen=True):
    """How often every photograph is judged by a model that has not seen it."""

    seeds: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="trainings of each strategy that judge a photograph, one per seed, from"
            " `seed` on; 0 for none. With a network that is trained by gradient descent there are"
            " none: `ballast cross-validate` runs them",
        ),
    ]
    test_folder: Annotated[
        bool,
        Meta(
            description="whether a test folder in data.raw is judged by as many trainings, too;"
            " false: by the saved model alone. `make compare` sets it to true"
        ),
    ]
    reference: Annotated[
        Name, Meta(description="strategy that `strategy` is compared with, one of `strategies`")
    ]


class Runtime(Section, frozen=True):
    """How stages run; DVC does not track these keys, because they do not change the outputs."""

    workers: Annotated[
        int, Meta(ge=0, le=1024, description="files processed at a time; 0 for one per core")
    ]
    engine: Annotated[
        Name,
        Meta(
            description="what reads photographs, makes images and computes features: local, dask"
            " or another joblib backend; see docs/scale.md"
        ),
    ]
    scheduler: Annotated[
        Address | None,
        Meta(description="address of a running Dask scheduler; null starts one on this machine"),
    ]
    image_store: Annotated[
        int,
        Meta(
            ge=0,
            le=1_048_576,
            description="maximum size of the images and features kept for later runs, in MiB; 0 for"
            " none",
        ),
    ]
    image_memory: Annotated[
        int,
        Meta(
            ge=0,
            le=2**24,
            description="memory for the decoded images of train, in MiB; images that do not fit are"
            " decoded in every epoch; see docs/training-input.md",
        ),
    ]


class Params(Section, frozen=True):
    """All of params.yaml."""

    seed: Annotated[
        int,
        Meta(
            ge=0,
            lt=2**32,
            description="seed of the split, the augmentation, the initial weights and the order of"
            " images",
        ),
    ]
    strategy: Annotated[Name, Meta(description="strategy to use, one of `strategies`")]
    data: Data
    split: Split
    augment: Augment
    strategies: Annotated[
        dict[Word, Strategy],
        Meta(min_length=1, description="strategies by name; each has the keys of a strategy"),
    ]
    train: Train
    cross_validation: CrossValidation
    export: Annotated[
        list[ExportFormat],
        Meta(
            description="formats to write the model in, besides Keras's; needs the dependency group"
            " export; see docs/using.md"
        ),
    ]
    runtime: Runtime

    @property
    def active_strategy(self) -> Strategy:
        """The strategy in `strategies` that `strategy` names."""
        return self.strategies[self.strategy]


def as_dict(section: Section, without: Sequence[str] = ()) -> dict[str, Any]:
    """A section's values by key, except for the keys `without`; nested sections become mappings."""
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
    """Parse and check the text of a params.yaml.

    Args:
        text: YAML.

    Returns:
        The params, each of its declared type and within its range.

    Raises:
        UserError: naming the first wrong key, its value and what would be right.
    """
    return _checked(_parsed(text))


def with_values(text: str, values: Mapping[str, Any]) -> Params:
    """Parse and check the text of a params.yaml of which some values are replaced.

    Args:
        text: YAML.
        values: the new ones, by dotted key.

    Raises:
        UserError: as parse_params.
    """
    changed = _parsed(text)
    for key, value in values.items():
        *above, last = key.split(".")
        section = changed
        for name in above:
            if not isinstance(section.get(name), dict):
                section[name] = {}
            section = section[name]
        section[last] = value
    return _checked(changed)


class _Loader(yaml.SafeLoader):
    """Also reads 1e-05 as a number, as DVC writes it; YAML 1.1 wants a dot in it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+e-\d+\Z"), list("-+0123456789")
)


def _parsed(text: str) -> dict[Any, Any]:
    refuse_conflict(PARAMS, text)
    try:
        values = _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise no_yaml(error) from None
    # PyYAML's constructors of dates and numbers raise errors of all these kinds.
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise UserError(f"params.yaml: cannot be read: {_short(str(error))}") from None
    if not isinstance(values, dict):
        raise UserError("params.yaml: must be a mapping of keys to values")
    return values


def _checked(values: dict[Any, Any]) -> Params:
    try:
        params = msgspec.convert(values, Params)
    except OTHER_TYPE:
        _check_strategies(values, lambda name: _is(name, Name))
        raise UserError(f"params.yaml: {_first_problem(values, Params)}") from None
    _check_strategies(values, params.strategies.__contains__)
    if params.data.range is not None and params.data.greys is None:
        raise UserError(
            "params.yaml: data.range: must be [LOW, HIGH] with LOW below HIGH, not"
            f" {_shown(params.data.range)}"
        )
    judged = params.train.has_linear_head and params.cross_validation.seeds > 0
    if params.split.fold is None and not judged:
        raise UserError(
            "params.yaml: split.fold: null leaves the judgement to cross-validation, which needs a"
            " linear head (train.backbone, with fine_tune_epochs 0) and cross_validation.seeds of 1"
            " or more"
        )
    if params.split.fold is not None and params.split.fold >= params.split.folds:
        raise UserError(
            f"params.yaml: split.fold: {params.split.fold} must be below split.folds,"
            f" which is {params.split.folds}"
        )
    if params.split.group:
        _check_pattern(params.split.group)
    backbone, weights = params.train.backbone, params.train.weights
    if weights and backbone == "cnn":
        raise UserError(
            f"params.yaml: train.weights: the cnn is trained from scratch; must be null, not"
            f" {_shown(weights)}"
        )
    if weights and (backbone == EXACT_BACKBONE or backbone.startswith(PRETRAINED)):
        raise UserError(
            f"params.yaml: train.weights: {_shown(backbone)} contains its own weights; must be"
            f" null, not {_shown(weights)}"
        )
    if backbone == EXACT_BACKBONE and params.train.fine_tune_epochs:
        raise UserError(
            f"params.yaml: train.fine_tune_epochs: {EXACT_BACKBONE} computes in whole numbers and"
            f" cannot be fine-tuned; must be 0, not {params.train.fine_tune_epochs}"
        )
    if backbone == EXACT_BACKBONE and params.data.image_size < EXACT_LEAST_SIZE:
        raise UserError(
            f"params.yaml: data.image_size: must be {EXACT_LEAST_SIZE} or more for"
            f" {EXACT_BACKBONE}, not {params.data.image_size}"
        )
    if params.augment.quality_drop >= params.augment.quality:
        raise UserError(
            f"params.yaml: augment.quality_drop: {params.augment.quality_drop} must be below"
            f" augment.quality, which is {params.augment.quality}"
        )
    return params


def _check_strategies(values: dict[Any, Any], right: Callable[[object], bool]) -> None:
    """Refuse names of strategies that are not right, with the names that there are.

    Keys that are missing, and strategies that are no mapping, are left to other messages.
    """
    known, judging = values.get("strategies"), values.get("cross_validation")
    if not isinstance(known, dict) or not known:
        return
    of_reference = judging if isinstance(judging, dict) else {}
    for key, section in (("strategy", values), ("cross_validation.reference", of_reference)):
        last = key.rpartition(".")[2]
        if last in section and not right(section[last]):
            raise UserError(
                f"params.yaml: {key}: {_shown(section[last])} is not one of the strategies:"
                f" {_short(', '.join(map(_named, known)))}"
            )


def no_yaml(error: BaseException | None, path: Path = PARAMS) -> UserError:
    """Make a UserError that says where a file is not valid YAML, and why.

    Args:
        error: of PyYAML, or of ruamel.yaml, which is DVC's parser.
        path: of the file.
    """
    mark = getattr(error, "problem_mark", None)
    where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or getattr(error, "reason", "invalid YAML")
    return UserError(f"{path}{where}: {problem}")


def _check_pattern(group: str) -> None:
    if group.endswith(".csv"):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about syntax that may change in a later Python
            re.compile(group)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(
            f"params.yaml: split.group: {_short(repr(group))} is not a valid regular expression:"
            f" {_short(str(error))}"
        ) from None


def _first_problem(value: object, type_: Any, at: str = "") -> str:  # noqa: ANN401
    """Say where a value does not match a type, and what would be right there.

    msgspec's own messages name neither the keys of a mapping nor the values of a Literal.
    """
    info = inspect.type_info(type_)
    below = f"{at}." if at else ""
    if isinstance(info, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field for field in structs.fields(type_)}
        # A misspelled key is both unknown and missing: report what was typed.
        for key in value:
            if key not in fields:
                return f"{below}{_named(key)}: unknown key{_known_keys(_named(key), [*fields])}"
        for name, field in fields.items():
            if name not in value and field.required:
                return f"{below}{name}: this key is missing"
            if name in value and not _is(value[name], field.type):
                return _first_problem(value[name], field.type, f"{below}{name}")
    kind = info.type if isinstance(info, inspect.Metadata) else info
    if isinstance(kind, inspect.UnionType) and isinstance(value, dict):
        for part in kind.types:
            if isinstance(part, inspect.StructType):
                return _first_problem(value, part.cls, at)
    if isinstance(kind, inspect.DictType) and isinstance(value, dict):
        key_type, item_type = get_args(get_args(type_)[0])
        for key, item in value.items():
            if not _is(key, key_type):
                return _first_problem(key, key_type, f"{below}{_named(key)}")
            if not _is(item, item_type):
                return _first_problem(item, item_type, f"{below}{_named(key)}")
    return f"{at}: must be {in_words(info)}, not {_shown(value)}"


def _is(value: object, type_: Any) -> bool:  # noqa: ANN401
    try:
        msgspec.convert(value, type_)
    except OTHER_TYPE:
        return False
    return True


def in_words(info: inspect.Type) -> str:
    """Describe the values of a type: 'an integer from 1 to 1000'."""
    match info:
        case inspect.Metadata(extra={"words": words}):
            return str(words)
        case inspect.Metadata():
            return in_words(info.type)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"an integer{_range_in_words(info)}"
        case inspect.FloatType():
            return f"a number{_range_in_words(info)}"
        case inspect.LiteralType():
            *others, last = map(repr, info.values)
            return f"{', '.join(others)} or {last}"
        case inspect.UnionType():
            return ", or ".join(map(in_words, info.types))
        case inspect.NoneType():
            return "null"
        case inspect.ListType():
            return f"a list of {in_words(info.item_type)}"
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
    """List the valid keys; propose the one that is most similar to an unknown key."""
    likely = get_close_matches(unknown, known, n=1)
    hint = f"; did you mean {likely[0]}?" if likely else ""
    return f"{hint} Valid keys: {', '.join(known)}" if hint else f"; valid keys: {', '.join(known)}"


def _named(key: object) -> str:
    return _short(key) if isinstance(key, str) else _shown(key)


class _Words(reprlib.Repr):
    """Writes values as Python does, but null, true and false as YAML does."""

    def repr_NoneType(self, value: None, level: int) -> str:  # noqa: N802
        del value, level
        return "null"

    def repr_bool(self, value: bool, level: int) -> str:
        del level
        return "true" if value else "false"


def _shown(value: object) -> str:
    try:
        return _short(_Words().repr(value))  # bounded in length, however deeply the value is nested
    except ValueError:  # an integer with more digits than Python converts to text
        return "a number with too many digits"


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
