"""`DimseSource`: the bytes of one study's instances, fetched ahead in the background."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tasks.archive.dimse.arrivals import Arrived
from tasks.archive.dimse.headers import is_as_listed
from tasks.archive.dimse.retrieve import TOGETHER, Retrieval
from tasks.dicom.instance import Instance
from tasks.dicom.pixel_data import Read
from tasks.dicom.source import Mislisted
from tasks.outcomes import ArchiveError, Failed, Reason

# Instances that came and were not asked for again are kept up to so many bytes, the one used longest ago goes
# first: a chest is 60 to 250 MiB.
MAX_KEPT_BYTES = 256 * 1024 * 1024
# Requests that one study has under way; `network.max_requests` bounds those of the whole process.
REQUESTS = 2


class Store:
    """Instances that came, by SOPInstanceUID, within bounds; shared by headers and pixels of a study."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Arrived] = OrderedDict()
        self._bytes = 0
        self._owed = 0

    def owe(self, count: int) -> None:
        """Account for bytes that came for headers, before anybody read pixels."""
        with self._lock:
            self._owed += count

    def owed(self) -> int:
        """The bytes so accounted for, once."""
        with self._lock:
            owed, self._owed = self._owed, 0
        return owed

    @property
    def is_full(self) -> bool:
        """Whether what comes next lets go of something."""
        return self._bytes >= self._max_bytes

    def put(self, arrived: Arrived) -> None:
        """Keep an instance; the ones used longest ago give way."""
        with self._lock:
            self._drop(arrived.sop_instance_uid)
            self._kept[arrived.sop_instance_uid] = arrived
            self._bytes += len(arrived.data)
            while self._bytes > self._max_bytes and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def get(self, uid: str) -> Arrived | None:
        """An instance that is kept."""
        with self._lock:
            arrived = self._kept.get(uid)
            if arrived is not None:
                self._kept.move_to_end(uid)
            return arrived

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = self._owed = 0

    def _drop(self, uid: str) -> None:
        dropped = self._kept.pop(uid, None)
        if dropped is not None:
            self._bytes -= len(dropped.data)


class DimseSource:
    """As `InstanceSource`, over DIMSE.

    Args:
        retrieval: fetches.
        store: what came already, for the headers of the same study.
    """

    is_local = False

    def __init__(self, retrieval: Retrieval, store: Store) -> None:
        self._retrieval = retrieval
        self._store = store
        self._pool = ThreadPoolExecutor(REQUESTS, thread_name_prefix="dimse")
        self._changed = threading.Condition()
        self._wanted: OrderedDict[str, Instance] = OrderedDict()
        self._under_way: set[str] = set()
        self._errors: dict[str, Exception] = {}
        self._bytes = 0
        self._is_closed = False

    @property
    def bytes_read(self) -> int:
        """Bytes of instances that came over the network, for headers too as soon as an image is opened."""
        return self._bytes

    def want(self, instances: Sequence[Instance]) -> None:
        """Fetch these in the background, in this order."""
        with self._changed:
            for instance in instances:
                uid = instance.sop_instance_uid
                if uid not in self._under_way and self._store.get(uid) is None:
                    self._wanted[uid] = instance
            self._go_on()

    def open(self, instance: Instance) -> tuple[Instance, Read]:
        """As `InstanceSource.open`; waits until the instance is there."""
        arrived = self._wait_for(instance)
        if arrived.instance is None:
            raise Failed(
                Reason.UNREADABLE_FILE, "what came is no image, another than was asked for, or too large"
            )
        if not is_as_listed(instance, arrived.instance):
            self._retrieval.mislisted.add(instance.series_uid)
            raise Mislisted
        return arrived.instance, arrived.reader

    def close(self) -> None:
        """Ask for nothing more, and let go of everything."""
        with self._changed:
            self._is_closed = True
            self._wanted.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._store.clear()

    def _wait_for(self, instance: Instance) -> Arrived:
        uid = instance.sop_instance_uid
        until_s = time.monotonic() + self._retrieval.longest_s
        with self._changed:
            self._bytes += self._store.owed()
            while True:
                arrived = self._store.get(uid)
                if arrived is not None:
                    return arrived
                error = self._errors.pop(uid, None)
                if isinstance(error, ArchiveError):
                    raise Failed(Reason.ARCHIVE_UNAVAILABLE, str(error))
                if error is not None:
                    raise error
                if uid not in self._under_way:
                    self._wanted[uid] = instance
                    self._wanted.move_to_end(uid, last=False)
                    self._start()
                if not self._changed.wait(until_s - time.monotonic()):
                    raise Failed(Reason.ARCHIVE_UNAVAILABLE, "an image did not come in time")

    def _go_on(self) -> None:
        """Start what there is room for; the lock is held."""
        while self._wanted and len(self._under_way) < REQUESTS * TOGETHER and not self._store.is_full:
            self._start()

    def _start(self) -> None:
        """Ask for the next wanted instances of one series; the lock is held."""
        first = next(iter(self._wanted.values()))
        batch = [uid for uid, instance in self._wanted.items() if instance.series_uid == first.series_uid][
            :TOGETHER
        ]
        for uid in batch:
            del self._wanted[uid]
        self._under_way.update(batch)
        self._pool.submit(self._fetch, first.study_uid, first.series_uid, batch)

    def _fetch(self, study_uid: str, series_uid: str, uids: Sequence[str]) -> None:
        error: Exception | None = None
        try:
            self._retrieval.fetch(study_uid, series_uid, uids, self._take)
        except Exception as caught:  # noqa: BLE001 - raised in the thread that waits for these
            error = caught
        finally:
            with self._changed:
                left = self._under_way.intersection(uids)
                self._under_way -= left
                if error is not None:
                    self._wanted.clear()  # what is opened is asked for again, and nothing else
                    self._errors.update(dict.fromkeys(left, error))
                if not self._is_closed:
                    self._go_on()
                self._changed.notify_all()

    def _take(self, arrived: Arrived) -> None:
        with self._changed:
            if self._is_closed:
                return
            self._bytes += len(arrived.data)
            self._store.put(arrived)
            self._under_way.discard(arrived.sop_instance_uid)
            self._changed.notify_all()
