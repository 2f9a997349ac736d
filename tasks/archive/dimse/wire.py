"""`Wire`: the socket under an association, with a bound on everything that a peer could make us wait or hold.

pynetdicom reads without a time-out once a connection stands, takes a PDU of any length (up to 4 GiB), and
queues messages faster than they are used. All of that passes through the few calls that are overridden here.
"""

from __future__ import annotations

import logging
import math
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ssl import SSLContext

from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

# DCMTK's largest PDU, which most archives send up to when they are allowed to; fewer PDUs cost less.
MAX_PDU_BYTES = 128 * 1024
# A peer that sends more in one piece than we announced is borne so far, because some round up.
LONGEST_PDU_BYTES = 4 * MAX_PDU_BYTES
READ_BYTES = 64 * 1024
# Messages that wait to be used; more are left with the peer, which then stops sending.
MAX_WAITING_MESSAGES = 64

# Its log lines hold whatever stands in a data set, names among it; its children have no level of their own.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
_config.LOG_HANDLER_LEVEL = "none"
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a peer may do to us.

    Attributes:
        stall_s: longest wait for the next byte while an answer is due.
        message_bytes: largest message, that is, largest instance.
        took: called with the number of bytes that came; may sleep, to keep below a rate, and returns for
            how many seconds it did.
    """

    stall_s: float
    message_bytes: int
    took: Callable[[int], float]


class Wire(AssociationSocket):
    """As pynetdicom's, and bounded. Reads happen in its reactor's thread, `expecting` in the caller's."""

    def __init__(
        self,
        association: Association,
        bounds: Bounds,
        address: AddressInformation | None = None,
        accepted: socket.socket | None = None,
    ) -> None:
        super().__init__(association, client_socket=accepted, address=address)
        if accepted is not None:
            accepted.settimeout(bounds.stall_s)
        self._bounds = bounds
        self._is_expecting = False
        self._heard_s = 0.0
        self._deadline_s = math.inf
        self._message_bytes = bounds.message_bytes
        self._unused_bytes = 0
        self._is_shut = False

    @contextmanager
    def expecting(self, until_s: float, message_bytes: int | None = None) -> Iterator[None]:
        """While an answer is due: silence, or an answer after `until_s`, closes the connection.

        Args:
            until_s: by `time.monotonic`; infinity for a list, which may be as long as it is.
            message_bytes: largest message of this answer, where it is less than that of every answer.
        """
        self._deadline_s = until_s
        self._message_bytes = message_bytes or self._bounds.message_bytes
        self._heard_s = time.monotonic()
        self._is_expecting = True
        try:
            yield
        finally:
            self._is_expecting = False
            self._unused_bytes = 0

    def used(self) -> None:
        """A message was taken: what comes now belongs to the next."""
        self._unused_bytes = 0

    def heard(self, paused_s: float = 0.0) -> None:
        """A sign of life came, here or on another connection; `paused_s` of the time were our own."""
        self._deadline_s += paused_s
        self._heard_s = time.monotonic()

    def shut(self) -> None:
        """Close at once, so that no thread waits for the peer any longer."""
        self._is_shut = True
        self._shutdown_socket()

    def connect(self, primitive: T_CONNECT) -> None:
        """As the original, which leaves the connected socket without a time-out."""
        super().connect(primitive)
        if self.socket is not None:
            self.socket.settimeout(self._bounds.stall_s)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def ready(self) -> bool:
        """Whether there is something to read; asked all the time, so silence is noticed here."""
        if self._is_expecting and not self._is_shut:
            now = time.monotonic()
            if now > self._deadline_s or now - self._heard_s > self._bounds.stall_s:
                self.shut()
                self.event_queue.put("Evt17")
                return False
        if self.assoc.dimse.msg_queue.qsize() >= MAX_WAITING_MESSAGES:
            return False
        return super().ready

    def recv(self, nr_bytes: int) -> bytearray:
        """Exactly `nr_bytes`, fewer when the connection ends.

        Raises:
            OSError: more than is allowed, or later.
        """
        if self.socket is None or nr_bytes > LONGEST_PDU_BYTES:
            raise OSError("a PDU longer than was agreed")
        self._unused_bytes += nr_bytes
        if self._unused_bytes > self._message_bytes + MAX_WAITING_MESSAGES * MAX_PDU_BYTES:
            raise OSError("a message longer than is allowed")
        data = bytearray(nr_bytes)
        self._acknowledge_at_once(self.socket)
        view, filled = memoryview(data), 0
        until_s = time.monotonic() + self._bounds.stall_s
        while filled < nr_bytes:
            count = self.socket.recv_into(view[filled:], min(READ_BYTES, nr_bytes - filled))
            if not count:
                break
            filled += count
            if time.monotonic() > until_s:
                raise OSError("a PDU that does not end in time")
        view.release()
        del data[filled:]
        self.heard(self._bounds.took(filled))
        return data

    @staticmethod
    def _acknowledge_at_once(connection: socket.socket) -> None:
        """A peer that waits for it (Nagle's algorithm) loses 40 ms an instance; asked for anew each time."""
        if sys.platform == "linux":
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Requestor(AE):
    """An application entity whose associations run over a `Wire`."""

    def __init__(self, title: str, bounds: Bounds) -> None:
        super().__init__(ae_title=title)
        self._bounds = bounds

    def _create_socket(
        self,
        assoc: Association,
        address: AddressInformation,
        tls_args: tuple[SSLContext, str] | None,
    ) -> AssociationSocket:
        wire = Wire(assoc, self._bounds, address)
        wire.tls_args = tls_args
        return wire
