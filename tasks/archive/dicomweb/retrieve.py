"""`WadoInstances`: the instances of one study by WADO-RS, several at once, each as the archive stores it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass

from tasks.archive.dicomweb.client import BYTES_PER_MIB, Connection
from tasks.archive.dicomweb.multipart import dicom_file
from tasks.dicom.header import MAX_HEADER_BYTES, NoImage, Passed, parse_header
from tasks.dicom.instance import Instance
from tasks.dicom.pixel_data import Read
from tasks.outcomes import ArchiveError, Failed, Reason
from tasks.settings import Network

# As stored, in whatever syntax that is: without `*` a server may decode, and send three times the bytes.
ACCEPT = (
    'multipart/related; type="application/dicom"; transfer-syntax=*, application/dicom; transfer-syntax=*'
)
HEADERS = {"Accept": ACCEPT, "Accept-Encoding": "identity"}
# Instances fetched or under way before they are opened, for each request that may be under way: one that is
# decoded next, and one on its way.
AHEAD_PER_REQUEST = 2
# Beyond the pixels that its header describes an instance has its header, and compressed noise may be a little
# larger than the pixels themselves.
SLACK = 1.25


@dataclass(frozen=True, slots=True)
class Fetched:
    """An instance as its own bytes describe it, and those bytes."""

    instance: Instance
    data: memoryview

    def read(self, offset: int, length: int) -> bytes:
        """As `tasks.dicom.pixel_data.Read`."""
        return bytes(self.data[offset : offset + length])


class WadoInstances:
    """An `InstanceSource`. Holds the instance that was opened last, and a few that are wanted next.

    Args:
        connection: to the archive.
        network: how long is waited, and how large an image may be.
        ahead: how many instances are fetched, or under way, before they are opened.
    """

    is_local = False

    def __init__(self, connection: Connection, network: Network, ahead: int) -> None:
        self._connection = connection
        self._network = network
        self._ahead = ahead
        self._wanted: OrderedDict[str, Instance] = OrderedDict()
        self._under_way: dict[str, Future[Fetched]] = {}
        self._opened: tuple[str, Fetched] | None = None
        self._abandoned = threading.Event()
        self._moved = 0
        self._lock = threading.Lock()

    @property
    def bytes_read(self) -> int:
        """As `InstanceSource.bytes_read`."""
        return self._moved

    def want(self, instances: Sequence[Instance]) -> None:
        """As `InstanceSource.want`; what was wanted before, and is not wanted now, makes room."""
        wanted = {instance.source: instance for instance in instances}
        for name in self._under_way.keys() - wanted.keys():
            self._under_way.pop(name).cancel()
        self._wanted = OrderedDict(item for item in wanted.items() if item[0] not in self._under_way)
        self._fetch_ahead()

    def open(self, instance: Instance) -> tuple[Instance, Read]:
        """As `InstanceSource.open`."""
        name = instance.source
        if self._opened is None or self._opened[0] != name:
            self._opened = None
            self._wanted.pop(name, None)
            future = self._under_way.pop(name, None) or self._start(instance)
            self._fetch_ahead()
            self._opened = name, self._outcome(future)
        fetched = self._opened[1]
        return fetched.instance, fetched.read

    def close(self) -> None:
        """As `InstanceSource.close`; nobody waits for what is under way."""
        self._abandoned.set()
        for future in self._under_way.values():
            future.cancel()
        self._under_way.clear()
        self._wanted.clear()
        self._opened = None

    def _fetch_ahead(self) -> None:
        """Start the next instances, but no large one: it would wait beside the one that is being decoded."""
        while self._wanted and len(self._under_way) < self._ahead:
            name, instance = self._wanted.popitem(last=False)
            if len(instance.frames) <= 1:
                self._under_way[name] = self._start(instance)

    def _start(self, instance: Instance) -> Future[Fetched]:
        return self._connection.threads.submit(self._fetch, instance)

    def _outcome(self, future: Future[Fetched]) -> Fetched:
        """What a fetch came to; it ends by itself, but a thread may have to be waited for as long again."""
        try:
            return future.result(timeout=2 * self._network.answer_timeout_s)
        except (NotInTime, CancelledError):
            future.cancel()
            raise Failed(
                Reason.ARCHIVE_UNAVAILABLE, f"no image within {2 * self._network.answer_timeout_s:g} s"
            ) from None

    def _fetch(self, listed: Instance) -> Fetched:
        """One instance, checked to be the one that was asked for.

        Raises:
            Failed: as `InstanceSource.open`.
        """
        limit_bytes = self._limit_bytes(listed)
        try:
            answer = self._connection.get(
                listed.source, HEADERS, limit_bytes=limit_bytes, abandoned=self._abandoned
            )
            with self._lock:
                self._moved += answer.moved
            if not answer.body:
                raise Failed(
                    Reason.ARCHIVE_UNAVAILABLE, f"an image that it lists is not there (HTTP {answer.status})"
                )
            data = dicom_file(answer.kind, answer.body)
        except ArchiveError as error:
            raise Failed(Reason.ARCHIVE_UNAVAILABLE, str(error)) from None
        found = parse_header(
            listed.source, len(data), lambda offset, length: bytes(data[offset : offset + length])
        )
        if isinstance(found, Passed):
            raise Failed(Reason.UNREADABLE_FILE, f"an image came as {_WHAT.get(found.why, 'another object')}")
        if found.sop_instance_uid != listed.sop_instance_uid:
            raise Failed(Reason.UNREADABLE_FILE, "an image came in place of another one")
        return Fetched(found, data)

    def _limit_bytes(self, listed: Instance) -> int:
        """The longest answer that may be this instance.

        Raises:
            Failed: `unreadable_file` when its header alone says that it is larger than the site allows.
        """
        allowed = self._network.max_instance_bytes
        pixels = listed.rows * listed.columns * listed.samples_per_pixel * max(1, len(listed.frames))
        expected = pixels * listed.bits_allocated // 8
        if expected > allowed:
            raise Failed(
                Reason.UNREADABLE_FILE,
                f"an image of {expected // BYTES_PER_MIB} MiB was not fetched: network.max_instance_mb is "
                f"{self._network.max_instance_mb}",
            )
        return min(allowed, int(SLACK * expected) + MAX_HEADER_BYTES)


_WHAT = {
    NoImage.NOT_DICOM: "something other than DICOM",
    NoImage.UNREADABLE: "damaged DICOM",
}
