"""Small models that the tests serve: one in place of the real one, a slow one, and wrong ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

NAME = "osteoporosis_densenet121"
CONFIG = Path(__file__).resolve().parents[2] / "triton_models" / NAME / "config.pbtxt"
SLOW_SOURCE = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({seconds})
        return [pb_utils.InferenceResponse([
            pb_utils.Tensor.from_dlpack("logit", np.zeros((rows, 1), np.float32)),
            pb_utils.Tensor.from_dlpack("heatmap", np.zeros((rows, 7, 7), np.float32)),
        ]) for rows in (len(np.from_dlpack(pb_utils.get_input_tensor_by_name(r, "hu"))) for r in requests)]
"""


def fast_repository(folder: Path, *, logit_divisor: float = 1000.0, heatmap_kernel: int = 32) -> Path:
    """The product's own configuration over a model: logit = mean HU / divisor, heatmap = mean of patches.

    A divisor of 0 gives infinities; a kernel other than 32 gives a heatmap that is not 7 × 7.
    """
    version = folder / NAME / "1"
    version.mkdir(parents=True)
    shutil.copy(CONFIG, folder / NAME / "config.pbtxt")
    nodes = [
        helper.make_node("Cast", ["hu"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float", "channel"], ["image"]),
        helper.make_node("ReduceMean", ["float", "plane"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "channel"], ["column"]),
        helper.make_node("Div", ["column", "divisor"], ["logit"]),
        helper.make_node(
            "AveragePool",
            ["image"],
            ["pooled"],
            kernel_shape=[heatmap_kernel] * 2,
            strides=[heatmap_kernel] * 2,
        ),
        helper.make_node("Squeeze", ["pooled", "channel"], ["heatmap"]),
    ]
    constants = [
        helper.make_tensor("channel", TensorProto.INT64, [1], [1]),
        helper.make_tensor("plane", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("divisor", TensorProto.FLOAT, [], [logit_divisor]),
    ]
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("hu", TensorProto.INT16, ["n", 224, 224])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("heatmap", TensorProto.FLOAT, ["n", None, None]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    onnx.checker.check_model(model)
    onnx.save(model, version / "model.onnx")
    return folder


def odd_heatmap_repository(folder: Path) -> Path:
    """A model whose heatmap is 14 × 14, configured as such."""
    repository = fast_repository(folder, heatmap_kernel=16)
    config = repository / NAME / "config.pbtxt"
    config.write_text(config.read_text().replace("dims: [ 7, 7 ]", "dims: [ 14, 14 ]"))
    return repository


def slow_repository(folder: Path, seconds: float) -> Path:
    """A model that takes its time for every batch."""
    version = folder / NAME / "1"
    version.mkdir(parents=True)
    text = CONFIG.read_text().replace('backend: "onnxruntime"', 'backend: "python"')
    (folder / NAME / "config.pbtxt").write_text(text[: text.index("# The first real request")])
    (version / "model.py").write_text(SLOW_SOURCE.format(seconds=seconds))
    return folder


def noise(count: int, seed: int = 0) -> np.ndarray[tuple[int, int, int], np.dtype[np.int16]]:
    """Crops that all differ: a mean of their own each, noise over it."""
    random = np.random.default_rng(seed)
    level = random.integers(-200, 400, (count, 1, 1))
    return (level + random.integers(-50, 50, (count, 224, 224))).astype(np.int16)
