"""The packages that exporting needs besides those of the pipeline; asked without loading any."""

from collections.abc import Collection
from importlib.util import find_spec

from ballast.core.errors import UserError


def refuse_without_packages(formats: Collection[str]) -> None:
    """Refuse formats whose converter is not installed.

    Raises:
        UserError: saying how to install it.
    """
    if "onnx" in formats and find_spec("tf2onnx") is None:
        raise UserError("exporting to ONNX needs the dependency group 'export'; run make export")
