"""Trained models in the formats of other runtimes: LiteRT (TensorFlow Lite) and ONNX.

Both files take uint8 RGB images of any size, shape (n, height, width, 3), as "images", and give
"probabilities", float32 of shape (n, k): all preprocessing is inside. The class names are inside,
too. Equal models give equal files.
"""

import copy
import importlib
import io
import json
import tempfile
import zipfile
from types import ModuleType
from typing import Any

from ballast.core.errors import UserError
from ballast.keras_setup import keras, quiet, tf
from ballast.model.saved import ModelInfo

# What both converters and onnxruntime know since 2022.
OPSET = 17


def tflite_bytes(model: keras.Model, info: ModelInfo) -> bytes:
    """Convert to LiteRT.

    The class names lie where TensorFlow Lite keeps a model's files: in a zip behind the model, as
    labels.txt with a name a line, which zipfile.ZipFile reads. Runtimes pass over it.

    Args:
        model: as load_model returns it.
        info: of it, the classes.
    """
    archive = keras.export.ExportArchive()
    archive.track(model)
    serve = _serving(model)
    archive.add_endpoint("serve", serve, serve.input_signature)
    with tempfile.TemporaryDirectory() as folder, quiet():
        archive.write_out(folder, verbose=False)
        converted: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo("labels.txt", date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system = 3  # Unix, also where this is not
        archive.writestr(entry, "".join(f"{name}\n" for name in info.classes))
    return converted + file.getvalue()


def onnx_bytes(model: keras.Model, info: ModelInfo) -> bytes:
    """Convert to ONNX.

    The class names are the value of "classes" in the file's metadata, a list in JSON.

    Args:
        model: as load_model returns it.
        info: of it, the classes.

    Raises:
        UserError: where the packages of the group export are not installed.
    """
    tf2onnx = _tf2onnx()
    serve = _serving(model)
    with quiet():
        converted, _ = tf2onnx.convert.from_function(
            serve, input_signature=serve.input_signature, opset=OPSET
        )
    _sort(converted.graph)
    converted.graph.ClearField("doc_string")  # a function's number in this process
    # The converter numbers what has no name.
    shape = converted.graph.input[0].type.tensor_type.shape.dim
    for axis, name in zip(shape, ("n", "height", "width"), strict=False):
        axis.dim_param = name
    converted.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "n"
    classes = converted.metadata_props.add()
    classes.key, classes.value = "classes", json.dumps(info.classes, ensure_ascii=False)
    exported: bytes = converted.SerializeToString(deterministic=True)
    return exported


def _sort(graph: Any) -> None:  # noqa: ANN401  # onnx is there for those who export alone
    """Put nodes and constants into one order and number them: the converter goes by hash sets."""
    makers = {name: node for node in graph.node for name in node.output}
    nodes: list[Any] = []
    placed: set[str] = set()
    stack = [value.name for value in graph.output]
    while stack:  # depth first, and no recursion: networks are deeper than Python's stack
        name = stack[-1]
        inputs = [one for one in makers[name].input if one in makers and one not in placed]
        if name not in placed and inputs:
            stack += reversed(inputs)
            continue
        stack.pop()
        if name not in placed:
            nodes.append(makers[name])
            placed.update(makers[name].output)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    kept = [value.name for value in (*graph.input, *graph.output)]
    names = dict(zip(kept, kept, strict=True)) | {"": ""}
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
        for name in node.input:
            names.setdefault(name, f"constant_{len(names)}")
        for name in node.output:
            names.setdefault(name, f"{node.name}_{len(names)}")
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    used = [constants[name] for name in names if name in constants]
    for tensor in used:
        tensor.name = names[tensor.name]
    nodes, used = copy.deepcopy(nodes), copy.deepcopy(used)
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(used)


EXPORTERS = {"tflite": tflite_bytes, "onnx": onnx_bytes}


def _tf2onnx() -> ModuleType:
    try:
        return importlib.import_module("tf2onnx")
    except ImportError:
        raise UserError("exporting to ONNX needs the group export; run make export") from None


def _serving(model: keras.Model) -> Any:  # noqa: ANN401  # what tf.function returns
    """The model as a function of named inputs and outputs."""

    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": model(images, training=False)}

    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")]
    return tf.function(serve, input_signature=signature)
