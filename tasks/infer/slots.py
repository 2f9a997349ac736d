"""The few places where crops lie on their way to the server; in shared memory where the server can read it.

A slot is taken, filled, sent and given back. Their number bounds what a process holds and has under way.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from tasks.infer.crop import CROP_PIXELS
from tasks.infer.shared import Owner, Region

logger = logging.getLogger(__name__)

INPUT = "hu"
MAX_CROPS = 8
"""Crops in one slot: twice what a study sends, which is up to four vertebrae."""
_CROP_BYTES = CROP_PIXELS * CROP_PIXELS * 2
_REGISTER_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """Room for crops.

    Attributes:
        pixels: int16 HU, shape (n, 224, 224), to be written in place.
        index: which slot of the pool it is.
    """

    pixels: npt.NDArray[np.int16]
    index: int

    def of(self, count: int) -> Slot:
        """The same slot, cut to the number of crops that it will hold."""
        return replace(self, pixels=self.pixels[:count])


class SlotPool:
    """A fixed number of slots.

    Args:
        count: how many.
        share: try to lay them in shared memory; where there is no room for it they are ordinary memory.
    """

    def __init__(self, count: int, *, share: bool) -> None:
        self._lock = threading.Lock()
        self._owner: Owner | None = None
        self._region: Region | None = None
        self._registered = False
        self._abandoned = False
        self.trusted = False
        shape = (count, MAX_CROPS, CROP_PIXELS, CROP_PIXELS)
        if share:
            try:
                self._owner = Owner()
                self._region = Region(self._owner, "crops", count * MAX_CROPS * _CROP_BYTES)
            except OSError as error:
                logger.info("no shared memory for crops (%s); sending them in gRPC bodies", error.strerror)
        pixels = self._region.as_int16(shape) if self._region is not None else np.empty(shape, np.int16)
        self._count = count
        self._free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for index in range(count):
            self._free.put(Slot(pixels[index], index))

    @property
    def shared(self) -> bool:
        """Whether requests name shared memory instead of carrying the pixels."""
        return self._region is not None

    def take(self, timeout_s: float) -> Slot | None:
        """A free slot, or None when there was none in time."""
        try:
            return self._free.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def give_back(self, slot: Slot) -> None:
        """Let the next one have it; `slot` is as it was taken."""
        self._free.put(slot)

    def tensor(self, slot: Slot, client: InferenceServerClient, *, in_body: bool = False) -> InferInput:
        """The model's input that holds the slot's crops, by reference where memory is shared.

        Raises:
            InferenceServerException: when the server cannot be asked.
        """
        if not in_body:
            self._register(client)
        tensor = InferInput(INPUT, list(slot.pixels.shape), "INT16")
        region = self._region
        if region is None or in_body:
            tensor.set_data_from_numpy(slot.pixels)
        else:
            tensor.set_shared_memory(
                region.key[1:], slot.pixels.nbytes, offset=slot.index * MAX_CROPS * _CROP_BYTES
            )
        return tensor

    def disowned(self, error: InferenceServerException) -> bool:
        """Whether the error says that the server knows the region no more, as after its restart."""
        if self._region is None or "shared memory region" not in str(error.message()):
            return False
        self._registered = False
        return True

    def abandon(self) -> None:
        """A request was given up while the server may still read its slot: the region stays registered."""
        self._abandoned = True

    def distrust(self) -> None:
        """Do without shared memory from now on; crops that lie there are sent in bodies."""
        self._region = None

    def close(self, client: InferenceServerClient) -> None:
        """Give shared memory back. The server lets go of it only when no request can be reading it."""
        idle = self._free.qsize() == self._count and not self._abandoned
        if self._region is not None and self._registered and idle:
            try:
                client.unregister_system_shared_memory(
                    self._region.key[1:], client_timeout=_REGISTER_TIMEOUT_S
                )
            except InferenceServerException:
                logger.debug("the server is gone, and its hold on shared memory with it")
        owner, self._owner, self._region = self._owner, None, None
        if owner is not None:
            owner.close()

    def _register(self, client: InferenceServerClient) -> None:
        """Make the region known to the server; where the server cannot open it, do without."""
        with self._lock:
            region = self._region
            if region is None or self._registered:
                return
            try:
                client.register_system_shared_memory(
                    region.key[1:], region.key, region.size, client_timeout=_REGISTER_TIMEOUT_S
                )
            except InferenceServerException as error:
                if error.status() in {"StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED"}:
                    raise
                if error.status() != "StatusCode.ALREADY_EXISTS":
                    logger.info("the server cannot open shared memory; sending crops in gRPC bodies")
                    self.distrust()
                    return
            self._registered = True
