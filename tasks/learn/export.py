"""The network as the file a Triton server reads: ONNX, weights stored in half precision, parity proven.

Weights are stored as FP16 with a cast to FP32 beside each: half the file, and the arithmetic stays FP32. Both
ONNX Runtime and TensorRT fold the casts away when they load the model.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper

from tasks.files import write_whole
from tasks.infer.crop import CROP_PIXELS
from tasks.learn.network import OsteoporosisNet
from tasks.outcomes import OsteoscreenError

# Opset 18 and IR 8 are read by ONNX Runtime since 1.14 and TensorRT since 8.6, older than both servers.
OPSET = 18
IR_VERSION = 8
INPUT = "hu"
OUTPUTS = ("logit", "heatmap")
MAX_FILE_BYTES = 16 * 1024 * 1024
# FP16 keeps 11 bits of a weight: the logits move by about 1e-3 of their spread, far below a crop's noise.
PARITY_TOLERANCE = 1e-3
_SMALL_TENSOR = 256  # elements; smaller ones (shapes, scales) gain nothing from half precision
_PARITY_CROPS = 3


class ExportError(OsteoscreenError):
    """The exported file is not the network that went in."""


def export_onnx(network: OsteoporosisNet, path: Path, *, check: npt.NDArray[np.int16] | None = None) -> str:
    """Write the network to `path`, whole or not at all.

    Args:
        check: int16 HU crops (n, 224, 224) on which the file must agree with the network; without it, noise.

    Returns:
        SHA-256 of the file, hexadecimal.

    Raises:
        ExportError: when the probabilities of file and network differ by more than `PARITY_TOLERANCE`, or the
            file is larger than `MAX_FILE_BYTES`.
    """
    model = _halve_weights(_trace(network))
    data = model.SerializeToString()
    if len(data) > MAX_FILE_BYTES:
        raise ExportError(f"The exported model has {len(data)} bytes, more than {MAX_FILE_BYTES}.")
    difference = parity(network, data, _noise() if check is None else check)
    if difference > PARITY_TOLERANCE:
        raise ExportError(f"Exported and original probabilities differ by {difference:.2g}; not written.")
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def parity(network: OsteoporosisNet, model: bytes, crops: npt.NDArray[np.int16]) -> float:
    """Largest difference of probability between the network and its exported form over `crops`."""
    network.eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(crops)).logit.numpy()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(["logit"], {INPUT: crops})
    return float(np.abs(_probability(expected) - _probability(np.asarray(found))).max())


def _trace(network: OsteoporosisNet) -> onnx.ModelProto:
    network.eval()
    example = torch.zeros(2, CROP_PIXELS, CROP_PIXELS, dtype=torch.int16)
    with tempfile.TemporaryDirectory() as folder:
        traced = Path(folder) / "traced.onnx"
        torch.onnx.export(
            network,
            (example,),
            traced,
            dynamo=False,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "batch"} for name in (INPUT, *OUTPUTS)},
            opset_version=OPSET,
        )
        return onnx.load(traced)


def _halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large FP32 weights as FP16 behind a cast, and drop what tells of the machine that exported."""
    graph = model.graph
    kept, casts = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= _SMALL_TENSOR:
            stored = f"{tensor.name}.fp16"
            kept.append(numpy_helper.from_array(values.astype(np.float16), stored))
            casts.append(helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT))
        else:
            kept.append(tensor)
    nodes = [*casts, *graph.node]
    for node in nodes:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    slim = helper.make_graph(nodes, "osteoporosis_densenet121", list(graph.input), list(graph.output), kept)
    opset = helper.make_opsetid("", OPSET)
    result = helper.make_model(
        slim, producer_name="osteoscreen", opset_imports=[opset], ir_version=IR_VERSION
    )
    onnx.checker.check_model(result)
    return result


def _noise() -> npt.NDArray[np.int16]:
    """Crops of plausible HU without a patient in them, always the same."""
    random = np.random.default_rng(0)
    size = (_PARITY_CROPS, CROP_PIXELS, CROP_PIXELS)
    return random.normal(random.uniform(-200, 400, (_PARITY_CROPS, 1, 1)), 150, size).astype(np.int16)


def _probability(logit: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-logit.astype(np.float64)))
