"""`Retrieval`: instances by UID, by C-GET where the peer has it, else by C-MOVE to our own storage SCP.

Which of the two works is found out with the first instances that are fetched, and remembered for the process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from tasks.archive.dimse.address import Address
from tasks.archive.dimse.arrivals import Arrivals, Arrived, Request
from tasks.archive.dimse.association import Line, NotNow
from tasks.archive.dimse.find import instances_query
from tasks.archive.dimse.lines import Limits, Lines
from tasks.archive.dimse.storage import Storage
from tasks.outcomes import ArchiveError
from tasks.settings import Dimse

Way = Literal["get", "move"]
# Instances of one request: with more the answer to a question about one comes later, with fewer the peer is
# asked more often.
TOGETHER = 16
# A try to connect may take the time-out of TCP, that of the association, and that of ending it.
CONNECTION_TIMEOUTS = 3


class Retrieval:
    """Fetches instances from one peer. Safe for use by several threads.

    Attributes:
        lines: the associations with it.
        mislisted: series with an image that was not as its header was predicted.
    """

    def __init__(self, address: Address, settings: Dimse, limits: Limits) -> None:
        self._settings = settings
        self._limits = limits
        self._arrivals = Arrivals(limits.network.max_instance_bytes)
        self.lines = Lines(address, settings, limits, self._arrivals.store)
        self._address = address
        self._storage: Storage | None = None
        self.mislisted: set[str] = set()
        self._way: Way | None = None if settings.retrieve == "auto" else settings.retrieve

    @property
    def longest_s(self) -> float:
        """After which a fetch has ended, one way or the other, if another was under way before it."""
        network = self._limits.network
        return 2 * (network.answer_timeout_s + CONNECTION_TIMEOUTS * network.connect_timeout_s)

    def fetch(
        self, study_uid: str, series_uid: str, uids: Sequence[str], take: Callable[[Arrived], None]
    ) -> None:
        """Have instances of one series sent, at most `TOGETHER`; those that do not come are asked for again.

        Args:
            take: given each as it comes, in a thread of the association's.

        Raises:
            ArchiveError: some did not come, however often they were asked for.
        """
        missing = set(uids)
        if missing:
            self.lines.ask(
                lambda line: self._fetch(line, Request(study_uid, series_uid, missing, take, line.heard))
            )

    def _fetch(self, line: Line, request: Request) -> None:
        way = self._way or ("get" if line.can_get else "move")
        before = len(request.missing)
        status = self._by(way, line, request)
        if self._way is None and len(request.missing) < before:
            self._way = way
        if self._way is None and way == "get" and line.is_open and line.can_move:
            status = self._by("move", line, request)
            if len(request.missing) < before:
                self._way = "move"
        if request.missing:
            raise NotNow(_shortfall(len(request.missing), before, status))

    def _by(self, way: Way, line: Line, request: Request) -> int | None:
        query = instances_query(request.study_uid, request.series_uid, sorted(request.missing))
        if way == "get":
            if not line.can_get:
                raise self._refused("C-GET with images of CT")
            with self._arrivals.awaiting(request):
                return line.get(query)
        if not line.can_move:
            raise self._refused("C-GET with images of CT, or C-MOVE" if self._way is None else "C-MOVE")
        with self._storage_scp().listening(line.until_s) as title, self._arrivals.awaiting(request):
            return line.move(query, title)

    def _storage_scp(self) -> Storage:
        if self._storage is None:
            self._storage = Storage(
                self._settings,
                self._address.host,
                tls=self._address.tls,
                bounds=replace(self._limits.bounds(), took=self._took),
                store=self._arrivals.store,
            )
        return self._storage

    def _took(self, count: int) -> float:
        """Bytes came to the storage SCP: the association that asked for them is not silent, then."""
        paused_s = self._limits.load.spend(count)
        self._arrivals.heard(paused_s)
        return paused_s

    def _refused(self, what: str) -> ArchiveError:
        return ArchiveError(f"The DIMSE peer does not offer {what}: allow it there for our AE title.")


# PS3.4 table C.4-2: the status of a C-MOVE to an AE title that the peer does not know.
_DESTINATION_UNKNOWN = 0xA801


def _shortfall(missing: int, asked: int, status: int | None) -> str:
    if status == _DESTINATION_UNKNOWN:
        return (
            "it does not know where C-MOVE shall send: add our AE title, host and port of dimse.storage there"
        )
    told = "it ended the association or fell silent" if status is None else f"status 0x{status:04X}"
    return f"{missing} of {asked} images that were asked for did not come ({told})"
