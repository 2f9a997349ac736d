"""`Line`: one association with a peer, over which many requests go; and how it comes about or is refused."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from ssl import SSLContext

from pydicom.dataset import Dataset
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.status import code_to_category

from tasks.archive.dimse.address import Address
from tasks.archive.dimse.wire import MAX_PDU_BYTES, Bounds, Requestor, Wire
from tasks.dicom.syntaxes import SYNTAXES
from tasks.outcomes import ArchiveError

# PS3.4 table C.6-2: the study root query/retrieve information model.
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
RETRIEVED_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
    "1.2.840.10008.5.1.4.1.1.2.2",  # legacy converted enhanced CT
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture, met in series of CT
)
"""Storage SOP classes that are retrieved (PS3.4 table B.5-1)."""
RETRIEVED_SYNTAXES = tuple(uid for uid, syntax in SYNTAXES.items() if syntax.codecs)
"""Transfer syntaxes with a decoder of ours, so that the peer sends what it has, as it has it."""

# An association that nobody uses for so long is released by pynetdicom's reactor, which takes a twentieth of
# a core as long as it stands; making another costs a peer some milliseconds.
IDLE_S = 2.0
# Longer than any answer may take; a bound that is there even if ours should fail.
LONGEST_WAIT_S = 3600.0

# A match of a query is one to two KiB.
MAX_ANSWER_BYTES = 1024 * 1024

TakeStored = Callable[[evt.Event], int]
"""A handler of C-STORE: given the event, returns the status."""


class NotNow(Exception):  # noqa: N818 - not an error until it was tried often enough
    """The peer gave no usable answer this time; its text says in words what happened."""


class Line:
    """An association that stands. Used by one thread at a time.

    Attributes:
        until_s: when what is asked is given up, by `time.monotonic`.

    Raises:
        NotNow: the peer cannot be reached, or cannot take us at the moment.
        ArchiveError: the peer will not have us as we are.
    """

    def __init__(
        self,
        address: Address,
        calling: str,
        bounds: Bounds,
        connect_timeout_s: float,
        tls: SSLContext | None,
        store: TakeStored,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self.until_s = math.inf
        entity = Requestor(calling, bounds)
        entity.connection_timeout = connect_timeout_s
        entity.acse_timeout = connect_timeout_s
        # silence and lateness end a request before this: see `Wire.expecting`
        entity.dimse_timeout = LONGEST_WAIT_S
        entity.network_timeout = IDLE_S
        try:
            self._association = entity.associate(
                address.host,
                address.port,
                contexts=_contexts(),
                ae_title=address.called,
                max_pdu=MAX_PDU_BYTES,
                ext_neg=[build_role(uid, scp_role=True) for uid in RETRIEVED_CLASSES],
                tls_args=(tls, address.host) if tls else None,
                evt_handlers=[(evt.EVT_C_STORE, store)],
            )
        except OSError:
            raise NotNow("no host of that name is known") from None
        self._association.network_timeout_response = "A-RELEASE"
        if not self._association.is_established:
            why = _why_not(self._association, address, calling)
            self.drop()
            raise why

    @property
    def is_open(self) -> bool:
        """Whether the peer has not ended the association."""
        return bool(self._association.is_established)

    @property
    def can_get(self) -> bool:
        """Whether the peer would send instances over this association."""
        return self._accepts(STUDY_ROOT_GET) and any(
            context.as_scp and context.abstract_syntax in RETRIEVED_CLASSES
            for context in self._association.accepted_contexts
        )

    @property
    def can_move(self) -> bool:
        """Whether the peer would send instances to a place that it knows."""
        return self._accepts(STUDY_ROOT_MOVE)

    def find(self, query: Dataset) -> Iterator[Dataset]:
        """The answers to a query, as they come.

        Raises:
            NotNow: no answer in time, or an answer that is none.
            ArchiveError: the peer does not answer such queries.
        """
        if not self._accepts(STUDY_ROOT_FIND):
            raise ArchiveError(
                "The DIMSE peer does not offer queries (C-FIND, study root): "
                "allow them there for our AE title."
            )
        is_done = False
        try:
            answers = self._association.send_c_find(query, STUDY_ROOT_FIND)
            while not is_done:
                with self._wire.expecting(self.until_s, MAX_ANSWER_BYTES):
                    status, answer = next(answers)
                code = status.get("Status")
                if code is None:
                    raise NotNow("it ended the association, or fell silent, in the middle of a query")
                is_done = code_to_category(code) != "Pending"
                if is_done and code != 0:
                    raise NotNow(f"it ended a query with status 0x{code:04X}")
                if not is_done and answer is None:
                    raise NotNow("it sent an answer to a query that cannot be read")
                if answer is not None:
                    yield answer
        except (RuntimeError, ValueError, StopIteration):
            raise NotNow("the association ended before a query") from None
        finally:
            if not is_done:
                self.drop()

    def get(self, query: Dataset) -> int | None:
        """Have instances sent over this association, to the handler `store`.

        Returns:
            The last status (PS3.4 table C.4-3); None when there was none.
        """
        return self._retrieve(lambda: self._association.send_c_get(query, STUDY_ROOT_GET))

    def move(self, query: Dataset, destination: str) -> int | None:
        """Have instances sent to the AE title `destination`; returns as `get` (PS3.4 table C.4-2)."""
        return self._retrieve(lambda: self._association.send_c_move(query, destination, STUDY_ROOT_MOVE))

    def heard(self, paused_s: float = 0.0) -> None:
        """Something came elsewhere that this request caused; see `Wire.heard`."""
        self._wire.heard(paused_s)

    def close(self) -> None:
        """Release the association, in the way that the standard has for it."""
        with suppress(OSError, RuntimeError):
            if self._association.is_established:
                with self._wire.expecting(time.monotonic() + self._connect_timeout_s):
                    self._association.release()
        self.drop()

    def drop(self) -> None:
        """Close the connection, whatever the peer is at."""
        self._wire.shut()
        with suppress(OSError, RuntimeError):
            self._association.abort()

    def _retrieve(self, ask: Callable[[], Iterator[tuple[Dataset, Dataset | None]]]) -> int | None:
        status = Dataset()
        is_pending = True
        try:
            answers = ask()
            while is_pending:
                with self._wire.expecting(self.until_s):
                    status, _ = next(answers)
                is_pending = "Status" in status and code_to_category(status.Status) == "Pending"
        except (RuntimeError, ValueError, StopIteration):
            status = Dataset()
        if "Status" not in status:
            self.drop()
            return None
        return int(status.Status)

    @property
    def _wire(self) -> Wire:
        wire = self._association.dul.socket
        if not isinstance(wire, Wire):
            raise TypeError("an association of ours runs over a Wire")
        return wire

    def _accepts(self, abstract_syntax: str) -> bool:
        return any(
            context.abstract_syntax == abstract_syntax for context in self._association.accepted_contexts
        )


def _contexts() -> list[PresentationContext]:
    """What is proposed: queries, and for each class one context a syntax, so that none excludes another."""
    models = (STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE)
    return [
        *(build_context(model, [EXPLICIT, IMPLICIT]) for model in models),
        *(build_context(uid, syntax) for uid in RETRIEVED_CLASSES for syntax in RETRIEVED_SYNTAXES),
    ]


# PS3.8 table 9-21: (source, reason) of a rejection, in words and what to do about it.
_CALLING, _CALLED = (1, 3), (1, 7)
_CONGESTED = frozenset({(3, 1), (3, 2)})


def _why_not(association: Association, address: Address, calling: str) -> NotNow | ArchiveError:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        why = (int(answer.result_source or 0), int(answer.diagnostic or 0))
        if why == _CALLING:
            return ArchiveError(
                f"The DIMSE peer does not know our AE title {calling}: add it there, or set "
                "dimse.calling_aet or ?calling= to one that it knows."
            )
        if why == _CALLED:
            return ArchiveError(
                "The DIMSE peer does not answer to the AE title before the @ of its address, or not to us: "
                f"write the right one there, and allow ours, {calling}, at the peer."
            )
        if why in _CONGESTED or answer.result == 2:
            return NotNow(f"it is busy and takes no association now (reason {why[0]}/{why[1]})")
        return ArchiveError(
            "The DIMSE peer refused the association "
            f"(reason {why[0]}/{why[1]} of PS3.8 table 9-21): see its log."
        )
    if answer is not None and answer.result == 0:
        return ArchiveError(
            "The DIMSE peer offers nothing that we ask for: neither queries nor images of CT."
        )
    secured = ", or the two sides do not believe each other's certificates" if address.tls else ""
    return NotNow(
        f"nothing answers on that host and port, or it ended the connection at once{secured}; see whether it "
        "runs, and can be reached from here"
    )
