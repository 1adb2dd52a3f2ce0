"""Where ballast predict computes: in this process, or by an engine's workers."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias

from ballast.core.errors import UserError, needing_packages, warn
from ballast.core.files import at_top, read_text
from ballast.core.images import ImageError
from ballast.core.paths import PARAMS

if TYPE_CHECKING:  # it loads TensorFlow, which --help and a wrong command line do without
    from ballast.classifier import Classifier, Prediction

Stream: TypeAlias = "Callable[[Iterable[str]], Iterator[Prediction | ImageError]]"


def streaming(classifier: "Classifier", name: str | None = None) -> Stream:
    """What predicts many files: this process, or an engine if it can.

    Args:
        classifier: the model.
        name: of the engine; None for that of params.yaml, if it is Ballast's.

    Raises:
        UserError: if params.yaml, which has the scheduler of a named engine, cannot be read.
    """
    for_prediction_alone = find_spec("msgspec") is None  # as Ballast may be installed
    if name == "local" or (name is None and (not at_top() or for_prediction_alone)):
        return classifier.stream
    with needing_packages():
        from ballast.core.params import EXACT_BACKBONE, parse_params
    try:
        params = parse_params(read_text(PARAMS))
    except UserError as error:
        if name is not None:
            raise
        # Perhaps of another DVC project, whose params mean nothing here.
        warn(f"{error}; so this machine predicts")
        return classifier.stream
    from ballast.model.own_backbone import own_backbone
    from ballast.workers.processes import engine_of

    engine = engine_of(params.runtime)._replace(name=name or params.runtime.engine)
    if engine.name == "local":
        return classifier.stream
    backbone = own_backbone(classifier.model, params.train)
    if backbone is None:
        warn(f"the model has not the backbone {EXACT_BACKBONE}, so {engine.name} is not used")
        return classifier.stream
    return partial(classifier.stream_elsewhere, backbone=backbone, engine=engine)
