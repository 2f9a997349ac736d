"""Images from a server, and a network, that do everything wrong that they can."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.archive.dicomweb import DicomWebPeer, metadata
from tasks.archive.load import Load
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom.instance import Instance
from tasks.dicom.source import InstanceSource
from tasks.outcomes import ArchiveError, Failed, Reason
from tests.archive.dicomweb.conftest import MakePeer
from tests.archive.faulty_proxy import (
    Exchange,
    Fault,
    FaultyProxy,
    as_single_part,
    half_a_body,
    half_a_body_undeclared,
    hang_up,
    instead,
    passed_on,
    stall,
    stall_in_the_middle,
    status,
    trickle,
)
from tests.archive.files import write_image
from tests.archive.orthanc import Orthanc
from tests.dicom.files import enhanced_ct, file_bytes

pytestmark = pytest.mark.orthanc

IMAGE = r"/instances/"
METADATA = r"/metadata"
STUDY = ListedStudy("1.2.3")
SERIES = ListedSeries("1.2.3.1")


@contextmanager
def listed(peer: DicomWebPeer) -> Iterator[tuple[tuple[Instance, ...], InstanceSource]]:
    """The headers of a series, and where its images are had from."""
    source = peer.source()
    try:
        yield peer.headers(STUDY, [SERIES]), source
    finally:
        source.close()


def opened(peer: DicomWebPeer) -> Instance:
    """The first image of the series, fetched."""
    with listed(peer) as (headers, source):
        return source.open(headers[0])[0]


def other_image(path: str) -> str:
    return path.rpartition("/")[0] + "/1.2.3.1.3"


@pytest.mark.parametrize(
    "fault",
    [
        hang_up,
        half_a_body,
        stall,
        stall_in_the_middle,
        status(500),
        status(429),
        status(503, Retry_After="0"),
        status(503, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"),
        status(503, Retry_After="soon"),
        status(503, Retry_After="Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
    ],
)
@pytest.mark.parametrize("where", [IMAGE, METADATA])
def test_what_failed_once_is_asked_for_again(
    proxy: FaultyProxy, peer_at: MakePeer, fault: Fault, where: str
) -> None:
    proxy.fail(where, fault, times=1)
    assert opened(peer_at(f"{proxy.url}/dicom-web")).pixel_offset
    assert proxy.count(where) == 2


@pytest.mark.parametrize(
    "fault", [hang_up, half_a_body, stall, stall_in_the_middle, status(500), status(502)]
)
def test_what_fails_each_time_ends_the_study(proxy: FaultyProxy, peer_at: MakePeer, fault: Fault) -> None:
    proxy.fail(IMAGE, fault)
    with pytest.raises(Failed) as ended:
        opened(peer_at(f"{proxy.url}/dicom-web"))
    assert ended.value.reason is Reason.ARCHIVE_UNAVAILABLE
    assert proxy.count(IMAGE) == 3


@pytest.mark.parametrize("fault", [hang_up, half_a_body, stall, status(503)])
def test_headers_that_never_come_are_an_error(proxy: FaultyProxy, peer_at: MakePeer, fault: Fault) -> None:
    proxy.fail(METADATA, fault)
    with pytest.raises(ArchiveError, match="in vain"):
        peer_at(f"{proxy.url}/dicom-web").headers(STUDY, [SERIES])
    assert proxy.count(METADATA) == 3


def test_an_answer_that_comes_byte_by_byte_is_given_up(proxy: FaultyProxy, peer_at: MakePeer) -> None:
    proxy.fail(IMAGE, trickle)
    with pytest.raises(Failed) as ended:
        opened(peer_at(f"{proxy.url}/dicom-web", {"answer_timeout_s": 1.0}))
    assert ended.value.reason is Reason.ARCHIVE_UNAVAILABLE
    assert "within 1 s" in ended.value.detail


def test_a_server_that_asks_for_more_time_than_there_is_is_left_alone(
    proxy: FaultyProxy, peer_at: MakePeer
) -> None:
    proxy.fail(IMAGE, status(503, Retry_After="3600"))
    with pytest.raises(Failed, match="503"):
        opened(peer_at(f"{proxy.url}/dicom-web"))
    assert proxy.count(IMAGE) == 1


def test_nobody_there_ends_the_study(peer_at: MakePeer) -> None:
    with pytest.raises(ArchiveError, match="no connection"):
        peer_at("http://127.0.0.1:1/dicom-web").series("1.2.3")


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        (status(404), Reason.ARCHIVE_UNAVAILABLE, "not there"),
        (status(204), Reason.ARCHIVE_UNAVAILABLE, "not there"),
        (status(200), Reason.ARCHIVE_UNAVAILABLE, "not there"),
        (status(401), Reason.ARCHIVE_UNAVAILABLE, "OSTEOSCREEN_DICOMWEB__PASSWORD"),
        (status(406), Reason.ARCHIVE_UNAVAILABLE, "HTTP 406"),
        (status(200, b"<html>", Content_Type="text/html"), Reason.ARCHIVE_UNAVAILABLE, "other than a DICOM"),
        (status(200, b"x" * 500, Content_Type="application/dicom"), Reason.UNREADABLE_FILE, "other than"),
        (half_a_body_undeclared, Reason.ARCHIVE_UNAVAILABLE, "ends before"),
        (instead(other_image), Reason.UNREADABLE_FILE, "in place of another"),
    ],
)
def test_what_is_no_use_is_not_asked_for_again(
    proxy: FaultyProxy, peer_at: MakePeer, fault: Fault, reason: Reason, words: str
) -> None:
    proxy.fail(IMAGE, fault)
    with pytest.raises(Failed) as ended:
        opened(peer_at(f"{proxy.url}/dicom-web"))
    assert ended.value.reason is reason
    assert words in ended.value.detail
    assert proxy.count(IMAGE) == 1


def test_an_answer_of_one_part_is_as_good(proxy: FaultyProxy, peer_at: MakePeer, files: list[Path]) -> None:
    proxy.fail(IMAGE, as_single_part)
    with listed(peer_at(f"{proxy.url}/dicom-web")) as (headers, source):
        instance, read = source.open(headers[0])
        assert read(128, instance.size_bytes) in {path.read_bytes()[128:] for path in files}


def test_no_more_is_taken_than_an_image_may_have(
    proxy: FaultyProxy, peer_at: MakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = peer_at(f"{proxy.url}/dicom-web", {"max_instance_mb": 1})
    proxy.fail(IMAGE, status(200, bytes(2 * 1024 * 1024), Content_Type="application/dicom"))
    with pytest.raises(Failed, match="longer than 1 MiB"):
        opened(peer)


def test_an_image_that_is_too_large_by_its_header_is_not_asked_for(
    filled: Orthanc, peer_at: MakePeer, tmp_path: Path
) -> None:
    filled.store([write_image(tmp_path / "x", study="1.2.9", series="1.2.9.1", Rows=4096, Columns=4096)])
    try:
        peer = peer_at(filled.dicom_web, {"max_instance_mb": 31})
        (header,) = peer.headers(ListedStudy("1.2.9"), [ListedSeries("1.2.9.1")])
        with pytest.raises(Failed, match="max_instance_mb") as ended:
            peer.source().open(header)
        assert ended.value.reason is Reason.UNREADABLE_FILE
    finally:
        filled.delete_study("1.2.9")


def test_compressed_answers_are_bounded_as_they_unfold(
    proxy: FaultyProxy, peer_at: MakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "MAX_METADATA_BYTES", 1024 * 1024)
    bomb = gzip.compress(bytes(50 * 1024 * 1024))
    proxy.fail(METADATA, status(200, bomb, Content_Encoding="gzip"))
    with pytest.raises(ArchiveError, match="longer than 1 MiB"):
        peer_at(f"{proxy.url}/dicom-web").headers(STUDY, [SERIES])


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "deflate"])
def test_what_is_packed_in_another_way_is_not_unpacked(
    proxy: FaultyProxy, peer_at: MakePeer, encoding: str
) -> None:
    bomb = gzip.compress(gzip.compress(bytes(50 * 1024 * 1024)))
    proxy.fail(METADATA, status(200, bomb, Content_Encoding=encoding))
    with pytest.raises(ArchiveError, match="not asked for"):
        peer_at(f"{proxy.url}/dicom-web").headers(STUDY, [SERIES])


def test_metadata_come_compressed(proxy: FaultyProxy, peer_at: MakePeer) -> None:
    encodings = []

    def look(exchange: Exchange) -> None:
        encodings.append(exchange.answer().headers.get("content-encoding"))
        passed_on(exchange)

    proxy.fail(METADATA, look)
    assert len(peer_at(f"{proxy.url}/dicom-web").headers(STUDY, [SERIES])) == 3
    assert encodings == ["gzip"]


@pytest.fixture(scope="module")
def long_series(filled: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A study of one series of 30 images."""
    folder = tmp_path_factory.mktemp("long")
    filled.store([write_image(folder / f"{n}", study="1.2.8", series="1.2.8.1", number=n) for n in range(30)])
    yield "1.2.8"
    filled.delete_study("1.2.8")


def headers_of(peer: DicomWebPeer, study_uid: str) -> tuple[Instance, ...]:
    return peer.headers(ListedStudy(study_uid), [ListedSeries(f"{study_uid}.1")])


def test_what_is_wanted_is_fetched_a_little_ahead_and_each_image_once(
    proxy: FaultyProxy, peer_at: MakePeer, long_series: str
) -> None:
    peer = peer_at(f"{proxy.url}/dicom-web", {"max_requests": 2})
    headers = headers_of(peer, long_series)
    source = peer.source()
    source.want(headers)
    source.want(headers)
    for number, header in enumerate(headers):
        source.open(header)
        assert number + 1 <= proxy.count(IMAGE) <= number + 1 + 4
    assert proxy.count(IMAGE) == len(headers)
    source.close()


def test_what_is_no_longer_wanted_makes_room(proxy: FaultyProxy, peer_at: MakePeer, long_series: str) -> None:
    peer = peer_at(f"{proxy.url}/dicom-web", {"max_requests": 2})
    headers = headers_of(peer, long_series)
    source = peer.source()
    source.want(headers[:10])
    source.want(headers[10:])
    for header in headers[10:]:
        assert source.open(header)[0].sop_instance_uid == header.sop_instance_uid
    assert len(headers[10:]) <= proxy.count(IMAGE) <= len(headers[10:]) + 4
    source.close()


def test_no_more_requests_than_allowed_are_under_way(
    proxy: FaultyProxy, peer_at: MakePeer, long_series: str
) -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def watched(exchange: Exchange) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.01)
        with lock:
            under_way -= 1
        passed_on(exchange)

    peer = peer_at(f"{proxy.url}/dicom-web", {"max_requests": 3})
    headers = headers_of(peer, long_series)
    proxy.fail(IMAGE, watched)
    source = peer.source()
    source.want(headers)
    for header in headers:
        source.open(header)
    assert 2 <= most <= 3
    source.close()


def test_an_image_that_is_opened_again_in_a_row_is_held(proxy: FaultyProxy, peer_at: MakePeer) -> None:
    with listed(peer_at(f"{proxy.url}/dicom-web")) as (headers, source):
        source.open(headers[0])
        source.open(headers[0])
        assert proxy.count(IMAGE) == 1
        source.open(headers[1])
        source.open(headers[0])
        assert proxy.count(IMAGE) == 3


def test_closing_waits_for_nothing_and_others_go_on(
    proxy: FaultyProxy, peer_at: MakePeer, long_series: str
) -> None:
    peer = peer_at(f"{proxy.url}/dicom-web", {"max_requests": 2, "read_timeout_s": 1.0})
    headers = headers_of(peer, long_series)
    proxy.fail(IMAGE, stall, times=2)
    source = peer.source()
    source.want(headers)
    source.close()
    again = peer.source()
    assert again.open(headers[5])[0].sop_instance_uid == headers[5].sop_instance_uid
    again.close()


def test_every_byte_is_accounted_for_before_the_next_is_taken(
    proxy: FaultyProxy, peer_at: MakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[int] = []

    def spend(load: Load, count: int) -> float:
        spent.append(count)
        return 0.0

    monkeypatch.setattr(Load, "spend", spend)
    opened(peer_at(f"{proxy.url}/dicom-web"))
    assert sum(spent) == proxy.sent > 0


def test_an_image_of_many_frames_is_fetched_once_and_when_it_is_opened(
    filled: Orthanc, proxy: FaultyProxy, peer_at: MakePeer
) -> None:
    enhanced = enhanced_ct([1.0, 2.0, 3.0])
    enhanced.StudyInstanceUID, enhanced.SeriesInstanceUID = "1.2.6", "1.2.6.1"
    enhanced.SOPInstanceUID = "1.2.6.1.1"
    filled.store([file_bytes(enhanced)])
    try:
        peer = peer_at(f"{proxy.url}/dicom-web")
        headers = headers_of(peer, "1.2.6")
        source = peer.source()
        source.want(headers * 3)
        assert proxy.count(IMAGE) == 0
        for _ in headers[0].frames:
            instance, read = source.open(headers[0])
            assert instance.frames == headers[0].frames
            assert instance.pixel_offset is not None
            assert read(instance.pixel_offset, 100) == enhanced.PixelData[:100]
        assert proxy.count(IMAGE) == 1
        source.close()
    finally:
        filled.delete_study("1.2.6")


def test_every_byte_that_came_is_counted(proxy: FaultyProxy, peer_at: MakePeer, files: list[Path]) -> None:
    with listed(peer_at(f"{proxy.url}/dicom-web")) as (headers, source):
        for header in headers:
            source.open(header)
        of_files = sum(path.stat().st_size for path in files[:3])
        assert of_files < source.bytes_read < of_files + 3 * 600
