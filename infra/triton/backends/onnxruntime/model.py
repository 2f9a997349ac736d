"""Triton backend `onnxruntime` for the embedded server: serves the repository's `model.onnx` from Python.

The server in the nvidia-pytriton wheel carries only the Python backend. A folder with the name of another
backend that holds nothing but this file takes that backend's place, so the model repository is the same files
here and in NVIDIA's container. Runs inside the server's own environment: numpy and onnxruntime only.

Tensors cross by DLPack: nothing is copied, and the stub's numpy bindings, which predate numpy 2 and give
empty tensors with it, are not used.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

THREADS_VARIABLE = "OSTEOSCREEN_TRITON_THREADS"
DEFAULT_FILE = "model.onnx"
ORPHAN_CHECK_S = 1.0


class TritonPythonModel:
    """One instance of an ONNX model; Triton calls it with the requests that its batcher joined."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:  # noqa: ANN401 - Triton's own class
        """The configuration in the repository is complete; nothing is added to it."""
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        """Open the model file of the version that is loaded."""
        threading.Thread(target=_end_with_server, args=(os.getppid(),), daemon=True).start()
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads(config)
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / (config.get("default_model_filename") or DEFAULT_FILE)),
            options,
            providers=["CPUExecutionProvider"],
        )
        self._inputs = [item["name"] for item in config["input"]]
        self._outputs = [item["name"] for item in config["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run all requests that are still wanted as one batch and hand each its rows."""
        responses: list[Any] = [None] * len(requests)
        live = []
        for index, request in enumerate(requests):
            if request.is_cancelled():
                responses[index] = pb_utils.InferenceResponse(
                    error=pb_utils.TritonError("the client no longer waits", pb_utils.TritonError.CANCELLED)
                )
            else:
                live.append(index)
        if live:
            self._run([requests[index] for index in live], live, responses)
        return responses

    def _run(self, requests: list[Any], places: list[int], responses: list[Any]) -> None:
        columns = [
            [np.from_dlpack(pb_utils.get_input_tensor_by_name(request, name)) for request in requests]
            for name in self._inputs
        ]
        feeds = {
            name: column[0] if len(column) == 1 else np.concatenate(column)
            for name, column in zip(self._inputs, columns, strict=True)
        }
        results = self._session.run(self._outputs, feeds)
        start = 0
        for place, rows in zip(places, columns[0], strict=True):
            stop = start + len(rows)
            responses[place] = pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor.from_dlpack(name, result[start:stop])
                    for name, result in zip(self._outputs, results, strict=True)
                ]
            )
            start = stop


def _end_with_server(server: int) -> None:
    """Leave when the server is gone: after its `kill -9` the stub was seen to hang in its own clean-up."""
    while os.getppid() == server:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)


def _threads(config: dict[str, Any]) -> int:
    """Threads of an operator: environment, the parameter that the C++ backend reads too, or all cores."""
    parameter = config.get("parameters", {}).get("intra_op_thread_count", {}).get("string_value", "")
    return int(os.environ.get(THREADS_VARIABLE) or parameter or len(os.sched_getaffinity(0)))
