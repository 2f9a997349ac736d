"""How images come: by C-GET or C-MOVE, whichever a real peer has."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from pydicom import dcmread

from tasks.archive.dimse import DimsePeer
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tasks.dicom.source import Mislisted
from tasks.outcomes import ArchiveError, Failed, Reason
from tests.archive.dimse.conftest import NETWORK, SERIES, SLICES, STUDY, Destination, settings
from tests.archive.dimse.dcmqrscp import Dcmqrscp
from tests.archive.files import write_image
from tests.archive.orthanc import LOOPBACK, Orthanc

pytestmark = [pytest.mark.orthanc, pytest.mark.dcmtk]


def headers_of(peer: DimsePeer) -> tuple[Instance, ...]:
    return peer.headers(ListedStudy(STUDY), [ListedSeries(SERIES)])


def check_all_come(peer: DimsePeer, slices: list[Path]) -> None:
    headers = headers_of(peer)
    assert len(headers) == SLICES
    source = peer.source()
    source.want(headers)
    for header in headers:
        instance, read = source.open(header)
        number = instance.instance_number or 0
        assert instance.frames == header.frames
        assert read(instance.pixel_offset or 0, 8) == dcmread(slices[number - 1]).PixelData
    source.close()
    peer.close()


@pytest.mark.parametrize("way", ["auto", "get", "move"])
def test_images_of_orthanc_come_either_way(
    full_orthanc: Orthanc, destination: Destination, slices: list[Path], way: str
) -> None:
    check_all_come(DimsePeer(full_orthanc.dimse, settings(destination, retrieve=way)), slices)


def test_a_peer_without_c_get_is_asked_by_c_move(
    dcmqrscp: Dcmqrscp, destination: Destination, slices: list[Path]
) -> None:
    check_all_come(DimsePeer(dcmqrscp.dimse, settings(destination)), slices)


def test_headers_that_no_index_tells_are_those_of_the_files(
    dcmqrscp: Dcmqrscp, destination: Destination, slices: list[Path]
) -> None:
    headers = headers_of(DimsePeer(dcmqrscp.dimse, settings(destination)))
    real = {}
    for path in slices:
        header = read_header(path, path.stat().st_size)
        assert isinstance(header, Instance)
        real[header.sop_instance_uid] = header
    assert sum(header.size_bytes > 0 for header in headers) == 5
    for header in headers:
        expected = real[header.sop_instance_uid]
        assert header.frames[0].position_mm == pytest.approx(expected.frames[0].position_mm)
        for name in ("identity", "kernel", "image_type", "rows", "pixel_spacing_mm", "slice_thickness_mm"):
            assert getattr(header, name) == getattr(expected, name)
        assert header.frames[0].intercept == expected.frames[0].intercept


def test_an_image_that_lies_elsewhere_than_predicted_has_its_series_read_whole(
    dcmqrscp: Dcmqrscp, destination: Destination, tmp_path: Path
) -> None:
    study_uid, series_uid, odd = "1.2.80", "1.2.80.1", 9
    dcmqrscp.store(
        [
            write_image(
                tmp_path / f"{n}.dcm",
                study=study_uid,
                series=series_uid,
                number=n,
                ImagePositionPatient=[-180.0, -180.0, n + (0.5 if n == odd else 0.0)],
            )
            for n in range(1, SLICES + 1)
        ]
    )
    peer = DimsePeer(dcmqrscp.dimse, settings(destination))
    asked = ListedStudy(study_uid), [ListedSeries(series_uid)]
    predicted = {header.instance_number: header for header in peer.headers(*asked)}
    source = peer.source()
    source.open(predicted[odd - 1])
    with pytest.raises(Mislisted):
        source.open(predicted[odd])
    source.close()
    real = {header.instance_number: header for header in peer.headers(*asked)}
    assert all(header.size_bytes for header in real.values())
    assert real[odd].frames[0].position_mm == (-180.0, -180.0, odd + 0.5)
    source = peer.source()
    assert source.open(real[odd])[0].frames == real[odd].frames
    source.close()


def test_a_peer_that_refuses_the_only_way_allowed_says_so(
    dcmqrscp: Dcmqrscp, destination: Destination
) -> None:
    with pytest.raises(ArchiveError, match="C-GET"):
        headers_of(DimsePeer(dcmqrscp.dimse, settings(destination, retrieve="get")))


def test_a_destination_that_the_peer_does_not_know_is_named(dcmqrscp: Dcmqrscp) -> None:
    stranger = Destination("STRANGER", 11119)
    with pytest.raises(ArchiveError, match=r"dimse\.storage"):
        headers_of(DimsePeer(dcmqrscp.dimse, settings(stranger)))


def test_an_instance_that_is_gone_fails_the_study(full_orthanc: Orthanc, destination: Destination) -> None:
    peer = DimsePeer(full_orthanc.dimse, settings(destination))
    header = headers_of(peer)[0]
    gone = Instance("", 0, STUDY, SERIES, "1.2.3.1.999", header.sop_class_uid, "")
    source = peer.source()
    with pytest.raises(Failed) as caught:
        source.open(gone)
    assert caught.value.reason is Reason.ARCHIVE_UNAVAILABLE
    source.open(header)
    source.close()


def test_an_image_larger_than_allowed_is_not_kept(
    full_orthanc: Orthanc, destination: Destination, tmp_path: Path
) -> None:
    side = 1024
    path = write_image(
        tmp_path / "large.dcm",
        study="1.2.90",
        series="1.2.90.1",
        Rows=side,
        Columns=side,
        PixelData=bytes(2 * side * side),
    )
    full_orthanc.store([path])
    listed = ListedStudy("1.2.90"), [ListedSeries("1.2.90.1")]
    small = NETWORK.model_copy(update={"max_instance_mb": 1})
    peer = DimsePeer(full_orthanc.dimse, settings(destination, network=small))
    (header,) = peer.headers(*listed)
    assert header.problem
    source = peer.source()
    with pytest.raises(Failed) as caught:
        source.open(header)
    assert caught.value.reason is Reason.UNREADABLE_FILE
    source.close()
    (header,) = DimsePeer(full_orthanc.dimse, settings(destination)).headers(*listed)
    assert not header.problem


def test_a_port_that_another_holds_is_waited_for_and_then_named(dcmqrscp: Dcmqrscp) -> None:
    with socket.create_server((LOOPBACK, 0)) as held:
        taken = Destination("OSTEOSCREEN", held.getsockname()[1])
        hasty = NETWORK.model_copy(update={"answer_timeout_s": 1.0})
        peer = DimsePeer(dcmqrscp.dimse, settings(taken, network=hasty))
        with pytest.raises(ArchiveError, match=r"dimse\.storage is in use"):
            headers_of(peer)


def test_nobody_listens_when_nothing_is_under_way(
    dcmqrscp: Dcmqrscp, destination: Destination, slices: list[Path]
) -> None:
    check_all_come(DimsePeer(dcmqrscp.dimse, settings(destination)), slices)
    until_s = time.monotonic() + 5.0
    while is_heard(destination) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not is_heard(destination)


def is_heard(destination: Destination) -> bool:
    """Whether somebody listens at a port."""
    try:
        socket.create_connection((LOOPBACK, destination.port), 1.0).close()
    except ConnectionRefusedError:
        return False
    except OSError:  # it is just closing
        return True
    return True
