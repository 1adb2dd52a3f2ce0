"""What exporting needs is asked for without TensorFlow; tests/ballast/test_export.py exports."""

import sys

import pytest

from ballast.core.errors import UserError
from ballast.model.export_packages import refuse_without_packages


def test_only_onnx_needs_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    refuse_without_packages([])
    refuse_without_packages(["tflite"])
    with pytest.raises(UserError) as caught:
        refuse_without_packages(["tflite", "onnx"])
    assert str(caught.value) == (
        "exporting to ONNX needs the dependency group 'export'; run make export"
    )
