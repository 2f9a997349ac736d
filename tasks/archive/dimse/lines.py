"""`Lines`: the associations that one process holds with one peer, shared by all that it asks of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ssl import SSLContext
from typing import TypeVar

from tasks.archive.dimse.address import Address
from tasks.archive.dimse.association import Line, NotNow, TakeStored
from tasks.archive.dimse.wire import Bounds
from tasks.archive.load import Load
from tasks.archive.tls import client_context
from tasks.outcomes import ArchiveError
from tasks.settings import Dimse, Network

T = TypeVar("T")
# The first pause before a further try, and the longest; each is twice the one before.
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True)
class Limits:
    """What one process may ask of one peer, and for how long."""

    network: Network
    load: Load

    def bounds(self) -> Bounds:
        """For the socket of an association."""
        return Bounds(
            stall_s=self.network.read_timeout_s,
            message_bytes=self.network.max_instance_bytes,
            took=self.load.spend,
        )


class Lines:
    """Associations on demand. Safe for use by several threads; lives in one process.

    Args:
        store: takes the instances that a C-GET brings, whichever association they come over.
    """

    def __init__(self, address: Address, settings: Dimse, limits: Limits, store: TakeStored) -> None:
        self.address = address
        self.calling = address.calling or settings.calling_aet
        self.limits = limits
        self._store = store
        self._tls: SSLContext | None = client_context(settings) if address.tls else None
        self._lock = threading.Lock()
        self._idle: list[Line] = []

    @contextmanager
    def line(self, until_s: float) -> Iterator[Line]:
        """An association, for as long as the block lasts; one that stands already, where there is one.

        Args:
            until_s: when what is asked over it is given up; infinity for a list, while answers come.

        Raises:
            NotNow: there is none to be had now.
            ArchiveError: there will be none.
        """
        longest_s = self.limits.network.answer_timeout_s
        within_s = min(longest_s, max(0.0, until_s - time.monotonic()))
        with ExitStack() as held:
            try:
                held.enter_context(self.limits.load.request(within_s))
            except TimeoutError:
                raise NotNow("other requests of ours held every association") from None
            line = self._take() or self._open()
            line.until_s = until_s
            try:
                yield line
            except BaseException:
                line.drop()
                raise
            self._give_back(line)

    def ask(self, question: Callable[[Line], T]) -> T:
        """The answer to a question, asked again, with growing pauses, while the peer gives none.

        All of it takes at most `network.answer_timeout_s`, and what a last try to connect takes.

        Raises:
            ArchiveError: it gave none however often it was asked.
        """
        network = self.limits.network
        deadline_s = time.monotonic() + network.answer_timeout_s
        pause_s = FIRST_PAUSE_S
        for left in reversed(range(network.retries + 1)):
            try:
                with self.line(deadline_s) as line:
                    return question(line)
            except NotNow as not_now:
                if not left or time.monotonic() + pause_s > deadline_s:
                    raise self.unavailable(str(not_now)) from None
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def unavailable(self, what: str) -> ArchiveError:
        """The error of a peer that was asked in vain."""
        return ArchiveError(f"The DIMSE peer gave no usable answer: {what}.")

    def close(self) -> None:
        """Release every association that is not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    def _open(self) -> Line:
        connect_timeout_s = self.limits.network.connect_timeout_s
        bounds = self.limits.bounds()
        return Line(self.address, self.calling, bounds, connect_timeout_s, self._tls, self._store)

    def _take(self) -> Line | None:
        with self._lock:
            while self._idle:
                line = self._idle.pop()
                if line.is_open:
                    return line
                line.drop()
        return None

    def _give_back(self, line: Line) -> None:
        if line.is_open:
            with self._lock:
                self._idle.append(line)
        else:
            line.drop()
