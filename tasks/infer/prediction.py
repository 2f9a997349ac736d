"""What the model said, checked: an answer of the wrong kind, or that is no number, never becomes a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferResult

from tasks.outcomes import ConfigurationError, Failed, Reason

LOGIT = "logit"
HEATMAP = "heatmap"
HEATMAP_PIXELS = 7
"""224 pixels after the five halvings of DenseNet-121."""
SAME_ANSWER = 1e-3
"""Largest difference of two logits for the same crops: they may have run in batches of different size."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said about n crops.

    Attributes:
        logits: float32, shape (n,); uncalibrated, finite.
        heatmaps: float32, shape (n, 7, 7); the logit's Grad-CAM in the crop's frame.
        model_version: the version, within the server's repository, of the model that answered.
    """

    logits: npt.NDArray[np.float32]
    heatmaps: npt.NDArray[np.float32]
    model_version: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a client has sent in one process: answered requests by way of transport, and retries."""

    by_shared_memory: int = 0
    by_grpc_body: int = 0
    retries: int = 0

    def plus(self, by_shared_memory: int, by_grpc_body: int, retries: int) -> Traffic:
        """The same with more counted."""
        return Traffic(
            self.by_shared_memory + by_shared_memory,
            self.by_grpc_body + by_grpc_body,
            self.retries + retries,
        )


def read_answer(result: InferResult, count: int, model: str) -> Prediction:
    """The answer to a request of `count` crops.

    Raises:
        ConfigurationError: when the model served has other outputs than this product's.
        Failed: `inference_unavailable` when a value is not finite or the version is missing.
    """
    logits = _output(result, LOGIT, (count, 1), model)
    heatmaps = _output(result, HEATMAP, (count, HEATMAP_PIXELS, HEATMAP_PIXELS), model)
    if not (np.isfinite(logits).all() and np.isfinite(heatmaps).all()):
        raise Failed(Reason.INFERENCE_UNAVAILABLE, "the model's answer is not a finite number")
    version = str(result.get_response().model_version)
    if not version:
        raise Failed(Reason.INFERENCE_UNAVAILABLE, "the server does not say which model version answered")
    return Prediction(logits[:, 0], heatmaps, version)


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Answers to parts of one request as one.

    Raises:
        Failed: `inference_unavailable` when they come from different model versions.
    """
    if len({part.model_version for part in parts}) != 1:
        raise Failed(Reason.INFERENCE_UNAVAILABLE, "the model version changed between two requests")
    return Prediction(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.heatmaps for part in parts]),
        parts[0].model_version,
    )


def agree(one: Prediction, other: Prediction) -> bool:
    """Whether two answers are about the same crops."""
    return bool(
        np.allclose(one.logits, other.logits, rtol=SAME_ANSWER, atol=SAME_ANSWER)
        and np.allclose(one.heatmaps, other.heatmaps, rtol=SAME_ANSWER, atol=SAME_ANSWER)
    )


def _output(result: InferResult, name: str, shape: tuple[int, ...], model: str) -> npt.NDArray[np.float32]:
    try:
        values: npt.NDArray[np.float32] | None = result.as_numpy(name)
    except ValueError:
        values = None
    if values is None or values.shape != shape or values.dtype != np.float32:
        raise ConfigurationError(
            f"Model {model!r} on the Triton server does not answer with {name} FP32 {list(shape)}: "
            "it is not the model of this product."
        )
    return values
