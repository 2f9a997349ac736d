"""`Arrivals`: instances that a peer sends us, by C-GET or to the storage SCP, checked and kept as files are.

What comes is a data set in the transfer syntax that was agreed. It is kept as a DICOM file (PS3.10) of
exactly those bytes, and its header is read as any file's is; pydicom sees none of it.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pynetdicom import evt
from pynetdicom.dimse_primitives import C_STORE

from tasks.archive.dimse.wire import Wire
from tasks.dicom.header import parse_header
from tasks.dicom.instance import Instance
from tasks.dicom.pixel_data import Read

# PS3.4 table B.2-1 and PS3.7 annex C.
SUCCESS = 0x0000
NOT_ASKED_FOR = 0x0124  # refused: not authorised
TOO_LARGE = 0xA700  # refused: out of resources
UNREADABLE = 0xC000  # error: cannot understand

_PREAMBLE = bytes(128) + b"DICM"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One instance, as a DICOM file in memory; `instance` is None when it is of no use (`Arrivals.store`)."""

    sop_instance_uid: str
    data: bytes
    instance: Instance | None

    def read(self, offset: int, length: int) -> bytes:
        """A range of the file."""
        return self.data[offset : offset + length]

    @property
    def reader(self) -> Read:
        """As `InstanceSource.open` gives it."""
        return self.read


@dataclass
class Request:
    """Instances of one series that were asked for in one request.

    Attributes:
        missing: those that have not come yet.
        take: given each as it comes.
        heard: told of every sign of life, with the seconds for which we ourselves paused.
    """

    study_uid: str
    series_uid: str
    missing: set[str]
    take: Callable[[Arrived], None]
    heard: Callable[[float], None]


class Arrivals:
    """Which instances are awaited, and by whom. Safe for use by several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._awaited: dict[str, Request] = {}

    @contextmanager
    def awaiting(self, request: Request) -> Iterator[None]:
        """While the instances of a request may come."""
        with self._lock:
            self._awaited.update(dict.fromkeys(request.missing, request))
        try:
            yield
        finally:
            with self._lock:
                for uid in list(request.missing):
                    self._awaited.pop(uid, None)

    def heard(self, paused_s: float) -> None:
        """Something came of what is awaited, no matter what."""
        with self._lock:
            requests = {id(request): request for request in self._awaited.values()}
        for request in requests.values():
            request.heard(paused_s)

    def store(self, event: evt.Event) -> int:
        """The handler of C-STORE; returns its status.

        What is too large, no image, or another than its message says, has come all the same: asking again
        would bring the same.
        """
        message = event.request
        if not isinstance(message, C_STORE):
            return NOT_ASKED_FOR
        uid = str(message.AffectedSOPInstanceUID or "").strip(" \0")
        data_set: bytes = message.DataSet.getvalue() if message.DataSet is not None else b""
        with self._lock:
            request = self._awaited.pop(uid, None)
        if request is None:
            return NOT_ASKED_FOR
        request.heard(0.0)
        wire = event.assoc.dul.socket
        if isinstance(wire, Wire):
            wire.used()
        if len(data_set) > self._max_bytes:
            request.missing.discard(uid)
            request.take(Arrived(uid, b"", None))
            return TOO_LARGE
        data = as_file(str(message.AffectedSOPClassUID), uid, event.context.transfer_syntax, data_set)
        arrived = Arrived(uid, data, _checked(request, uid, data))
        request.missing.discard(uid)
        request.take(arrived)
        return SUCCESS if arrived.instance is not None else UNREADABLE


def as_file(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, data_set: bytes) -> bytes:
    """A DICOM file (PS3.10 section 7.1) whose data set is these bytes."""
    elements = b"".join(
        _element(number, value)
        for number, value in ((0x02, sop_class_uid), (0x03, sop_instance_uid), (0x10, transfer_syntax_uid))
    )
    version = struct.pack("<HH2sHI", 0x0002, 0x0001, b"OB", 0, 2) + b"\0\1"
    length = struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(version) + len(elements))
    return _PREAMBLE + length + version + elements + data_set


def _element(number: int, uid: str) -> bytes:
    value = uid.encode("ascii", "replace")
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0002, number, b"UI", len(value)) + value


def _checked(request: Request, uid: str, data: bytes) -> Instance | None:
    """The header of what came; None when it is no image, or another than its message says."""
    header = parse_header(uid, len(data), lambda offset, length: data[offset : offset + length])
    if not isinstance(header, Instance):
        return None
    asked = (request.study_uid, request.series_uid, uid)
    return header if (header.study_uid, header.series_uid, header.sop_instance_uid) == asked else None
