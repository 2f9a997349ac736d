"""Peers that refuse, fall silent, or break off: an end in time with its reason, or none at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom import AE

from tasks.archive.dimse import DimsePeer
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom.instance import Instance
from tasks.outcomes import ArchiveError, Failed, Reason
from tasks.settings import Network
from tests.archive.dimse.conftest import NETWORK, SERIES, SLICES, STUDY, Destination, settings
from tests.archive.dimse.dcmqrscp import running_dcmqrscp
from tests.archive.dimse.proxy import Fault, Proxy, running_proxy
from tests.archive.orthanc import LOOPBACK, Orthanc, free_port, running_orthanc

pytestmark = pytest.mark.orthanc

# For peers that never answer: there is nothing to wait for.
IMPATIENT = NETWORK.model_copy(update={"connect_timeout_s": 0.5, "read_timeout_s": 0.5})
# Whatever happens ends within this: the time-outs of every try, and much more for a loaded machine.
BOUND_S = 30.0


@pytest.fixture
def proxy(full_orthanc: Orthanc) -> Iterator[Proxy]:
    """Between us and the Orthanc."""
    with running_proxy(full_orthanc.dicom_port) as running:
        yield running


def peer_behind(proxy: Proxy, network: Network = NETWORK) -> DimsePeer:
    return DimsePeer(proxy.address("ORTHANC"), settings(network=network))


def listed(peer: DimsePeer) -> tuple[Instance, ...]:
    return peer.headers(ListedStudy(STUDY), [ListedSeries(SERIES)])


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        ("stall", 0),
        ("stall", 3000),
        ("stall", 8000),
        ("cut", 0),
        ("cut", 8000),
        ("trickle", 0),
        ("trickle", 8000),
    ],
    ids=str,
)
def test_a_fault_that_lasts_ends_in_time(proxy: Proxy, fault: Fault, after: int) -> None:
    proxy.fault, proxy.after, proxy.left = fault, after, 1000
    began_s = time.monotonic()
    with pytest.raises(ArchiveError, match="gave no usable answer"):
        listed(peer_behind(proxy, IMPATIENT))
    assert time.monotonic() - began_s < BOUND_S


@pytest.mark.parametrize(("fault", "after"), [("stall", 8000), ("cut", 0), ("cut", 3000)], ids=str)
def test_a_fault_that_passes_is_got_over(proxy: Proxy, fault: Fault, after: int) -> None:
    proxy.fault, proxy.after, proxy.left = fault, after, 1
    assert len(listed(peer_behind(proxy))) == SLICES


@pytest.mark.parametrize("fault", ["stall", "cut"])
def test_a_fault_among_images_is_got_over_or_fails_the_study(proxy: Proxy, fault: Fault) -> None:
    peer = peer_behind(proxy)
    headers = listed(peer)
    peer.close()
    proxy.fault, proxy.after, proxy.left = fault, 8000, 1
    source = peer.source()
    source.want(headers)
    assert [source.open(header)[0].sop_instance_uid for header in headers] == [
        header.sop_instance_uid for header in headers
    ]
    source.close()


@pytest.mark.dcmtk
@pytest.mark.parametrize(("fault", "times", "is_got_over"), [("cut", 1, True), ("stall", 9, False)])
def test_a_fault_on_the_way_of_a_c_move_ends_in_time(
    tmp_path: Path, slices: list[Path], fault: Fault, times: int, is_got_over: bool
) -> None:
    here = Destination("HERE", free_port())
    with (
        running_proxy(here.port) as between,
        running_dcmqrscp(tmp_path, {here.title: between.port}, "--disable-get") as server,
    ):
        server.store(slices)
        between.fault, between.after, between.left = fault, 1000, times
        peer = DimsePeer(server.dimse, settings(here, network=IMPATIENT))
        if is_got_over:
            assert len(listed(peer)) == SLICES
        else:
            with pytest.raises(ArchiveError, match="did not come"):
                listed(peer)
        peer.close()


def test_an_archive_that_dies_fails_the_study(proxy: Proxy) -> None:
    peer = peer_behind(proxy)
    headers = listed(peer)
    peer.close()
    proxy.fault, proxy.after, proxy.left = "stall", 4000, 1000
    source = peer.source()
    source.want(headers)
    with pytest.raises(Failed) as caught:
        for header in headers:
            source.open(header)
    assert caught.value.reason is Reason.ARCHIVE_UNAVAILABLE
    source.close()


@pytest.mark.parametrize("fault", ["stall", "cut"])
def test_a_list_that_breaks_off_is_told_once(proxy: Proxy, fault: Fault) -> None:
    proxy.fault, proxy.after, proxy.left = fault, 2500, 1
    studies = [study.study_uid for study in peer_behind(proxy).studies(None, None)]
    assert studies.count(STUDY) == 1


def test_nobody_there_is_said_without_the_address() -> None:
    port = free_port()
    with pytest.raises(ArchiveError, match="nothing answers") as caught:
        DimsePeer(f"dimse://NOBODY@{LOOPBACK}:{port}", settings()).series(STUDY)
    assert not any(part in str(caught.value) for part in ("NOBODY", LOOPBACK, str(port)))


def test_a_host_that_does_not_exist_is_said() -> None:
    with pytest.raises(ArchiveError, match="no host of that name"):
        DimsePeer("dimse://NOBODY@no-such-host.invalid", settings()).series(STUDY)


def test_a_wrong_called_title_is_said(tmp_path: Path) -> None:
    with running_orthanc(tmp_path, DicomCheckCalledAet=True) as server:
        peer = DimsePeer(f"dimse://OTHER@{LOOPBACK}:{server.dicom_port}", settings())
        with pytest.raises(ArchiveError, match="does not answer to the AE title"):
            peer.series(STUDY)


def test_a_calling_title_that_is_not_known_is_said() -> None:
    entity = AE("PICKY")
    entity.add_supported_context("1.2.840.10008.1.1")
    entity.require_calling_aet = ["FRIEND"]
    server = entity.start_server((LOOPBACK, 0), block=False)
    assert server is not None
    try:
        peer = DimsePeer(f"dimse://PICKY@{LOOPBACK}:{server.server_address[1]}", settings())
        with pytest.raises(ArchiveError, match="does not know our AE title OSTEOSCREEN"):
            peer.series(STUDY)
    finally:
        server.shutdown()


def test_a_peer_that_offers_nothing_of_ours_is_said() -> None:
    entity = AE("ECHO")
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server((LOOPBACK, 0), block=False)
    assert server is not None
    try:
        peer = DimsePeer(f"dimse://ECHO@{LOOPBACK}:{server.server_address[1]}", settings())
        with pytest.raises(ArchiveError, match="offers nothing that we ask for"):
            peer.series(STUDY)
    finally:
        server.shutdown()


def test_the_rate_is_kept(full_orthanc: Orthanc) -> None:
    network = NETWORK.model_copy(update={"max_mb_per_s": 0.02})
    peer = DimsePeer(full_orthanc.dimse, settings(network=network))
    headers = listed(peer)
    source = peer.source()
    began_s = time.monotonic()
    source.want(headers)
    for header in headers:
        source.open(header)
    assert time.monotonic() - began_s > 0.2
    source.close()
    peer.close()


def test_no_thread_is_left_behind(full_orthanc: Orthanc) -> None:
    peer = DimsePeer(full_orthanc.dimse, settings())
    source = peer.source()
    source.open(listed(peer)[0])
    source.close()
    peer.close()
    until_s = time.monotonic() + 10.0
    while _threads_of_ours() and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not _threads_of_ours()


def _threads_of_ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("dimse", "Requestor"))]
