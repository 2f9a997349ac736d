"""The storage SCP: it takes what was asked for, from where it was asked, and nothing else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from tasks.archive.dimse import DimsePeer
from tasks.archive.dimse.arrivals import (
    NOT_ASKED_FOR,
    SUCCESS,
    TOO_LARGE,
    UNREADABLE,
    Arrivals,
    Arrived,
    Request,
)
from tasks.archive.dimse.lines import Limits
from tasks.archive.dimse.storage import Storage
from tasks.archive.load import Load
from tasks.outcomes import ConfigurationError
from tests.archive.dimse.conftest import NETWORK, SERIES, STUDY, Destination, settings
from tests.archive.orthanc import LOOPBACK

CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
MAX_BYTES = 10_000
# Another host's address, as far as this machine has one.
ELSEWHERE = "127.0.0.2"


@dataclass
class Receiver:
    """A storage SCP, and what it took."""

    place: Destination
    arrivals: Arrivals
    taken: list[Arrived] = field(default_factory=list)

    def request(self, *uids: str) -> Request:
        """For instances of the series."""
        return Request(STUDY, SERIES, set(uids), self.taken.append, lambda _paused_s: None)


@pytest.fixture
def receiver(destination: Destination) -> Iterator[Receiver]:
    """A storage SCP that listens for a peer of this host."""
    arrivals = Arrivals(MAX_BYTES)
    storage = Storage(
        settings(destination).dimse,
        LOOPBACK,
        tls=False,
        bounds=Limits(NETWORK, Load(1)).bounds(),
        store=arrivals.store,
    )
    with storage.listening(time.monotonic() + 5):
        yield Receiver(destination, arrivals)


def sender(
    receiver: Receiver, *, syntaxes: tuple[str, ...] = (EXPLICIT,), host: str = LOOPBACK
) -> Association:
    """An association with it, accepted or not."""
    entity = AE("SENDER")
    entity.acse_timeout = 5
    entity.add_requested_context(CT, list(syntaxes))
    return entity.associate(
        LOOPBACK, receiver.place.port, ae_title=receiver.place.title, bind_address=(host, 0)
    )


def send(receiver: Receiver, *images: Dataset) -> list[int]:
    """The status that each image is answered with."""
    association = sender(receiver)
    assert association.is_established
    try:
        return [int(association.send_c_store(image).Status) for image in images]
    finally:
        association.release()


def test_what_was_not_asked_for_is_refused(receiver: Receiver, slices: list[Path]) -> None:
    assert send(receiver, dcmread(slices[0])) == [NOT_ASKED_FOR]


def test_what_was_asked_for_is_taken_once(receiver: Receiver, slices: list[Path]) -> None:
    image = dcmread(slices[0])
    request = receiver.request(image.SOPInstanceUID)
    with receiver.arrivals.awaiting(request):
        assert send(receiver, image, image) == [SUCCESS, NOT_ASKED_FOR]
    (arrived,) = receiver.taken
    assert arrived.instance is not None
    assert arrived.instance.frames[0].position_mm == tuple(image.ImagePositionPatient)
    assert not request.missing
    assert send(receiver, image) == [NOT_ASKED_FOR]


def test_another_image_under_the_uid_asked_for_is_of_no_use(receiver: Receiver, slices: list[Path]) -> None:
    image = dcmread(slices[0])
    image.SeriesInstanceUID = "1.2.3.2"
    with receiver.arrivals.awaiting(receiver.request(image.SOPInstanceUID)):
        assert send(receiver, image) == [UNREADABLE]
    assert [arrived.instance for arrived in receiver.taken] == [None]


def test_an_image_that_is_too_large_is_not_kept(receiver: Receiver, slices: list[Path]) -> None:
    image = dcmread(slices[0])
    image.PixelData = bytes(2 * MAX_BYTES)
    with receiver.arrivals.awaiting(receiver.request(image.SOPInstanceUID)):
        assert send(receiver, image) == [TOO_LARGE]
    assert [arrived.data for arrived in receiver.taken] == [b""]


@pytest.mark.parametrize("offered", [(JPEG_LOSSLESS, IMPLICIT), (IMPLICIT, JPEG_LOSSLESS)])
def test_a_sender_may_send_what_it_has(receiver: Receiver, offered: tuple[str, str]) -> None:
    association = sender(receiver, syntaxes=offered)
    (context,) = association.accepted_contexts
    assert context.transfer_syntax == [offered[0]]
    association.release()


def test_another_called_title_is_refused(receiver: Receiver) -> None:
    receiver.place = Destination("OTHER", receiver.place.port)
    assert sender(receiver).is_rejected


def test_another_host_is_not_heard(receiver: Receiver) -> None:
    assert not sender(receiver, host=ELSEWHERE).is_established


def test_whoever_says_nothing_holds_up_nobody(receiver: Receiver, slices: list[Path]) -> None:
    image = dcmread(slices[0])
    silent = socket.create_connection((LOOPBACK, receiver.place.port))
    with silent, receiver.arrivals.awaiting(receiver.request(image.SOPInstanceUID)):
        assert send(receiver, image) == [SUCCESS]


def test_two_that_receive_at_once_share_the_place(destination: Destination) -> None:
    storage = Storage(
        settings(destination).dimse,
        LOOPBACK,
        tls=False,
        bounds=Limits(NETWORK, Load(1)).bounds(),
        store=Arrivals(MAX_BYTES).store,
    )
    both = threading.Barrier(2, timeout=10)
    titles: list[str] = []

    def listen() -> None:
        with storage.listening(time.monotonic() + 5) as title:
            both.wait()
            titles.append(title)

    threads = [threading.Thread(target=listen) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert titles == [destination.title] * 2


@pytest.mark.parametrize(
    "place", ["OSTEOSCREEN", "OSTEOSCREEN:port", "OSTEOSCREEN:0", ":104", "A" * 17 + ":104"]
)
def test_a_place_that_is_none_is_refused_before_the_night(place: str) -> None:
    with pytest.raises(ConfigurationError, match=r"dimse\.storage"):
        DimsePeer("dimse://PACS@archive", settings(storage=(place,)))
