"""Export of trained models for other runtimes: LiteRT (TensorFlow Lite) and ONNX.

Both formats take the input "images", uint8 RGB of any size and shape (n, height, width, 3), and
return "probabilities", float32 of shape (n, k). The file contains all preprocessing and the class
names. Equal models give equal files.
"""

import copy
import importlib
import io
import json
import tempfile
import zipfile
from typing import Any

from ballast.keras_setup import keras, quiet, tf
from ballast.model.export_packages import refuse_without_packages
from ballast.model.model_file import ModelInfo

# Supported by both converters and onnxruntime since 2022.
OPSET = 17


def tflite_bytes(model: keras.Model, info: ModelInfo) -> bytes:
    """Convert to LiteRT.

    The class names are stored where TensorFlow Lite keeps associated files: in a zip archive
    appended to the model, as labels.txt with one name per line. zipfile.ZipFile reads it, and
    runtimes ignore it.

    Args:
        model: result of load_model.
        info: metadata, of which the class names are used.
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
        entry.create_system = 3  # Unix, on every platform
        archive.writestr(entry, "".join(f"{name}\n" for name in info.classes))
    return converted + file.getvalue()


def onnx_bytes(model: keras.Model, info: ModelInfo) -> bytes:
    """Convert to ONNX.

    The class names are stored in the file's metadata, as a JSON list under the key "classes".

    Args:
        model: result of load_model.
        info: metadata, of which the class names are used.

    Raises:
        UserError: if the dependency group export is not installed.
    """
    refuse_without_packages(["onnx"])
    tf2onnx = importlib.import_module("tf2onnx")
    serve = _serving(model)
    with quiet():
        converted, _ = tf2onnx.convert.from_function(
            serve, input_signature=serve.input_signature, opset=OPSET
        )
    _sort(converted.graph)
    converted.graph.ClearField("doc_string")  # contains a function number of this process
    # The converter numbers unnamed dimensions.
    shape = converted.graph.input[0].type.tensor_type.shape.dim
    for axis, name in zip(shape, ("n", "height", "width"), strict=False):
        axis.dim_param = name
    converted.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "n"
    classes = converted.metadata_props.add()
    classes.key, classes.value = "classes", json.dumps(info.classes, ensure_ascii=False)
    exported: bytes = converted.SerializeToString(deterministic=True)
    return exported


def _sort(graph: Any) -> None:  # noqa: ANN401  # onnx is an optional dependency
    """Sort and number nodes and constants, since the converter's order depends on hash sets."""
    makers = {name: node for node in graph.node for name in node.output}
    nodes: list[Any] = []
    placed: set[str] = set()
    stack = [value.name for value in graph.output]
    while stack:  # depth first, without recursion: networks are deeper than Python's stack
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


def _serving(model: keras.Model) -> Any:  # noqa: ANN401  # result of tf.function
    """Express the model as a function of named inputs and outputs."""

    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": model(images, training=False)}

    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")]
    return tf.function(serve, input_signature=signature)
