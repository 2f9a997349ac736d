"""The client of the model: crops in, logits and heatmaps out, within a time limit, or a named failure.

One `TritonClient` serves all threads of a process; another process that gets it connects anew. Crops lie in
slots, few in number: whoever finds none free waits, so decoding cannot run ahead of the server. Where the
server is on this machine the slots are in shared memory: a crop is written once, where the server reads it.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tasks.infer.channel import connect, is_local
from tasks.infer.crop import CROP_PIXELS
from tasks.infer.prediction import HEATMAP, LOGIT, Prediction, Traffic, agree, joined, read_answer
from tasks.infer.slots import MAX_CROPS, Slot, SlotPool
from tasks.outcomes import ConfigurationError, Failed, Reason
from tasks.settings import Inference

__all__ = ["Prediction", "TritonClient", "shared_client"]

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
"""Pause before the second try; it doubles. With three retries about 7 s: a crashed server is back by then."""
JITTER = (0.7, 1.3)
"""Keeps workers that failed together from coming back together."""
SLOT_PATIENCE = 2.0
"""How many times as long as a request may take to wait for a slot before the server counts as unavailable."""
_PERMANENT = {
    "StatusCode.INVALID_ARGUMENT",
    "StatusCode.NOT_FOUND",
    "StatusCode.UNIMPLEMENTED",
    "StatusCode.UNAUTHENTICATED",
    "StatusCode.PERMISSION_DENIED",
}


@cache
def shared_client(url: str, settings: Inference) -> TritonClient:
    """The one client of this process for a server; tasks that come and go share its connection and slots."""
    return TritonClient(url, settings)


class _ProcessState:
    """Connections, locks and slots: they work only in the process that made them."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.threads = threading.local()
        self.pool: SlotPool | None = None
        self.traffic = Traffic()


class TritonClient:
    """A connection to one model on one Triton server; made when first used, safe to share between threads.

    Args:
        url: host:port of the server's gRPC.
        settings: model name, time limits, retries, shared memory, requests in flight.
    """

    def __init__(self, url: str, settings: Inference) -> None:
        self.url = url
        self._settings = settings
        self._state = _ProcessState()

    def __reduce__(self) -> tuple[Callable[[str, Inference], TritonClient], tuple[str, Inference]]:
        return shared_client, (self.url, self._settings)

    @contextmanager
    def crops(self, count: int) -> Iterator[Slot]:
        """Room for `count` crops (at most 8), to be written in place and given to `infer` within the block.

        Waits while all slots are taken; a thread that holds one must not ask for another.

        Raises:
            Failed: `inference_unavailable` when no slot becomes free in time.
        """
        if not 1 <= count <= MAX_CROPS:
            raise ValueError(f"1 to {MAX_CROPS} crops go into a request, not {count}")
        pool = self._slots()
        slot = pool.take(SLOT_PATIENCE * self._settings.timeout_s * (1 + self._settings.retries))
        if slot is None:
            raise Failed(Reason.INFERENCE_UNAVAILABLE, "no request slot became free in time")
        try:
            yield slot.of(count)
        finally:
            pool.give_back(slot)

    def infer(self, crops: Slot | npt.NDArray[np.int16]) -> Prediction:
        """Logit and heatmap of every crop.

        Args:
            crops: int16 HU, shape (n, 224, 224): a slot of `crops`, or any array, which is copied into slots.

        Raises:
            Failed: `inference_unavailable` when the server gave no finite answer within limits and retries.
            ConfigurationError: when the server has no such model, or one with other inputs and outputs.
        """
        if isinstance(crops, Slot):
            return self._infer(crops)
        if crops.dtype != np.int16 or crops.shape[1:] != (CROP_PIXELS, CROP_PIXELS) or not len(crops):
            raise ValueError(f"crops are int16 (n, 224, 224), not {crops.dtype} {crops.shape}")
        parts = []
        for start in range(0, len(crops), MAX_CROPS):
            part = crops[start : start + MAX_CROPS]
            with self.crops(len(part)) as slot:
                slot.pixels[...] = part
                parts.append(self._infer(slot))
        return joined(parts)

    @property
    def traffic(self) -> Traffic:
        """What this client has sent so far in this process."""
        here = self._here()
        with here.lock:
            return here.traffic

    def close(self) -> None:
        """Give shared memory back; used again, the client makes itself new."""
        here = self._here()
        with here.lock:
            pool, here.pool = here.pool, None
        atexit.unregister(self.close)
        if pool is not None:
            pool.close(self._client())

    def _infer(self, slot: Slot) -> Prediction:
        """Send a slot until there is an answer, the tries are used up, or another try is pointless."""
        tries = 1 + self._settings.retries
        trouble = ""
        for number in range(tries):
            if number:
                self._count(retries=1)
                time.sleep(FIRST_PAUSE_S * 2 ** (number - 1) * random.uniform(*JITTER))  # noqa: S311
            try:
                return self._answer(slot)
            except InferenceServerException as error:
                trouble = self._trouble(error)
                logger.info("request failed: %s (try %d of %d)", trouble, number + 1, tries)
        raise Failed(Reason.INFERENCE_UNAVAILABLE, f"{trouble}; {tries} tries")

    def _answer(self, slot: Slot) -> Prediction:
        """One try; a restarted server is told of the shared memory again."""
        try:
            return self._ask(slot)
        except InferenceServerException as error:
            if not self._slots().disowned(error):
                raise
            return self._ask(slot)

    def _ask(self, slot: Slot) -> Prediction:
        pool, client = self._slots(), self._client()
        answer = self._send(client, pool.tensor(slot, client), len(slot.pixels))
        shared = pool.shared
        if shared and not pool.trusted:
            # The first answer by way of shared memory must be the one that the same crops give in a body.
            by_body = self._send(client, pool.tensor(slot, client, in_body=True), len(slot.pixels))
            if not agree(answer, by_body):
                self._refuse_shared_memory(pool)
                answer, shared = by_body, False
            pool.trusted = True
        self._require_shared_memory(pool)
        self._count(by_shared_memory=int(shared), by_grpc_body=int(not shared))
        return answer

    def _send(self, client: InferenceServerClient, tensor: InferInput, count: int) -> Prediction:
        settings = self._settings
        result = client.infer(
            settings.model_name,
            [tensor],
            outputs=[InferRequestedOutput(LOGIT), InferRequestedOutput(HEATMAP)],
            client_timeout=settings.timeout_s,
            timeout=round(settings.timeout_s * 1e6),  # microseconds: the server drops what nobody awaits
        )
        return read_answer(result, count, settings.model_name)

    def _trouble(self, error: InferenceServerException) -> str:
        """What went wrong, in words without the server's own text.

        Raises:
            ConfigurationError: when another try cannot end otherwise.
        """
        status = str(error.status() or "no status").removeprefix("StatusCode.").lower()
        if error.status() in _PERMANENT:
            raise ConfigurationError(
                f"The Triton server refuses requests to model {self._settings.model_name!r} ({status}): "
                "check triton_url, inference.model_name and the server's model repository."
            ) from None
        if status == "deadline_exceeded":
            self._slots().abandon()
            return f"deadline exceeded, no answer within {self._settings.timeout_s:g} s"
        return status

    def _require_shared_memory(self, pool: SlotPool) -> None:
        if self._settings.shared_memory == "on" and not pool.shared:
            raise ConfigurationError(
                "inference.shared_memory is on, but the Triton server cannot read this machine's memory: "
                "set it to auto, or start the server with the same /dev/shm."
            )

    def _refuse_shared_memory(self, pool: SlotPool) -> None:
        logger.warning("answers by shared memory differ from answers by gRPC bodies; using bodies")
        pool.distrust()

    def _client(self) -> InferenceServerClient:
        """This thread's client: tritonclient's are for one thread each, gRPC shares the connection below."""
        threads = self._here().threads
        client: InferenceServerClient | None = getattr(threads, "client", None)
        if client is None:
            client = threads.client = connect(self.url)
        return client

    def _slots(self) -> SlotPool:
        here = self._here()
        with here.lock:
            if here.pool is None:
                mode = self._settings.shared_memory
                share = mode == "on" or (mode == "auto" and is_local(self.url))
                here.pool = SlotPool(self._settings.max_in_flight, share=share)
                atexit.register(self.close)
            return here.pool

    def _count(self, *, by_shared_memory: int = 0, by_grpc_body: int = 0, retries: int = 0) -> None:
        here = self._here()
        with here.lock:
            here.traffic = here.traffic.plus(by_shared_memory, by_grpc_body, retries)

    def _here(self) -> _ProcessState:
        """What belongs to this process; a forked child must not touch its parent's."""
        if self._state.pid != os.getpid():
            self._state = _ProcessState()
        return self._state
